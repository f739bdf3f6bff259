"""
Internal: what may go into an email's addresses, headers, texts and attachments.
"""

import itertools
import time

import pytest
from django.core.mail import EmailAttachment

from edx_ace.channel.mailbox import (
    Mailbox,
    check_attachments,
    check_headers,
    parse_mailbox,
    parse_mailboxes,
)
from edx_ace.errors import InvalidMessageError

# Every character that some program takes for the end of a line or a string, and half of a surrogate pair.
BREAKS = ["\r", "\n", "\0", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\ud800"]


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("ann@example.com", "", "ann@example.com"),
        (" ann@example.com ", "", "ann@example.com"),
        ("<ann@example.com>", "", "ann@example.com"),
        ("Ann <ann@example.com>", "Ann", "ann@example.com"),
        ("Ann O'Brien <ann+tag@example.com>", "Ann O'Brien", "ann+tag@example.com"),
        ('"O\'Brien, Ann \\"A\\"" <ann@example.com>', 'O\'Brien, Ann "A"', "ann@example.com"),
        ("Campus (Staging) <ann@example.com>", "Campus (Staging)", "ann@example.com"),
        ("=?utf-8?q?J=C3=B6rg?= <j@example.com>", "Jörg", "j@example.com"),
        # What Django's default and development hosts use.
        ("webmaster@localhost", "", "webmaster@localhost"),
        ("ann@[192.0.2.1]", "", "ann@[192.0.2.1]"),
        ('"ann b"@example.com', "", '"ann b"@example.com'),
        # Given out by a large provider, against the RFC.
        ("ann.@example.com", "", "ann.@example.com"),
        ("ann@bücher.example", "", "ann@xn--bcher-kva.example"),
        # IDNA 2003 would have made this strasse.
        ("ann@straße.example", "", "ann@xn--strae-oqa.example"),
        ("ann@BÜCHER。example", "", "ann@xn--bcher-kva.example"),
    ],
)
def test_one_mailbox_is_read(text, name, address):
    """
    An address, with or without a display name, becomes a mailbox whose domain is ASCII.
    """
    assert parse_mailbox(text) == (name, address)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "No email address of the recipient: expected one mailbox such as user@example.com, got None"),
        ("", "got ''"),
        ("ann", "it is none, or holds more than one"),
        ("@example.com", "it is none"),
        ("ann@", "it is none"),
        ("a@b@example.com", "it is none"),
        ("a@example.com, b@example.com", "holds more than one"),
        ("a@example.com b@example.com", "holds more than one"),
        ("a@example.com;b@example.com", "holds more than one"),
        ("<a@example.com> <b@example.com>", "holds more than one"),
        ("friends: a@example.com;", "it is none"),
        ("Smith, Ann <a@example.com>", "it is none"),
        ("<a@example.com", "it is none"),
        ("a b@example.com", "it is none"),
        ("a@exa..mple", "no domain"),
        ("a@-example.com", "no domain"),
        ("a@example.com.", "no domain"),
        ("a@" + "x" * 300, "longer than 254 octets"),
        ("a" * 2000, "it has 2000 characters"),
        ("a@ex\u200dample.com", "IDNA 2008"),
        ("用户@example.com", "SMTPUTF8"),
        ("=?utf-8?q?A=0D=0AB?= <a@example.com>", "display name hides a line break"),
        ("=?no-such-charset?q?A?= <a@example.com>", "cannot be decoded"),
        ("=?utf-8?b?A?= <a@example.com>", "cannot be decoded"),
        ("=?\xe9?q?A?= <a@example.com>", "cannot be decoded"),
        # Many programs decode what is in quotes, too.
        ('"=?utf-8?q?A=0D=0AB?=" <a@example.com>', "display name hides a line break"),
        *[(f"a{character}b@example.com", "line break, control character or surrogate") for character in BREAKS],
        *[(f"A{character}B <a@example.com>", "line break, control character or surrogate") for character in BREAKS],
    ],
)
def test_anything_else_is_refused(text, why):
    """
    The error says what is wrong, and shows what was given on one line of ASCII.
    """
    with pytest.raises(InvalidMessageError, match=why) as raised:
        parse_mailbox(text)

    assert str(raised.value).isascii()
    assert str(raised.value).isprintable()


def test_a_local_part_in_another_script_is_taken_where_the_server_can_carry_it():
    """
    With SMTPUTF8, only the domain is encoded.
    """
    assert parse_mailbox("用户@例え.jp", smtputf8=True).address == "用户@xn--r8jz45g.jp"


@pytest.mark.parametrize(
    ("mailbox", "text"),
    [
        (Mailbox("", "a@example.com"), "a@example.com"),
        (Mailbox("Ann", "a@example.com"), "Ann <a@example.com>"),
        (Mailbox("Jörg", "a@example.com"), "Jörg <a@example.com>"),
        (Mailbox('Smith, "A"', "a@example.com"), '"Smith, \\"A\\"" <a@example.com>'),
        # Would be read as an encoded word.
        (Mailbox("=?utf-8?q?x?=", "a@example.com"), '"=?utf-8?q?x?=" <a@example.com>'),
    ],
)
def test_a_mailbox_reads_as_in_a_header(mailbox, text):
    """
    Names with special characters are quoted.
    """
    assert str(mailbox) == text


