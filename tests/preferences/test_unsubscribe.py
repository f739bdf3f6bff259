"""
Internal: the content step: what it adds to which mail, and what it leaves alone.
"""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.test import Client
from django.urls import resolve
from django.utils import translation

from edx_ace import Recipient, ace, content
from edx_ace.channel import ChannelType, smtp
from edx_ace.channel.django_email import DjangoEmailChannel
from edx_ace.envelope import Parcel, seal
from edx_ace.outbox import Priority, enqueue
from edx_ace.preferences import Taking, links, taking
from edx_ace.renderers import RenderedEmail, RenderedPushNotification
from edx_ace.testing.smtp import SmtpSink
from tests.channel.mail import SMTP, use_backend
from tests.outbox.test_worker import work
from tests.pipeline import Recorder, welcome

PAGE = "<!DOCTYPE html><html><body><p>Hello</p></body></html>"


@pytest.fixture(autouse=True)
def site(settings):
    settings.ACE_CONTENT_STEPS = ["unsubscribe", "absolute_urls", "plain_text"]
    settings.ACE_BASE_URL = "https://news.example"
    settings.ACE_POSTAL_ADDRESS = "Northwind & Co\n1 Harbour Street"


def parcel(html=PAGE, text="Hello", **fields):
    message = welcome(**fields)
    email = RenderedEmail(from_name="", subject="Hi", body_html=html, head_html="", body=text)
    return Parcel(message, DjangoEmailChannel(), email, seal(message, ChannelType.EMAIL))


def apply(given):
    (changed,) = content.apply([given])
    if isinstance(changed, Exception):
        raise changed
    return changed


def mandate_of(changed):
    """Return what the link in the header of *changed* stands for."""
    path = changed.envelope.headers["List-Unsubscribe"].strip("<>").removeprefix("https://news.example")
    return links.Mandate.read(links.UNSUBSCRIBE, resolve(path).kwargs["token"])


def test_mail_carries_the_headers_of_one_click():
    """
    The link leads to the site, over https, and stands for the person and the category.
    """
    changed = apply(parcel(options={"scope": "course:1"}, language="de"))

    assert dict(changed.envelope.headers) == {
        "List-Unsubscribe": changed.envelope.headers["List-Unsubscribe"],
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-Id": "<news.news.example>",
    }
    assert mandate_of(changed) == links.Mandate(
        person="7",
        language="de",
        message=str(changed.message.uuid),
        category="news",
        channel_type="email",
        scope="course:1",
        is_test=False,
    )


def test_the_link_holds_no_address():
    """
    Whoever has no account is known by a digest, and that is sealed.
    """
    changed = apply(parcel(recipient=Recipient(None, "ann@example.com")))

    assert mandate_of(changed).person.startswith("address:1:")
    assert "ann" not in changed.envelope.headers["List-Unsubscribe"].rpartition("/unsubscribe/")[0]


def test_people_see_the_link_and_the_address_in_both_parts():
    """
    Before the end of the body where the mail has no place of its own for it.
    """
    changed = apply(parcel())
    url = changed.envelope.headers["List-Unsubscribe"].strip("<>")

    assert f'<a href="{url}">Unsubscribe from “News”</a>' in changed.rendered.body_html
    assert "Northwind &amp; Co<br>1 Harbour Street" in changed.rendered.body_html
    assert changed.rendered.body_html.endswith("</div>\n</body></html>")
    assert changed.rendered.body.startswith(f"Hello\n\n-- \nUnsubscribe from “News”: {url}\nChoose what reaches you: ")
    assert changed.rendered.body.endswith("\n\nNorthwind & Co\n1 Harbour Street\n")


def test_in_the_base_template_they_stand_in_the_footer():
    """
    And are written in its style.
    """
    changed = apply(parcel(html="<body><table><td>Hello<!-- ace-unsubscribe --></td></table></body>"))

    assert '<td>Hello<p><a href="https://news.example/' in changed.rendered.body_html
    assert changed.rendered.body_html.endswith("Street</p></td></table></body>")
    assert "<!--" not in changed.rendered.body_html


def test_a_text_that_is_made_of_the_html_has_them_too():
    """
    The step leaves an empty text to `plain_text`.
    """
    changed = apply(parcel(text=""))

    assert (
        f"Unsubscribe from “News” ({changed.envelope.headers['List-Unsubscribe'].strip('<>')})" in changed.rendered.body
    )


