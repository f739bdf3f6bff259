"""
Internal: reading a bounce mailbox on a real IMAP server.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from edx_ace.outbox import State
from edx_ace.outbox.models import Delivery
from edx_ace.tracking import Reason
from edx_ace.tracking.models import ProviderEvent, Suppression
from tests import imap

pytest.importorskip("flufl.bounce")
pytestmark = pytest.mark.django_db

ANN = "ann@example.com"
MAILS = Path(__file__).parent / "bounces"


@pytest.fixture(scope="module")
def server() -> Iterator[imap.Server]:
    """An IMAP server."""
    with imap.running() as running:
        yield running


@pytest.fixture
def mailbox(server, settings) -> imap.Server:
    """The server with empty folders, as settings name it."""
    with server.session() as session:
        session.create("Done")
        for folder in ("INBOX", "Done"):
            session.select(folder)
            session.uid("STORE", "1:*", "+FLAGS", r"(\Deleted)")
            session.expunge()
    settings.ACE_BOUNCE_MAILBOX = {**server.settings, "done_folder": "Done"}
    return server


def read():
    out = StringIO()
    call_command("ace_bounces", stdout=out)
    return out.getvalue().strip()


def mail(name: str, message: object = "00000000-0000-4000-8000-000000000000", address: str = ANN) -> bytes:
    """Return a mail of the folder ``bounces``, about that message to that address."""
    text = (MAILS / f"{name}.eml").read_text()
    return text.replace("{uuid}", str(message)).replace("{address}", address).encode()


@pytest.mark.parametrize(
    ("name", "kind", "state", "reason"),
    [
        ("postfix_unknown", "hard_bounce", State.BOUNCED, Reason.HARD_BOUNCE),
        ("postfix_delayed", "deferred", State.SENT, None),
        ("exim_unknown", "hard_bounce", State.BOUNCED, Reason.HARD_BOUNCE),
        ("full_mailbox", "soft_bounce", State.BOUNCED, None),
        ("qmail_unknown", "hard_bounce", State.BOUNCED, Reason.HARD_BOUNCE),
        # It names where the recipient lets mail be forwarded to: that is gone, and their own mailbox need not be.
        ("forwarded", "soft_bounce", State.BOUNCED, None),
        ("abuse_report", "complained", State.COMPLAINED, Reason.COMPLAINT),
    ],
)
def test_what_comes_back_moves_the_delivery_that_it_is_about(mailbox, sent, name, kind, state, reason):
    """
    By the Message-ID of what came back; it is put away, and suppresses the address.
    """
    row = sent()
    mailbox.put(mail(name, row.payload_id))

    assert read() == "1 bounce or complaint is recorded. Left as read: 0 of no message here, 0 other mails."

    assert ProviderEvent.objects.get().kind == kind
    assert Delivery.objects.get().state == state
    assert [one.reason for one in Suppression.objects.all()] == ([reason] if reason else [])
    assert (mailbox.flags(), len(mailbox.flags("Done"))) == ([], 1)


def test_what_is_no_bounce_is_left_for_people(mailbox, sent):
    """
    Marked as read, so that it is not looked at again.
    """
    row = sent()
    reply = f"From: {ANN}\nSubject: Re: Hello\nIn-Reply-To: <{row.payload_id}@example.com>\n\nThanks!\n".encode()
    mailbox.put(reply, b"\xff\xfe no mail at all", b"\n")

    assert read().endswith("0 of no message here, 3 other mails.")
    assert [flags for flags in mailbox.flags() if r"\Seen" in flags] == mailbox.flags()
    assert len(mailbox.flags()) == 3
    assert read().endswith("0 other mails.")
    assert Delivery.objects.get().state == State.SENT


@pytest.mark.parametrize("name", ["postfix_unknown", "forwarded", "abuse_report"])
@pytest.mark.parametrize("about", ["another message", "another address", "nothing"])
def test_a_forged_bounce_changes_nothing(mailbox, sent, about, name):
    """
    Anybody may write to that mailbox.
    """
    row = sent()
    forged = {
        "another message": mail(name),
        "another address": mail(name, row.payload_id, "bob@example.com"),
        "nothing": mail(name, "no-uuid"),
    }
    mailbox.put(forged[about])

    assert "Left as read: 1 of no message here" in read()

    assert Delivery.objects.get().state == State.SENT
    assert not ProviderEvent.objects.exists() and not Suppression.objects.exists()
    assert len(mailbox.flags()) == 1


@pytest.mark.parametrize("kind", ["not-spam", "auth-failure", "virus", ""])
def test_only_reports_of_people_who_want_no_such_mail_are_complaints(mailbox, sent, kind):
    """
    Others are left for people.
    """
    row = sent()
    mailbox.put(mail("abuse_report", row.payload_id).replace(b": abuse\n", f": {kind}\n".encode()))

    assert read().endswith("0 of no message here, 1 other mail.")

    assert Delivery.objects.get().state == State.SENT


def test_a_report_that_names_the_original_recipient_counts_as_it_says(mailbox, sent):
    """
    The mail server vouches that the mail for that address cannot be delivered, wherever it went from there.
    """
    row = sent()
    original = f"Original-Recipient: rfc822;{ANN}\nFinal-Recipient:".encode()
    mailbox.put(mail("forwarded", row.payload_id).replace(b"Final-Recipient:", original))

    read()

    assert ProviderEvent.objects.get().kind == "hard_bounce"


def test_a_bounce_that_comes_twice_counts_once(mailbox, sent):
    """
    Also when the command ended between recording and putting away.
    """
    row = sent()
    mailbox.put(mail("postfix_unknown", row.payload_id), mail("postfix_unknown", row.payload_id))

    assert read().startswith("2 bounces or complaints are recorded")

    assert ProviderEvent.objects.count() == 1


def test_a_large_mail_is_read_in_part(mailbox, sent):
    """
    What came back may have attachments.
    """
    row = sent()
    mailbox.put(mail("postfix_unknown", row.payload_id) + b"x" * 72 + (b"\n" + b"x" * 72) * 20_000)

    assert read().startswith("1 bounce or complaint is recorded")


def test_without_a_folder_for_it_what_is_recorded_is_deleted(mailbox, sent, settings):
    """
    Nothing else is.
    """
    settings.ACE_BOUNCE_MAILBOX = mailbox.settings
    mailbox.put(mail("postfix_unknown", sent().payload_id), b"Subject: Hello\n\nI am a person.\n")

    read()

    assert len(mailbox.flags()) == 1


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"password": "guess"}, "cannot be read: error"),
        ({"port": 1}, "cannot be read: ConnectionRefusedError"),
        ({"folder": "Nowhere"}, "The mail server refused"),
        ({"colour": "red"}, "ACE_BOUNCE_MAILBOX must name .*colour"),
    ],
)
def test_a_mailbox_that_cannot_be_read_is_one_clear_line(mailbox, settings, changed, text):
    """
    For cron's mail.
    """
    settings.ACE_BOUNCE_MAILBOX = {**mailbox.settings, **changed}

    with pytest.raises(CommandError, match=text):
        read()