@pytest.mark.parametrize("texts", ["a@example.com", ["a@example.com"], ("a@example.com",), {"a@example.com"}])
def test_an_option_holds_one_mailbox_or_several(texts):
    """
    One text and any collection of texts will do.
    """
    assert parse_mailboxes(texts, "reply_to") == [("", "a@example.com")]


def test_a_callers_headers_are_kept():
    """
    List-* and the caller's own headers pass; values become str.
    """
    assert check_headers({"List-Unsubscribe": "<https://example.com/>", "X-Priority": 1}) == {
        "List-Unsubscribe": "<https://example.com/>",
        "X-Priority": "1",
    }


@pytest.mark.parametrize(
    "name",
    [
        "Subject",
        "From",
        "to",
        "CC",
        "Bcc",
        "Sender",
        "Message-ID",
        "date",
        "Content-Type",
        "MIME-Version",
        "DKIM-Signature",
    ],
)
def test_headers_that_the_library_owns_are_refused(name):
    """
    The error names the options that do what the header would.
    """
    with pytest.raises(InvalidMessageError, match=r"written by the library.*from_address, cc, bcc"):
        check_headers({name: "x"})


@pytest.mark.parametrize("name", ["", "X Y", "X:Y", "Ü", "X\r\nBcc", "X\0", 1])
def test_header_names_are_printable_ascii(name):
    """
    Nothing else can be a header's name.
    """
    with pytest.raises(InvalidMessageError, match="expected printable ASCII"):
        check_headers({name: "x"})


@pytest.mark.parametrize("character", BREAKS)
def test_header_values_are_one_line(character):
    """
    A value with any kind of line break, NUL or surrogate is refused.
    """
    with pytest.raises(InvalidMessageError, match="expected one line of text"):
        check_headers({"X-Test": f"a{character}Bcc: b@example.com"})


@pytest.mark.parametrize(
    "attachment",
    [("a.txt", "text"), ("a.txt", "text", "text/plain"), ("a.pdf", b"\0", None), EmailAttachment("a", b"", None)],
)
def test_attachments_are_tuples(attachment):
    """
    File name, content and perhaps a MIME type; Django's own class is such a tuple.
    """
    [checked] = check_attachments([attachment], 10)

    assert checked[:2] == tuple(attachment)[:2]


@pytest.mark.parametrize("name", ["../a", "a/b", "a\\b", "..", "", "a\nb", "a\0", "a\u2028", "a" * 256])
def test_an_attachments_name_holds_no_path(name):
    """
    A name is that of a file, not of a place.
    """
    with pytest.raises(InvalidMessageError, match="expected a plain file name"):
        check_attachments([(name, b"", None)], 10)


@pytest.mark.parametrize("mimetype", ["pdf", "text/plain\r\nX: y", "a/b; c=d", "/", ""])
def test_an_attachments_type_is_a_mime_type(mimetype):
    """
    Parameters and line breaks would change the part's header.
    """
    with pytest.raises(InvalidMessageError, match="expected a MIME type such as application/pdf"):
        check_attachments([("a", b"", mimetype)], 10)


def test_headers_are_a_dict():
    """
    A list of pairs is no mapping.
    """
    with pytest.raises(InvalidMessageError, match="expected a dict of names and values, got list"):
        check_headers([("X-A", "a")])


@pytest.mark.parametrize("attachments", [("a.txt", "text"), "a.txt", 1])
def test_attachments_are_a_list(attachments):
    """
    One tuple alone is no list of tuples.
    """
    with pytest.raises(InvalidMessageError, match="expected tuples"):
        check_attachments(attachments, 10)


@pytest.mark.parametrize("attachment", ["a.txt", ("a",), ("a", 1), (b"a", b"", None), ("a", b"", None, 1)])
def test_other_attachments_are_refused(attachment):
    """
    The error says which shape was expected.
    """
    with pytest.raises(InvalidMessageError, match="expected tuples"):
        check_attachments([attachment], 10)


def test_attachments_have_a_limit_together():
    """
    The sum counts, in bytes.
    """
    with pytest.raises(
        InvalidMessageError, match=r"11 bytes together, more than ACE_EMAIL_MAX_ATTACHMENT_BYTES \(10\)"
    ):
        check_attachments([("a", b"123456", None), ("b", "ü123", None)], 10)


@pytest.mark.parametrize("text", [" " * 990 + "x", " " * 990 + "<", "a" + " " * 980 + "<", " " * 900 + "é@é !"])
def test_a_long_text_is_refused_at_once(text):
    """
    Reading it takes time in proportion to its length; trying all ways to part it would take seconds.
    """
    begun = time.process_time()

    with pytest.raises(InvalidMessageError):
        parse_mailbox(text)

    assert time.process_time() - begun < 0.5


def test_an_option_is_no_iterator():
    """
    A message that is retried would find it empty, and an endless one would never be sent.
    """
    with pytest.raises(InvalidMessageError, match=r"options\['cc'\]: expected one mailbox or a list .* got repeat"):
        parse_mailboxes(itertools.repeat("a@example.com"), "options['cc']")
    with pytest.raises(InvalidMessageError, match=r"expected tuples .* got repeat"):
        check_attachments(itertools.repeat(("a.txt", "text")), 10)
