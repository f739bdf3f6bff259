"""
Public: the addresses that links and pixels of tracked mails have, and those at which providers say what became of
messages. A site includes them where it likes, without a namespace of its own::

    path("mail/", include("edx_ace.tracking.urls"))

A provider is then told, for example, ``https://user:password@example.com/mail/postmark/tracking/``.
"""

from django.urls import path

from edx_ace.tracking import views
from edx_ace.tracking.webhooks import webhook

app_name = "ace_tracking"
urlpatterns = [
    path("c/<str:token>", views.click, name="click"),
    path("o/<str:token>.gif", views.open_, name="open"),
    path("<slug:provider>/tracking/", webhook, name="webhook"),
]
