"""
Internal: what an email is made of, and how any Django mail backend takes it.
"""

import re
import smtplib
import ssl
import uuid

import attrs
import pytest
from django.core import mail

from edx_ace.channel import mime
from edx_ace.channel.django_email import DjangoEmailChannel
from edx_ace.envelope import in_use
from edx_ace.errors import (
    ChannelDownError,
    FatalChannelDeliveryError,
    InvalidMessageError,
    RecoverableChannelDeliveryError,
)
from tests.channel.mail import ScriptedBackend, codes, deliver, deliver_many, parcel, use_backend

SCRIPTED = f"{ScriptedBackend.__module__}.{ScriptedBackend.__name__}"


@pytest.fixture
def script(settings):
    """What the mail backend raises or returns, in turn; then it succeeds."""
    use_backend(settings, SCRIPTED)
    ScriptedBackend.script = []
    ScriptedBackend.opened = 0
    return ScriptedBackend.script


def test_an_email_has_a_text_and_an_html_part():
    """
    The HTML part is a whole document.
    """
    deliver(parcel(subject="Hello\n  Ann", body="Hi", head_html="<title>T</title>", body_html="<p>Hi</p>"))

    [sent] = mail.outbox
    assert (sent.subject, sent.to, sent.body) == ("Hello Ann", ["ann@example.com"], "Hi")
    assert sent.from_email == "sender@example.com"
    [(html, mimetype)] = sent.alternatives
    assert mimetype == "text/html"
    assert html.startswith("<!DOCTYPE html>")
    assert "<title>T</title>" in html
    assert "<p>Hi</p>" in html


@pytest.mark.parametrize(
    ("use", "from_name", "from_address", "sender"),
    [
        (False, "School", "Other <s@example.com>", "Other <s@example.com>"),
        (True, "School", "Other <s@example.com>", "School <s@example.com>"),
        (True, "Schüle\n GmbH, Inc.", "s@example.com", '"Schüle GmbH, Inc." <s@example.com>'),
        (True, " ", "Other <s@example.com>", "Other <s@example.com>"),
        (False, "", "s@bücher.example", "s@xn--bcher-kva.example"),
    ],
)
def test_the_rendered_name_may_be_the_senders(settings, use, from_name, from_address, sender):
    """
    ACE_EMAIL_USE_FROM_NAME puts it before the address, on one line and quoted where it must be.
    """
    settings.ACE_EMAIL_USE_FROM_NAME = use

    deliver(parcel(from_name=from_name, from_address=from_address))

    assert mail.outbox[0].from_email == sender


def test_the_message_id_is_the_same_on_every_attempt():
    """
    It is made of the message's uuid and the sender's domain, so that a repeat can be recognised.
    """
    one = parcel(from_address="s@bücher.example")
    one.message.uuid = uuid.UUID("1c2fb27c-1e4c-4c5b-9d4c-6c4c5b9d4c6c")

    deliver(one)
    deliver(one)

    ids = {sent.message()["Message-ID"] for sent in mail.outbox}
    assert ids == {"<1c2fb27c-1e4c-4c5b-9d4c-6c4c5b9d4c6c@xn--bcher-kva.example>"}


@pytest.mark.parametrize(
    ("given", "found"),
    [({}, ["auto-generated"]), ({"auto-submitted": "no"}, ["no"])],
    ids=["by default", "by the caller"],
)
def test_mail_says_that_a_program_sent_it(given, found):
    """
    Auto-Submitted keeps out-of-office replies away, unless the caller knows better.
    """
    deliver(parcel(headers=given))

    assert mail.outbox[0].message().get_all("Auto-Submitted") == found


def test_headers_come_from_the_envelope_and_the_options():
    """
    The message's own win, then those of the content steps, then the option.
    """
    one = parcel(headers={"X-A": "message"})
    one.message.options["headers"] = {"x-a": "option", "x-b": "option", "X-C": "option"}

    with in_use(attrs.evolve(one.envelope, headers={**one.envelope.headers, "X-B": "step"})):
        deliver(one)

    sent = mail.outbox[0].message()
    assert (sent.get_all("X-A"), sent.get_all("X-B"), sent.get_all("X-C")) == (["message"], ["step"], ["option"])


def test_options_add_copies_and_attachments():
    """
    reply_to, cc and bcc take one mailbox or several.
    """
    deliver(
        parcel(
            reply_to="School <r@example.com>",
            cc=["c@example.com", "d@bücher.example"],
            bcc="b@example.com",
            attachments=[("a.txt", "text", "text/plain"), ("b.bin", b"\0")],
        )
    )

    [sent] = mail.outbox
    assert sent.reply_to == ["School <r@example.com>"]
    assert sent.cc == ["c@example.com", "d@xn--bcher-kva.example"]
    assert sent.bcc == ["b@example.com"]
    assert [tuple(attachment) for attachment in sent.attachments] == [
        ("a.txt", "text", "text/plain"),
        ("b.bin", b"\0", "application/octet-stream"),
    ]


