"""
Internal: suppressed addresses in Django's admin.
"""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from lxml import html

from edx_ace import Recipient
from edx_ace.tracking import Reason, record_event, suppress
from edx_ace.tracking.models import ProviderEvent, Suppression, SuppressionChange

pytestmark = pytest.mark.django_db

LIST = "/admin/ace_tracking/suppression/"
ANN = "ann@example.com"


@pytest.fixture
def staff(client):
    """Return a function that logs somebody in who has these permissions."""

    def log_in(*permissions):
        user = User.objects.create_user(f"staff{User.objects.count()}", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        assert user.user_permissions.count() == len(permissions)
        client.force_login(user)
        return client

    return log_in


def test_an_address_is_found_by_whoever_may_see_it(staff):
    """
    By any way to write it; others see the end of a digest.
    """
    suppress(ANN, Reason.HARD_BOUNCE, who="postmark", why="550 no such user")
    suppress("bob@example.com", Reason.MANUAL, who="carol")
    client = staff("view_suppression", "view_recipient")

    page = client.get(LIST, {"q": "ANN@Example.com"}).content.decode()
    assert ANN in page and "bob@example.com" not in page
    one = client.get(f"{LIST}{Suppression.objects.get(address=ANN).pk}/change/").content.decode()
    assert "550 no such user" in one and "postmark" in one

    page = staff("view_suppression").get(LIST).content.decode()
    assert ANN not in page and "hard bounce" in page


def test_an_address_is_added(staff):
    """
    In the name of who did it; the admin's own log does not hold the address.
    """
    client = staff("add_suppression", "view_suppression")
    about = {"channel_type": "email", "category": "", "reason": "manual"}
    form = {"address": "Ann <ANN@example.com>", "why": "Asked.", **about}

    answer = client.post(f"{LIST}add/", form)

    assert answer.status_code == 302
    assert Suppression.objects.get().address == ANN
    change = SuppressionChange.objects.get()
    assert (change.who, change.why) == (User.objects.get().username, "Asked.")
    assert "ann" not in str(list(LogEntry.objects.values())).lower()


def test_what_is_no_address_is_refused(staff):
    """
    With the reason beside the field.
    """
    form = {"address": "nobody", "channel_type": "email", "category": "", "reason": "manual", "why": ""}

    page = staff("add_suppression").post(f"{LIST}add/", form).content.decode()

    assert "expected one mailbox" in page
    assert not Suppression.objects.exists()


def test_an_address_is_lifted_by_whoever_may(staff):
    """
    Nothing is deleted or changed without a line.
    """
    suppress(ANN, Reason.MANUAL, who="carol")
    pk = Suppression.objects.get().pk
    act = {"action": "lift", "_selected_action": [pk]}
    client = staff("view_suppression", "change_suppression")
    client.post(LIST, act)
    assert client.get(f"{LIST}{pk}/delete/").status_code == 403
    assert Suppression.objects.exists()

    staff("view_suppression", "delete_suppression").post(LIST, act)

    assert not Suppression.objects.exists()
    assert SuppressionChange.objects.latest("pk").action == "lifted"


def test_the_page_of_one_says_what_it_covers_and_lifts_it(staff):
    """
    For whoever may lift it; times are those of the reader.
    """
    suppress(ANN, Reason.COMPLAINT, who="postmark", why="fbl")
    path = f"{LIST}{Suppression.objects.get().pk}/change/"
    assert 'value="lift"' not in staff("view_suppression").get(path).text
    client = staff("view_suppression", "delete_suppression", "view_recipient")

    page = html.fromstring(client.get(path).text)
    assert "everything" in page.xpath("//div[contains(@class, 'field-shown_category')]")[0].text_content()
    [change] = page.xpath("//ul[@class='ace-changes']/li")
    assert [part.strip() for part in change.text_content().split("·")[1:]] == [
        "added",
        "postmark",
        "complaint, everything",
        "fbl",
    ]
    [form] = page.xpath("//form[contains(@class, 'ace-act')]")
    client.post(form.get("action"), {**dict(form.form_values()), "action": "lift"})

    assert not Suppression.objects.exists()


def test_what_providers_said_is_found_by_the_address_and_read(staff, sent):
    """
    It shows no address, leads to the delivery, and nobody changes it.
    """
    row = sent(recipient=Recipient(7, ANN))
    record_event("postmark", "hard_bounce", address=ANN, provider_id=row.provider_id, code="5.1.1", detail=f"no {ANN}")
    record_event("sendgrid", "delivered", address="bob@example.com", provider_id="of-bob")
    path = f"/admin/ace_tracking/providerevent/{ProviderEvent.objects.get(provider='postmark').pk}"
    client = staff("view_providerevent", "change_providerevent", "delete_providerevent", "view_delivery")

    found = client.get("/admin/ace_tracking/providerevent/", {"q": "Ann <ANN@example.com>"}).text
    assert "postmark" in found and "sendgrid" not in found
    page = client.get(f"{path}/change/").text
    assert "5.1.1" in page and f"/admin/ace_outbox/delivery/{row.pk}/change/" in page
    assert ANN not in page
    assert "sendgrid" in client.get("/admin/ace_tracking/providerevent/", {"is_waiting__exact": "1"}).text
    assert client.post(f"{path}/change/", {"kind": "delivered"}).status_code == 403
    assert client.post(f"{path}/delete/", {"post": "yes"}).status_code == 403
    assert ProviderEvent.objects.count() == 2