def test_what_people_see_is_in_the_language_of_the_message():
    """
    Whatever is active in the process that sends.
    """
    with translation.override("ja"):
        changed = apply(parcel(language="de"))

    assert "Unsubscribe from" not in changed.rendered.body
    assert "„News“ abbestellen" in changed.rendered.body


def test_many_messages_each_have_their_own_links():
    """
    What they have in common is rendered once.
    """
    changed = content.apply([parcel(recipient=Recipient(number, f"{number}@example.com")) for number in range(1, 4)])

    for number, one in enumerate(changed, start=1):
        url = one.envelope.headers["List-Unsubscribe"].strip("<>")
        assert mandate_of(one).person == str(number)
        assert url in one.rendered.body and url in one.rendered.body_html
        assert [each.rendered.body_html.count(url) for each in changed] == [each is one for each in changed]


def test_a_footer_that_speaks_of_its_message_is_made_for_each(settings, tmp_path):
    """
    A site's own template may say whom the mail is for, and then says it to nobody else.
    """
    template = tmp_path / "edx_ace" / "email" / "unsubscribe.html"
    template.parent.mkdir(parents=True)
    template.write_text("<p>{{ message.recipient.email_address }} {{ unsubscribe_url }}</p>")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]

    changed = content.apply([parcel(recipient=Recipient(n, f"{n}@example.com")) for n in range(1, 4)])

    for number, one in enumerate(changed, start=1):
        assert f"<p>{number}@example.com https://news.example/" in one.rendered.body_html


@pytest.mark.parametrize("headers", [{"List-Unsubscribe": "<https://own.example>"}, {"list-unsubscribe": "<m>"}])
@pytest.mark.parametrize("place", ["headers", "options"])
def test_a_message_with_a_list_unsubscribe_of_its_own_is_left_alone(headers, place):
    """
    Its sender knows better; one-click would go to an address that may not understand it.
    """
    given = parcel(**({"headers": headers} if place == "headers" else {"options": {"headers": headers}}))

    assert apply(given) == given


def test_other_list_headers_of_the_message_win():
    """
    The rest is added.
    """
    changed = apply(parcel(headers={"list-id": "<own.example>"}))

    assert changed.envelope.headers["list-id"] == "<own.example>"
    assert "List-Id" not in changed.envelope.headers
    assert "List-Unsubscribe" in changed.envelope.headers


def test_what_is_there_already_is_not_added_again(settings):
    """
    A template may place the link and the address itself.
    """
    message = welcome()
    with translation.override("en"):
        url = links.url(message, ChannelType.EMAIL, links.UNSUBSCRIBE)
    html = f'<body><a href="{url}">Off</a> Northwind &amp; Co, 1 Harbour Street</body>'
    email = RenderedEmail(from_name="", subject="Hi", body_html=html, head_html="", body=f"Off: {url}")

    changed = apply(Parcel(message, DjangoEmailChannel(), email, seal(message, ChannelType.EMAIL)))

    assert changed.rendered.body_html == html
    assert changed.rendered.body == f"Off: {url}\n\n-- \n\nNorthwind & Co\n1 Harbour Street\n"
    assert changed.envelope.headers["List-Unsubscribe"] == f"<{url}>"


@pytest.mark.parametrize("about", [{"essential": True}, {"category": "security"}])
def test_what_cannot_be_turned_off_is_left_alone(settings, about):
    """
    Nobody unsubscribes from their password.
    """
    settings.ACE_MESSAGE_TYPES = {"tests.welcome": about}
    given = parcel()

    assert apply(given) == given


def test_other_kinds_of_content_are_left_alone():
    """
    A notification has no headers.
    """
    message = welcome()
    given = Parcel(
        message,
        Recorder(ChannelType.PUSH),
        RenderedPushNotification(title="Hi", body="Hello"),
        seal(message, ChannelType.PUSH),
    )

    assert content.apply([given], ["unsubscribe"]) == [given]


def test_a_test_s_link_says_so():
    """
    Whoever looks at a test of a campaign must not unsubscribe anybody.
    """
    assert mandate_of(apply(parcel(options={"is_test": True}))).is_test


def test_the_list_id_is_the_category_s_own_where_it_names_one(settings):
    """
    It must stay the same when the site moves.
    """
    settings.ACE_CATEGORIES = {"news": {"label": "News", "list_id": "weekly.northwind.example"}}

    assert apply(parcel()).envelope.headers["List-Id"] == "<weekly.northwind.example>"


