"""
Internal: the bytes of common mail are those that Django would have written.
"""

import random
import re
from email import message_from_bytes, policy

import django
import pytest

from edx_ace.channel import mime
from edx_ace.errors import InvalidMessageError

BOUNDARY = "===============1234567890123456789=="
DATE = "Sun, 22 Nov 2026 02:53:02 -0000"

SUBJECTS = [
    "Hello",
    "",
    "Grüße aus Köln",
    "שלום, عالم, 日本語 😀",
    "long " * 40,
    "länger " * 40,
    "x" * 300,
    "two  spaces, tab\tand =?utf-8?q?no?= encoded word; comma",
    "trailing space ",
]

SENDERS = [
    "f@example.com",
    "School <f@example.com>",
    '"School, Inc." <f@example.com>',
    "Schüle <f@example.com>",
    '"Schüle, GmbH" <f@example.com>',
    "A rather long name of a school that needs more than one line <f@example.com>",
]

BODIES = [
    "Hello",
    "Hello\n",
    "Grüße 😀 שלום",
    "a\r\nb\nc\rd\n\n",
    ".\n..\n.x\nFrom me\n",
    "spaces   \n\ttabs\t\n",
    "x" * 998,
    "= equals =3D\n\x0c\u2028\x85",
    ("y" * 997 + "\n") * 3,
]

#: Take the way through Django's classes.
OTHER_BODIES = ["", "x" * 999, "ü" * 500]

HEADERS = [
    {},
    {"List-Unsubscribe": f"<https://example.com/{'u' * 90}>"},
    {"List-Unsubscribe": f"<https://example.com/{'u' * 90}>, <mailto:u@example.com>", "X-A": "Ünï"},
    {"Precedence": "bulk", "X-Long": "word " * 30},
]


def email(subject="Hello", body="Hi", html="<p>Hi</p>", sender="f@example.com", headers=None, **fields):
    headers = {**(headers or {}), "Message-ID": "<1@example.com>"}
    made = mime.Email(subject, body, sender, ["t@example.com"], headers=headers, **fields)
    made.attach_alternative(html, "text/html")
    return made


def cases(count):
    """Combinations of all of the above, the same in every run."""
    choose = random.Random(20261122).choice
    tables = (SUBJECTS, BODIES + OTHER_BODIES, BODIES + OTHER_BODIES, SENDERS, HEADERS)
    singles = [(SUBJECTS[0], body, body, SENDERS[0], {}) for body in BODIES + OTHER_BODIES]
    return singles + [tuple(map(choose, tables)) for _ in range(count)]


def djangos_bytes(made):
    """What Django's SMTP backend would send, with our boundary and date."""
    if django.VERSION >= (6, 0):
        written = made.message(policy=policy.SMTP).as_bytes()
    else:
        written = made.message().as_bytes(linesep="\r\n")
    return normalised(written)


def normalised(written):
    """With our boundary and date, which are Django's own where a message took the way through its classes."""
    written = re.sub(rb"={15}\d+==", BOUNDARY.encode(), written)
    return re.sub(rb"(?m)^Date: .*?\r$", f"Date: {DATE}\r".encode(), written)


def parsed(content):
    """What a mail reader sees; Django 6 forgets MIME-Version when there is no text body."""
    message = message_from_bytes(content, policy=policy.default)
    fields = {
        name: " ".join(str(value).split())
        for name, value in message.items()
        if name not in ("Content-Type", "Date", "MIME-Version")
    }
    parts = [(part.get_content_type(), part.get_content().rstrip("\n")) for part in message.iter_parts()]
    return fields, [(kind, re.sub("\r\n?", "\n", text).rstrip("\n")) for kind, text in parts]


@pytest.mark.parametrize(("subject", "body", "html", "sender", "headers"), cases(150))
def test_common_mail_is_what_django_writes(subject, body, html, sender, headers):
    """
    Byte for byte on Django 5.2, given the same boundary and date; on Django 6, whose encodings differ, to a reader.
    """
    made = email(subject, body, html, sender, headers, reply_to=["Ä <r@example.com>"], cc=["c@example.com"])

    written = normalised(mime.as_bytes(made, boundary=BOUNDARY, date=DATE))
    if django.VERSION >= (6, 0):
        assert parsed(written) == parsed(djangos_bytes(made))
    else:
        assert written == djangos_bytes(made)


@pytest.mark.parametrize(
    "fields",
    [
        {"attachments": [("a.txt", "text", "text/plain")]},
        {"headers": {"Reply-To": "r@example.com"}},
        {"headers": {"Date": DATE}},
        {"body": "x" * 999},
    ],
)
def test_other_shapes_are_left_to_django(fields):
    """
    Attachments, headers with a meaning of their own and lines too long for SMTP go through Django's classes.
    """
    made = email(**fields)

    assert normalised(mime.as_bytes(made)) == djangos_bytes(made)


@pytest.mark.parametrize(
    "link", [f"<https://example.com/{'u' * 90}>", f"<https://example.com/{'u' * 90}>, <mailto:{'u' * 90}@example.com>"]
)
@pytest.mark.parametrize("fields", [{}, {"attachments": [("a.txt", "text", "text/plain")]}, {"body": "x" * 999}])
def test_a_link_in_a_header_stays_whole(fields, link):
    """
    In mail of every shape: a mailbox provider takes the header as it is, unfolded and not decoded.
    """
    content = mime.as_bytes(email(headers={"List-Unsubscribe": link}, **fields))

    unfolded = re.sub(rb"\r\n(?=[ \t])", b"", content)
    assert re.search(rb"(?m)^List-Unsubscribe: +(.*)\r$", unfolded)[1] == link.encode()


@pytest.mark.parametrize("body", BODIES + OTHER_BODIES)
def test_lines_end_with_crlf_and_fit_into_smtp(body):
    """
    No CR or LF stands alone, which some servers would take for the end of a message, and no line is over 998 octets.
    """
    content = mime.as_bytes(email(body=body))

    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", content)
    assert max(map(len, content.split(b"\r\n"))) <= mime.MAX_LINE_LENGTH


def test_each_message_has_a_boundary_of_its_own():
    """
    Nobody can put the boundary into a message beforehand.
    """
    boundaries = {re.search(rb'boundary="(.*?)"', mime.as_bytes(email()))[1] for _ in range(10)}

    assert len(boundaries) == 10


def test_an_address_in_another_script_is_written_in_utf_8():
    """
    As RFC 6532 has it; the display name is encoded as ever.
    """
    made = email()
    made.to = ["用户 <用户@example.com>"]

    assert "To: =?utf-8?b?55So5oi3?= <用户@example.com>\r\n".encode() in mime.as_bytes(made)


def test_an_address_in_another_script_cannot_have_attachments():
    """
    Django's classes would write an address that does not exist.
    """
    made = email(attachments=[("a.txt", "text", "text/plain")])
    made.to = ["用户@example.com"]

    with pytest.raises(InvalidMessageError, match="can have no attachments"):
        mime.as_bytes(made)
