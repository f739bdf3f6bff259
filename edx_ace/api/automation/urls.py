"""
Public: addresses of automation's endpoints. A site includes them where it likes, without a namespace of its own::

    path("api/automation/", include("edx_ace.api.automation.urls"))
"""

from __future__ import annotations

from edx_ace.errors import MissingExtraError

try:
    from edx_ace.api.automation import describing, listing, many, messages, templates, work
except ImportError as error:
    raise MissingExtraError("edx_ace.api", "api") from error

from django.urls import path

app_name = "ace_automation_api"
urlpatterns = [
    path("", listing.Messages.as_view(), name="messages"),
    path("calendar/", listing.Calendar.as_view(), name="calendar"),
    path("actions/", listing.Actions.as_view(), name="actions"),
    path("actions/<path:action>/objects/", listing.Objects.as_view(), name="objects"),
    path("simulation/", listing.Simulation.as_view(), name="simulation"),
    path("schema/", describing.SchemaEndpoint.as_view(), name="schema"),
    path("many/cancel/", many.CancelMany.as_view(), name="cancel_many"),
    path("many/reschedule/", many.RescheduleMany.as_view(), name="reschedule_many"),
    path("many/send-now/", many.SendManyNow.as_view(), name="send_many_now"),
    path("many/resend/", many.ResendMany.as_view(), name="resend_many"),
    path("switch/", templates.Switch.as_view(), name="switch"),
    path("templates/", templates.Templates.as_view(), name="templates"),
    path("templates/<path:action>/problems/", templates.Problems.as_view(), name="problems"),
    path("templates/<path:action>/preview/", templates.Preview.as_view(), name="preview"),
    path("templates/<path:action>/versions/", templates.Versions.as_view(), name="versions"),
    path("templates/<path:action>/roll-back/", templates.RollBack.as_view(), name="roll_back"),
    path("templates/<path:action>/active/", templates.Active.as_view(), name="active"),
    path("templates/<path:action>/switch/", templates.ActionSwitch.as_view(), name="action_switch"),
    path("templates/<path:action>/", templates.Template.as_view(), name="template"),
    path("workers/", work.Due.as_view(), name="due"),
    path("workers/<uuid:id>/lock/", work.Lock.as_view(), name="lock"),
    path("workers/<uuid:id>/letters/", work.WorkLetters.as_view(), name="work_letters"),
    path("workers/<uuid:id>/attachments/<int:key>/", work.WorkAttachment.as_view(), name="work_attachment"),
    path("workers/<uuid:id>/succeed/", work.Succeed.as_view(), name="succeed"),
    path("workers/<uuid:id>/fail/", work.Fail.as_view(), name="fail"),
    path("workers/<uuid:id>/cancel/", work.WorkCancel.as_view(), name="work_cancel"),
    path("<uuid:id>/", messages.Message.as_view(), name="message"),
    path("<uuid:id>/letters/", messages.Letters.as_view(), name="letters"),
    path("<uuid:id>/log/", messages.Log.as_view(), name="log"),
    path("<uuid:id>/reschedule/", messages.Reschedule.as_view(), name="reschedule"),
    path("<uuid:id>/cancel/", messages.Cancel.as_view(), name="cancel"),
    path("<uuid:id>/send-now/", messages.SendNow.as_view(), name="send_now"),
    path("<uuid:id>/resend/", messages.Resend.as_view(), name="resend"),
    path("<uuid:id>/test/", messages.Test.as_view(), name="test"),
    path("<uuid:id>/attachments/", messages.Attachments.as_view(), name="attachments"),
    path("<uuid:id>/attachments/<int:key>/", messages.Attachment.as_view(), name="attachment"),
]
