"""Internal: the addresses that the front end knows."""

from django.urls import path

from compose import views

_COURSE = "courses/<slug:slug>/instructor/api"
_SCHEDULES = "api/instructor_task/v1/schedules/<slug:slug>/bulk_email"

app_name = "compose"
urlpatterns = [
    path(f"{_COURSE}/send_email", views.send_email, name="send_email"),
    path(f"{_COURSE}/list_email_content", views.content_history, name="content_history"),
    path(f"{_COURSE}/list_background_email_tasks", views.task_history, name="task_history"),
    path(f"{_SCHEDULES}/", views.schedules, name="schedules"),
    path(f"{_SCHEDULES}/<int:pk>", views.one_schedule, name="schedule"),
]
