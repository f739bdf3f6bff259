"""
Public: addresses of the pages of automation. A site includes them where it likes, without a namespace of its own::

    path("staff/automation/", include("edx_ace.web.automation.urls"))
"""

from django.urls import path

from edx_ace.web.automation import changing, doing, listing, looking, many, planning, simulating, templates

app_name = "ace_automation_web"
urlpatterns = [
    path("", listing.page, name="list"),
    path("calendar/", planning.page, name="calendar"),
    path("simulate/", simulating.page, name="simulate"),
    path("many/", many.page, name="many"),
    path("templates/", templates.page, name="templates"),
    path("templates/switch/", templates.switch, name="switch"),
    path("templates/write/<path:action>", templates.write, name="write"),
    path("templates/preview/<path:action>", templates.preview, name="preview"),
    path("templates/versions/<path:action>", templates.versions, name="versions"),
    path("templates/roll-back/<path:action>", templates.roll_back, name="roll_back"),
    path("<uuid:uuid>/", looking.page, name="detail"),
    path("<uuid:uuid>/letters/<int:place>/", looking.frame, name="frame"),
    path("<uuid:uuid>/edit/", changing.edit, name="edit"),
    path("<uuid:uuid>/reschedule/", changing.reschedule, name="reschedule"),
    path("<uuid:uuid>/attachments/", changing.attach, name="attach"),
    path("<uuid:uuid>/attachments/<int:key>/", looking.attachment, name="attachment"),
    path("<uuid:uuid>/attachments/<int:key>/detach/", changing.detach, name="detach"),
    path("<uuid:uuid>/cancel/", doing.cancel, name="cancel"),
    path("<uuid:uuid>/send-now/", doing.send_now, name="send_now"),
    path("<uuid:uuid>/resend/", doing.resend, name="resend"),
    path("<uuid:uuid>/test/", doing.test, name="test"),
]
