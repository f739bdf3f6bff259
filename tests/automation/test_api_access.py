"""
Internal: who may use which endpoint of automation; each takes its permissions, and no other opens it.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from django.core.files.uploadedfile import SimpleUploadedFile
from django.forms.models import model_to_dict
from django.utils import timezone

from edx_ace.automation.access import PERMISSIONS
from edx_ace.automation.models import Attachment, Entry, ScheduledMessage, Switch, Template, TemplateVersion

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("storage")]

SCHEMA = yaml.safe_load((Path(__file__).parents[2] / "docs" / "reference" / "openapi-automation.yaml").read_text())

VIEW, WORK, TEMPLATE = {"view_message"}, {"work_message"}, {"change_template"}
CHANGE, CANCEL, SEND = VIEW | {"change_message"}, VIEW | {"cancel_message"}, VIEW | {"send_message"}

#: What each operation takes.
NEEDED = {
    "list_messages": VIEW,
    "get_calendar": VIEW,
    "list_actions": VIEW,
    "find_objects": VIEW,
    "simulate": VIEW,
    "get_message": VIEW,
    "list_letters": VIEW,
    "get_log": VIEW,
    "get_attachment": VIEW,
    "edit_message": CHANGE,
    "reschedule_message": CHANGE,
    "add_attachment": CHANGE,
    "remove_attachment": CHANGE,
    "cancel_message": CANCEL,
    "cancel_many": CANCEL,
    "reschedule_many": CHANGE,
    "send_many_now": SEND,
    "resend_many": SEND,
    "send_now": SEND,
    "resend": SEND,
    "send_test": SEND,
    "list_templates": TEMPLATE,
    "get_template": TEMPLATE,
    "save_template": TEMPLATE,
    "check_template": TEMPLATE,
    "preview_template": TEMPLATE,
    "list_versions": TEMPLATE,
    "roll_back_template": TEMPLATE,
    "set_template_active": TEMPLATE,
    "switch_action": TEMPLATE,
    "get_switch": TEMPLATE,
    "switch_all": TEMPLATE,
    "list_due": WORK,
    "lock_message": WORK,
    "render_message": WORK,
    "get_work_attachment": WORK,
    "succeed_message": WORK,
    "fail_message": WORK,
    "cancel_work": WORK,
}

#: Every operation there is: (method, path, what the schema says of it).
OPERATIONS = [
    pytest.param(method, path, about, id=about["operationId"])
    for path, methods in SCHEMA["paths"].items()
    for method, about in methods.items()
]

#: What requests have of the fields there are.
GIVEN = {
    "version": 1,
    "fence": 1,
    "number": 1,
    "scheduled_at": "2999-01-01T00:00:00Z",
    "first": "2027-01-01",
    "last": "2027-01-31",
    "content": {"variants": {"en": {"subject": "New", "body": "New"}}},
    "is_on": False,
    "is_active": False,
    "code": "lost",
    "reason": "It was lost.",
    "action": "follow_up",
}


@pytest.fixture
def given(workshop, host, schedule, action):
    """A message of a worker outside, with an attachment, and what stands for it in addresses and queries."""
    about = workshop()
    about.tasks.create(host=host("teacher"))
    message = schedule(action("outside", external=True), about=about)
    Attachment.objects.create(message=message, name="plan.txt", content_type="text/plain", size=4, file="none")
    return {"id": message.uuid, "key": message.attachments.get().pk, "object": about.pk}


def ask(client, method, path, about, given):
    """Return what *client* is answered with."""
    url = "/api/automation" + path
    for name, value in {**given, "action": "follow_up"}.items():
        url = url.replace(f"{{{name}}}", str(value))
    assert "{" not in url
    known = {**GIVEN, "object": str(given["object"]), "ids": [str(given["id"])]}
    query = [one["name"] for one in about.get("parameters", []) if one["in"] == "query"]
    params = {name: known[name] for name in query if name in known}
    (media_type, content), *_ = about.get("requestBody", {"content": {"": {}}})["content"].items()
    name = content["schema"]["$ref"].rpartition("/")[2] if content else ""
    fields = SCHEMA["components"]["schemas"][name]["properties"] if name else {}
    body = {field: known[field] for field in fields if field in known}
    if "file" in fields:
        body["file"] = SimpleUploadedFile("plan.txt", b"plan")
    if method in ("get", "delete"):
        return getattr(client, method)(url, query_params=params)
    kind = "multipart" if media_type == "multipart/form-data" else "json"
    return getattr(client, method)(url, body, format=kind)


def kept():
    """Return all there is."""
    tables = (ScheduledMessage, Attachment, Entry, Template, TemplateVersion, Switch)
    return [model_to_dict(row) for table in tables for row in table.objects.order_by("pk")]


def test_each_operation_says_what_it_takes():
    """
    The schema says so to whoever writes a front end.
    """
    said = {
        about["operationId"]: set(about["x-permissions"]) for _method, _path, about in (p.values for p in OPERATIONS)
    }

    assert said == NEEDED


@pytest.mark.parametrize("permission", PERMISSIONS)
@pytest.mark.parametrize(("method", "path", "about"), OPERATIONS)
def test_each_permission_alone_opens_what_takes_it_alone(client_with, given, method, path, about, permission):
    """
    All else is answered with 403, and nothing changes.
    """
    before = kept()

    answer = ask(client_with(permission), method, path, about, given)

    if NEEDED[about["operationId"]] == {permission}:
        assert answer.status_code != 403
    else:
        assert (answer.status_code, answer["Content-Type"]) == (403, "application/problem+json")
        assert answer.json()["code"] == "forbidden"
        assert kept() == before


@pytest.mark.parametrize(("method", "path", "about"), OPERATIONS)
def test_all_permissions_but_one_open_nothing_that_takes_it(client_with, given, method, path, about):
    """
    With those that it takes, what is asked for is done, or refused for another reason.
    """
    needed = NEEDED[about["operationId"]]
    before = kept()

    for one in needed:
        assert ask(client_with(*({*PERMISSIONS} - {one})), method, path, about, given).status_code == 403
    assert kept() == before

    answer = ask(client_with(*needed), method, path, about, given)

    assert answer.status_code in (200, 201, 409, 422), answer.content


@pytest.mark.parametrize(("method", "path", "about"), OPERATIONS)
def test_nobody_is_not_let_in(client, given, method, path, about):
    """
    Without a user there is nothing, whatever is asked for.
    """
    url = "/api/automation" + path
    for name, value in {**given, "action": "follow_up"}.items():
        url = url.replace(f"{{{name}}}", str(value))

    answer = client.generic(method.upper(), url)

    assert answer.status_code in (401, 403)
    assert answer.json()["code"] == "not_authenticated"


def test_a_worker_outside_has_nothing_of_what_others_send(client_with, schedule, action):
    """
    Neither by its address, nor by guessing under which number one of ours has it.
    """
    message = schedule(action("inside"))
    ScheduledMessage.objects.update(state="claimed", fence=1, lease_until=timezone.now())
    client = client_with("work_message")
    own = f"/api/automation/workers/{message.uuid}/"

    answers = [client.post(f"{own}{verb}/", {"fence": 1}, format="json") for verb in ("lock", "succeed", "cancel")]
    answers.append(client.post(f"{own}fail/", {"fence": 1, "code": "x", "reason": "x"}, format="json"))
    answers.append(client.get(f"{own}letters/?fence=1"))

    assert [answer.status_code for answer in answers] == [404] * 5
    assert ScheduledMessage.objects.get().state == "claimed"


def test_a_user_who_may_change_a_message_reads_no_other_objects_by_it(client_with, schedule, host):
    """
    Recipients are mailboxes, or what the message has: its letters would show what can be read of them.
    """
    message = schedule()
    secret = host("secret")
    client = client_with("view_message", "change_message")
    body = {"version": message.fence, "recipients": [{"model": "automation_site.Host", "pk": str(secret.pk)}]}

    answer = client.patch(f"/api/automation/{message.uuid}/", body, format="json")

    assert answer.status_code == 400
    assert answer.json()["problems"][0]["where"] == "recipients.0"
    message.refresh_from_db()
    assert message.edited == []