@pytest.mark.parametrize(
    ("setting", "value", "text"),
    [
        ("ACE_POSTAL_ADDRESS", None, "Set ACE_POSTAL_ADDRESS"),
        ("ACE_POSTAL_ADDRESS", " ", "Set ACE_POSTAL_ADDRESS"),
        ("ACE_BASE_URL", None, "Set ACE_BASE_URL"),
    ],
)
def test_without_what_the_law_asks_for_nothing_is_sent(settings, setting, value, text):
    """
    The message fails and says what to set.
    """
    setattr(settings, setting, value)

    (failed,) = content.apply([parcel()])

    assert text in str(failed)


def address_of(message):
    """Return the sender's address, as a site of many senders does."""
    return f"The senders of {message.name}"


def test_the_postal_address_may_depend_on_the_message(settings):
    """
    For many sites in one installation.
    """
    settings.ACE_POSTAL_ADDRESS = f"{__name__}.address_of"

    assert apply(parcel()).rendered.body.endswith("The senders of welcome\n")


@pytest.mark.django_db
def test_mail_that_is_sent_has_all_of_it(settings):
    """
    Through the whole pipeline.
    """
    settings.ACE_ENABLED_POLICIES = []
    assert ace.send(welcome(), limit_to_channels=["email"])

    headers = mail.outbox[0].extra_headers
    assert headers["Auto-Submitted"] == "auto-generated"
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "Precedence" not in headers


@pytest.mark.django_db
@pytest.mark.parametrize(("priority", "found"), [(Priority.BULK, "bulk"), (Priority.NORMAL, None)])
def test_bulk_says_that_it_is(priority, found):
    """
    What goes to many goes with this priority.
    """
    enqueue(welcome(), limit_to_channels=["email"], priority=priority)
    work()

    assert mail.outbox[0].extra_headers.get("Precedence") == found


#: Octets of a line without its end. Source: RFC 5322, 2.1.1.
MAX_LINE = 998


@pytest.mark.django_db
@pytest.mark.parametrize("scope", ["course:1", "x" * 255, "x" * 256, "ü" * 250, "課" * 255, "課" * 1000])
@pytest.mark.parametrize("recipient", [Recipient(None, "ann@example.com"), Recipient("ö" * 255, "ann@example.com")])
def test_the_header_fits_onto_a_line_and_leads_to_the_scope(settings, scope, recipient):
    """
    On its way to a mail server, and whatever the scope and the person are called.
    """
    settings.ACE_ENABLED_POLICIES = []
    with SmtpSink() as sink:
        use_backend(settings, SMTP, host=sink.host, port=sink.port)
        assert ace.send(welcome(options={"scope": scope}, recipient=recipient), limit_to_channels=["email"])
        smtp.forget_connections()
    [received] = sink.messages
    [header] = re.findall(rb"(?m)^List-Unsubscribe:(.*(?:\r\n[ \t].*)*)\r$", received.content)
    path = header.decode().strip(" \r\n<>").removeprefix("https://news.example")

    assert max(map(len, received.content.split(b"\r\n"))) <= MAX_LINE
    assert Client().post(path, {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert taking(recipient, "news", "email", scope=scope) == Taking.OFF
    assert taking(recipient, "news", "email") == Taking.IMMEDIATE


@pytest.mark.django_db
def test_a_link_that_fits_onto_no_line_is_refused(settings):
    """
    No mailbox provider could use it.
    """
    settings.ACE_ENABLED_POLICIES = []
    settings.ACE_BASE_URL = f"https://{'news.' * 200}example"

    [failed] = ace.send(welcome(), limit_to_channels=["email"]).deliveries

    assert (failed.code, mail.outbox) == ("bad_header", [])
    assert "'List-Unsubscribe': expected words of at most 997 characters" in failed.reason


@pytest.mark.django_db
def test_a_provider_that_writes_the_mail_itself_gets_the_link_whole(settings):
    """
    Such as Anymail's backend for Amazon SES: Django 6 would have it write encoded words, which no provider decodes.
    """
    settings.ACE_ENABLED_POLICIES = []
    ace.send(welcome(), limit_to_channels=["email"])
    [sent] = mail.outbox

    unfolded = re.sub(rb"\r?\n(?=[ \t])", b"", sent.message().as_bytes())

    assert f"List-Unsubscribe: {sent.extra_headers['List-Unsubscribe']}".encode() in re.sub(b" +", b" ", unfolded)