@pytest.mark.parametrize(
    ("to", "fields", "why"),
    [
        (None, {}, "No email address of the recipient"),
        ("a@example.com, b@example.com", {}, "email address of the recipient .* holds more than one"),
        ("用户@example.com", {}, "SMTPUTF8"),
        ("a@example.com", {"from_address": "s@example.com\r\nBcc: b@example.com"}, "sender's address .* line break"),
        ("a@example.com", {"reply_to": "nobody"}, r"address in options\['reply_to'\]"),
        ("a@example.com", {"cc": ["b@example.com", ""]}, r"No address in options\['cc'\]"),
        ("a@example.com", {"bcc": "a@example.com\0"}, r"address in options\['bcc'\]"),
        ("a@example.com", {"headers": {"Bcc": "b@example.com"}}, "Header 'Bcc' is written by the library"),
        ("a@example.com", {"attachments": [("../a", b"", None)]}, "plain file name"),
        ("a@example.com", {"subject": "a\0b"}, r"rendered subject must be text .*x00"),
        ("a@example.com", {"body": "a\ud800"}, "rendered text body must be text .* surrogate"),
        ("a@example.com", {"body_html": "a\0"}, r"rendered HTML body must be text .*x00"),
    ],
)
def test_bad_input_is_refused_and_nothing_else_is_affected(to, fields, why):
    """
    In a batch, the messages before and after it go out.
    """
    headers = fields.pop("headers", None)

    results = deliver_many(
        [parcel("one@example.com"), parcel(to, headers=headers, **fields), parcel("two@example.com")]
    )

    assert [sent.to for sent in mail.outbox] == [["one@example.com"], ["two@example.com"]]
    assert isinstance(results[1], InvalidMessageError)
    with pytest.raises(InvalidMessageError, match=why):
        raise results[1]


@pytest.mark.parametrize(
    ("raised", "error", "code"),
    [
        # Pinned: a bare SMTPException is for good.
        (smtplib.SMTPException("odd"), FatalChannelDeliveryError, "smtp"),
        (smtplib.SMTPRecipientsRefused({"a@example.com": (450, b"x")}), RecoverableChannelDeliveryError, "smtp_450"),
        (smtplib.SMTPRecipientsRefused({"a@example.com": (550, b"x")}), FatalChannelDeliveryError, "smtp_550"),
        (smtplib.SMTPSenderRefused(451, b"x", "s@example.com"), RecoverableChannelDeliveryError, "smtp_451"),
        (smtplib.SMTPDataError(554, b"x"), FatalChannelDeliveryError, "smtp_554"),
        (smtplib.SMTPConnectError(421, b"x"), RecoverableChannelDeliveryError, "smtp_421"),
        (smtplib.SMTPHeloError(501, b"x"), ChannelDownError, "smtp_501"),
        (smtplib.SMTPAuthenticationError(535, b"x"), ChannelDownError, "smtp_535"),
        (smtplib.SMTPNotSupportedError("x"), ChannelDownError, "smtp_not_supported"),
        (smtplib.SMTPServerDisconnected("x"), RecoverableChannelDeliveryError, "disconnected"),
        (ssl.SSLEOFError("x"), RecoverableChannelDeliveryError, "disconnected"),
        (ssl.SSLCertVerificationError("x"), ChannelDownError, "tls"),
        (TimeoutError("x"), RecoverableChannelDeliveryError, "timeout"),
        (ConnectionRefusedError("x"), RecoverableChannelDeliveryError, "connection"),
        (OSError("x"), RecoverableChannelDeliveryError, "connection"),
        # What other backends say when they fail in silence.
        (0, FatalChannelDeliveryError, "not_sent"),
    ],
)
def test_what_a_backend_raises_says_whether_a_repeat_may_help(script, raised, error, code):
    """
    Alone and in a batch.
    """
    script += [raised, raised]

    with pytest.raises(error) as caught:
        deliver(parcel())
    assert type(caught.value) is error
    assert caught.value.code == code
    assert codes(deliver_many([parcel(), parcel()])) == [code, "sent"]


@pytest.mark.parametrize(
    ("raised", "is_ambiguous"),
    [
        (smtplib.SMTPServerDisconnected("x"), True),
        (TimeoutError("x"), True),
        (ConnectionResetError("x"), True),
        (ConnectionRefusedError("x"), False),
        (smtplib.SMTPDataError(451, b"x"), False),
    ],
)
def test_how_far_a_message_was_when_a_backend_lost_it_nobody_knows(script, raised, is_ambiguous):
    """
    Unless there was no connection, or an answer.
    """
    script.append(raised)

    with pytest.raises(RecoverableChannelDeliveryError) as caught:
        deliver(parcel())

    assert caught.value.is_ambiguous == is_ambiguous


def test_an_error_of_another_kind_is_left_as_it_is(script):
    """
    It is no statement about mail.
    """
    script += [ZeroDivisionError("x")]

    with pytest.raises(ZeroDivisionError):
        deliver(parcel())


def test_a_batch_opens_the_backend_once(script):
    """
    After a failure that may have broken the session it is opened again.
    """
    script += [1, FatalChannelDeliveryError("no"), 1, TimeoutError("x"), 1]

    deliver_many([parcel() for _ in range(6)])

    assert ScriptedBackend.opened == 2


def test_a_subclass_may_choose_the_sender():
    """
    As hosts do that have one sender a site.
    """

    class SiteChannel(DjangoEmailChannel):
        @staticmethod
        def get_from_address(message):
            return "site@example.com"

    one = parcel()
    list(SiteChannel().deliver_many([one]))

    assert mail.outbox[0].from_email == "site@example.com"


@pytest.mark.parametrize("attachments", [[], [("a.txt", "text", "text/plain")]])
def test_addresses_in_headers_are_never_encoded_words(attachments):
    """
    Mail programs would find no address there, and no way to unsubscribe (RFC 2047, 5); whichever backend writes it.
    """
    value = f"<https://example.com/{'u' * 90}>, <mailto:u@example.com>"
    deliver(parcel(headers={"List-Unsubscribe": value}, attachments=attachments))

    [sent] = mail.outbox
    for written in (sent.message().as_bytes(), mime.as_bytes(sent)):
        [lines] = re.findall(rb"(?m)^List-Unsubscribe:((?:.*\n )*.*)$", written)
        assert lines.split() == value.encode().split()
        assert max(map(len, lines.splitlines())) <= mime.MAX_LINE_LENGTH
