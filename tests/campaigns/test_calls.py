"""
Internal: a call that is made again under its name does nothing more, and answers the same.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.utils import timezone
from pytest_django import Settings

from edx_ace import campaigns
from edx_ace.campaigns.errors import ConflictError, RefusedError
from edx_ace.campaigns.models import AddressList, Attachment, Call, Campaign, TemplateVersion
from edx_ace.outbox.retention import purge

pytestmark = pytest.mark.django_db

TEXT = {"channel_type": "email", "language": "en", "subject": "News", "source": "<p>Hello.</p>"}


@pytest.fixture
def ann(settings: Settings) -> User:
    """May do everything; mail goes to a box."""
    settings.ACE_ENABLED_CHANNELS = ["django_email"]
    return User.objects.create(username="ann", email="ann@example.com", is_superuser=True)


@pytest.fixture
def draft(ann: User) -> Campaign:
    """A draft of Ann's."""
    return campaigns.create(ann, name="News", variants=[TEXT], parts=[{"audience": "accounts"}])


def over(campaign: Campaign) -> Campaign:
    Campaign.objects.filter(pk=campaign.pk).update(state="sent")
    campaign.refresh_from_db()
    return campaign


FILE = b"address\nada@example.com\nADA@example.com\n"

CALLS: dict[str, tuple[Callable[..., object], Callable[[], int]]] = {
    "follow_up": (
        lambda user, draft, key: campaigns.follow_up(user, over(draft), "failed", idempotency_key=key),
        lambda: Campaign.objects.count() - 1,
    ),
    "send_test": (
        lambda user, draft, key: campaigns.send_test(user, draft, idempotency_key=key),
        lambda: len(mail.outbox),
    ),
    "attach": (
        lambda user, draft, key: campaigns.attach(
            user, draft, version=draft.version, name="a.pdf", file=b"x", idempotency_key=key
        ),
        Attachment.objects.count,
    ),
    "import_addresses": (
        lambda user, draft, key: campaigns.import_addresses(user, io.BytesIO(FILE), "Friends", idempotency_key=key),
        AddressList.objects.count,
    ),
    "save_template": (
        lambda user, draft, key: campaigns.save_template(user, draft, "Terms", idempotency_key=key),
        TemplateVersion.objects.count,
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_under_the_same_name_is_made_once(name: str, ann: User, draft: Campaign):
    """
    By the same user; under another name, or without one, it is made again.
    """
    call, number = CALLS[name]
    bob = User.objects.create(username="bob", email="bob@example.com", is_superuser=True)

    first = call(ann, draft, "k")
    again = call(ann, draft, "k")

    assert again == first
    assert number() == 1
    for user, key in ((bob, "k"), (ann, "l"), (ann, None), (ann, None)):
        assert call(user, draft, key) != first
    assert number() == 5


@pytest.mark.parametrize("name", [name for name in CALLS if name != "send_test"])
@pytest.mark.django_db(transaction=True)
def test_the_same_call_twice_at_once_is_made_once(name: str, at_once, ann: User, draft: Campaign):
    """
    Also if neither sees the other.
    """
    call, number = CALLS[name]
    over(draft) if name == "follow_up" else None

    found = at_once(lambda: call(ann, Campaign.objects.get(pk=draft.pk), "k"), 3)

    assert [one == found[0] for one in found] == [True] * 3
    assert number() == 1


def test_a_call_that_fails_can_be_made_again(ann: User, draft: Campaign):
    """
    Nothing is known under its name.
    """
    with pytest.raises(RefusedError):
        campaigns.import_addresses(ann, io.BytesIO(b"address\nnone\n"), "Friends", idempotency_key="k")
    with pytest.raises(RefusedError):
        campaigns.attach(ann, draft, version=1, name="a.exe", file=b"x", idempotency_key="k")

    assert campaigns.import_addresses(ann, io.BytesIO(FILE), "Friends", idempotency_key="k").number == 1
    assert campaigns.attach(ann, draft, version=1, name="a.pdf", file=b"x", idempotency_key="k").name == "a.pdf"


def test_a_test_of_which_nobody_knows_whether_it_went_is_not_sent_again(ann: User, draft: Campaign):
    """
    Whoever was sending it ended in the middle, or is still at it.
    """
    campaigns.send_test(ann, draft, idempotency_key="k")
    Call.objects.update(answer=None)

    with pytest.raises(ConflictError, match="is being made, or ended before it was done"):
        campaigns.send_test(ann, draft, idempotency_key="k")

    assert len(mail.outbox) == 1


def test_what_was_made_may_be_gone(ann: User, draft: Campaign):
    """
    It is not made again.
    """
    made = campaigns.attach(ann, draft, version=1, name="a.pdf", file=b"x", idempotency_key="k")
    campaigns.detach(ann, draft, version=2, attachment=made)

    with pytest.raises(ConflictError, match="not attached any more"):
        campaigns.attach(ann, draft, version=3, name="a.pdf", file=b"x", idempotency_key="k")


def test_names_are_forgotten_after_a_week(ann: User, draft: Campaign):
    """
    And hold nothing of a person meanwhile.
    """
    for name in ("send_test", "import_addresses"):
        CALLS[name][0](ann, draft, "k")
    assert not any("example.com" in str(call.answer) for call in Call.objects.all())

    Call.objects.filter(key__contains="send_test").update(created_at=timezone.now() - timedelta(days=8))
    purge()

    assert [call.key.split(":")[1] for call in Call.objects.all()] == ["import_addresses"]
