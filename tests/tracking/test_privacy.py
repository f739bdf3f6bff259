"""
Internal: what is kept of a person is found, erased, hashed anew and let go, in every table.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command

from edx_ace import Recipient, ace
from edx_ace.outbox import State, counts, enqueue, purge, status
from edx_ace.outbox.models import Attempt, Delivery, Payload
from edx_ace.outbox.people import person_key
from edx_ace.preferences import Taking, choose, taking
from edx_ace.preferences.models import Choice
from edx_ace.tracking import Reason, lift, record_event, suppress
from edx_ace.tracking.models import ProviderEvent, Suppression, SuppressionChange
from tests.outbox.test_worker import work
from tests.pipeline import welcome

pytestmark = pytest.mark.django_db

ANN = "ann@example.com"
GUEST = Recipient(None, ANN)


def call(command, *arguments, **options):
    out = StringIO()
    call_command(command, *arguments, stdout=out, **options)
    return out.getvalue()


@pytest.fixture
def lived(channel):
    """Ann had two messages, one as a guest; one bounced, and one waits. Bob had one."""
    first = welcome(context={"name": "Ann Canary"})
    first.send_uuid = first.uuid
    enqueue(first, idempotency_key="welcome-ann")
    enqueue(welcome(recipient=GUEST))
    enqueue(welcome(recipient=Recipient(8, "bob@example.com")))
    work()
    choose("7", "general", "email", Taking.OFF, scope="course:1")
    choose(GUEST, "general", "email", Taking.OFF, scope="course:2")
    choose("8", "general", "email", Taking.OFF, scope="course:1")
    record_event("postmark", "hard_bounce", address=ANN, provider_id="id-1", event_id="1", detail="Ann Canary is gone")
    record_event("postmark", "delivered", address="bob@example.com", provider_id="id-3", event_id="2")
    lift(ANN, who="carol", why="Ann Canary called")
    suppress(ANN, Reason.COMPLAINT, who="carol", why="Ann Canary wrote")
    enqueue(welcome(context={"name": "Ann Canary"}))
    Attempt.objects.filter(delivery__recipient="7").update(reply="Thanks, Ann Canary")
    return first


def everything():
    """Return every value of every table of the library, as text."""
    labels = ("ace_outbox", "ace_preferences", "ace_tracking")
    models = [model for label in labels for model in apps.get_app_config(label).get_models()]
    return "\n".join(str(row) for model in models for row in model._base_manager.values())


def test_everything_that_is_kept_of_a_person_is_exported(lived):
    """
    As JSON, by the site's id of them, with what was kept for their address while they had no account.
    """
    found = json.loads(call("ace_export", "7"))

    sent, as_guest, waiting = found["ace_outbox"]["deliveries"]
    assert (sent["address"], sent["state"], sent["attempts"][0]["outcome"]) == (ANN, "bounced", "sent")
    assert sent["content"]["context"] == {"name": "Ann Canary"}
    assert as_guest["person"] == person_key(GUEST)
    assert waiting["state"] == "queued"
    assert [choice["scope"] for choice in found["ace_preferences"]["choices"]] == ["course:1", "course:2"]
    tracked = found["ace_tracking"]
    assert [one["reason"] for one in tracked["suppressions"]] == ["complaint"]
    assert [one["action"] for one in tracked["suppression_changes"]] == ["added", "lifted", "added"]
    assert [one["kind"] for one in tracked["provider_events"]] == ["hard_bounce"]


def test_by_an_address_what_was_sent_there_is_found(lived):
    """
    However it is written; what was chosen for an account is not the address's.
    """
    found = json.loads(call("ace_export", "ANN@Example.com"))

    assert [one["person"] for one in found["ace_outbox"]["deliveries"]][::2] == ["7", "7"]
    assert len(found["ace_outbox"]["deliveries"]) == 3
    assert [choice["scope"] for choice in found["ace_preferences"]["choices"]] == ["course:2"]


@pytest.mark.parametrize("person", ["7", ANN])
def test_a_person_is_erased_from_every_table(lived, person):
    """
    What is open is cancelled, counts stay, and the suppression stays as a digest.
    """
    said = call("ace_erase", person, no_input=True)

    assert "ace_outbox: 3 deliveries" in said
    left = everything()
    assert "Ann Canary" not in left and ANN not in left and "welcome-ann" not in left
    assert Delivery.objects.filter(recipient="7").count() == 0
    assert "bob@example.com" in left and Choice.objects.filter(person="8").exists()
    assert not Choice.objects.filter(person=person_key(GUEST)).exists()
    assert ProviderEvent.objects.count() == 1
    assert Delivery.objects.get(payload=lived.uuid).state == State.BOUNCED
    assert counts.check().differences == [] and status(batch=lived.send_uuid).states == {State.BOUNCED: 1}
    assert not Delivery.objects.filter(state=State.QUEUED).exists()
    # The address comes again, and nothing goes there.
    assert Suppression.objects.get().address is None
    assert not ace.send(welcome())
    assert SuppressionChange.objects.count() == 3


def test_what_is_on_its_way_is_not_tried_again(channel):
    """
    Its worker has it in its hands.
    """
    enqueue(welcome())
    Delivery.objects.update(state=State.HANDING)

    call("ace_erase", "7", no_input=True)

    row = Delivery.objects.get()
    assert (row.state, row.is_stopped, row.address) == (State.HANDING, True, None)


def test_erasing_asks_first(lived, monkeypatch):
    """
    It cannot be undone.
    """
    monkeypatch.setattr("builtins.input", lambda prompt: "n")

    with pytest.raises(CommandError, match="Nothing was erased"):
        call("ace_erase", "7")

    assert "Ann Canary" in everything()


def test_what_is_no_mailbox_is_refused():
    """
    With a clear line.
    """
    with pytest.raises(CommandError, match="expected one mailbox"):
        call("ace_export", "ann@")


def test_nobody_is_kept_of_somebody_unknown(lived):
    """
    An empty answer is one, too.
    """
    found = json.loads(call("ace_export", "nobody"))

    assert found["ace_outbox"] == {"deliveries": []}
    assert "0 deliveries" in call("ace_erase", "nobody", no_input=True)


def test_digests_are_made_anew_when_a_key_is_added(channel, settings):
    """
    In every registered column; what was chosen and suppressed before counts as before.
    """
    settings.ACE_ADDRESS_KEYS = ["one"]
    enqueue(welcome(recipient=GUEST))
    choose(GUEST, "general", "email", Taking.OFF, scope="course:1")
    record_event("postmark", "soft_bounce", address=ANN, provider_id="id-9")
    suppress(ANN, Reason.MANUAL, who="bob")
    settings.ACE_ADDRESS_KEYS = ["one", "two"]
    assert taking(GUEST, "general", "email", scope="course:1") is Taking.IMMEDIATE

    assert call("ace_rehash") == "5 digests are made anew.\n"

    assert taking(GUEST, "general", "email", scope="course:1") is Taking.OFF
    assert Delivery.objects.get().recipient == person_key(GUEST)
    assert "address:1:" not in everything()
    assert not ace.send(welcome(recipient=GUEST))
    # What is done is not done again.
    assert call("ace_rehash") == "0 digests are made anew.\n"


def test_what_was_chosen_under_the_new_key_counts_more(channel, settings):
    """
    It was chosen later; a delivery cannot go and stays as it is.
    """
    settings.ACE_ADDRESS_KEYS = ["one"]
    choose(GUEST, "general", "email", Taking.OFF)
    choose(Recipient(None, "carol@example.com"), "general", "email", Taking.OFF)
    batch = welcome().uuid
    message = welcome(recipient=Recipient(None, ANN, addresses={"email": "other@example.com", "sms": "+49301"}))
    message.send_uuid = batch
    enqueue(message)
    Delivery.objects.update(recipient=person_key(GUEST))
    settings.ACE_ADDRESS_KEYS = ["one", "two"]
    choose(GUEST, "general", "email", Taking.IMMEDIATE)
    again = welcome(recipient=GUEST)
    again.send_uuid = batch
    enqueue(again)

    said = call("ace_rehash")

    assert said.startswith("1 digest is made anew; 1 row went") and "1 stays as it is" in said
    assert taking(GUEST, "general", "email") is Taking.IMMEDIATE
    assert taking(Recipient(None, "carol@example.com"), "general", "email") is Taking.OFF


def test_old_events_and_suppressions_go(lived, settings):
    """
    With what the outbox purges, after the days of their settings; who suppressed whom is kept longer.
    """
    now = datetime.now(UTC)
    suppress("dan@example.com", Reason.SOFT_BOUNCES, who="postmark", expires_at=now - timedelta(days=1))
    ProviderEvent.objects.filter(kind="delivered").update(received_at=now - timedelta(days=91))
    SuppressionChange.objects.filter(action="lifted").update(at=now - timedelta(days=1096))

    said = str(purge())

    assert "1 events of providers; 1 expired suppressions; 1 changes of suppressions" in said
    assert ProviderEvent.objects.count() == Suppression.objects.count() == 1
    assert purge(timedelta(days=1)).others["changes of suppressions"] == 0


def test_an_event_goes_with_its_delivery(lived):
    """
    Nothing points to nowhere.
    """
    Delivery.objects.exclude(finished_at=None).update(finished_at=datetime.now(UTC) - timedelta(days=91))

    purge()

    assert not ProviderEvent.objects.exists()
    assert Payload.objects.count() == 1
