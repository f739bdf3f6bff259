"""
Public: addresses of the pages of the staff. A site includes them where it likes, without a namespace of its own::

    path("staff/messages/", include("edx_ace.web.staff.urls"))
"""

from django.urls import path

from edx_ace.web.staff import figures, messages

app_name = "ace_staff"
urlpatterns = [
    path("", messages.search, name="search"),
    path("figures/", figures.page, name="figures"),
    path("figures.csv", figures.as_csv, name="figures_csv"),
    path("figures.json", figures.as_json, name="figures_json"),
    path("<uuid:uuid>/", messages.message, name="message"),
    path("<uuid:uuid>/resend/", messages.resend, name="resend"),
    path("<uuid:uuid>/copy/<slug:channel_type>/", messages.copy, name="copy"),
]
