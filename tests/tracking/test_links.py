"""
Internal: the content step ``track``: which mails, which links, and what is written.
"""

from __future__ import annotations

import logging
from uuid import uuid4

import attrs
import pytest
from django.db import transaction

from edx_ace import preview
from edx_ace.channel import ChannelType
from edx_ace.envelope import Parcel
from edx_ace.renderers import RenderedPushNotification
from edx_ace.tokens import seal
from edx_ace.tracking.links import MAX_TARGET_LENGTH, harmless, track, without_pixel, without_tokens
from edx_ace.tracking.models import Link
from tests.pipeline import Recorder, welcome
from tests.tracking.mails import clicks, mail, pixel, tracked_html

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tracked")]

LINK = '<a href="https://shop.example/a">A</a>'


def test_links_and_a_pixel_lead_through_the_site():
    """
    What they lead to is stored.
    """
    html = tracked_html(f"<body><p>{LINK}</p></body>")

    assert len(clicks(html)) == 1
    assert pixel(html) is not None
    assert html.endswith('style="border:0"></body>')
    assert list(Link.objects.values_list("target", flat=True)) == ["https://shop.example/a"]


@pytest.mark.parametrize(
    ("before", "target"),
    [
        ("<A class=x HREF='http://a.example/'>", "http://a.example/"),
        ("<a href=http://a.example/b>", "http://a.example/b"),
        ('<area shape="rect" href="https://a.example/">', "https://a.example/"),
        # Entities belong to HTML and not to the address.
        ('<a href="https://a.example/?x=1&amp;y=2">', "https://a.example/?x=1&y=2"),
        ('<a\n  href = " https://a.example/ "\n>', "https://a.example/"),
        ('<a href="https://مثال.example/ä">', "https://مثال.example/ä"),
        ('<a title="a > b" href="https://a.example/">', "https://a.example/"),
        # The first of two counts, as in browsers.
        ('<a href="https://a.example/" href="https://b.example/">', "https://a.example/"),
    ],
)
def test_however_a_link_is_written(before, target):
    """
    It leads there by way of the site, and the rest of its tag stays.
    """
    html = tracked_html(before)

    assert len(clicks(html)) == 1
    assert Link.objects.get().target == target


@pytest.mark.parametrize(
    "html",
    [
        '<a href="mailto:ann@example.com">',
        '<a href="tel:+4930123">',
        '<a href="#part">',
        '<a name="part">',
        '<a href="javascript:alert(1)">',
        '<a href="data:text/html,x">',
        '<a href="//evil.example/">',
        '<a href="/relative">',
        '<a href="https://">',
        '<a href="https://[::1">',
        '<a href="http:evil.example">',
        '<a href="{{ provider_fills_in }}">',
        '<a href="https://a.example/\r\nSet-Cookie: x=1">',
        '<a href="https://a.example/&#13;&#10;x">',
        '<a href="https://a.example/ b">',
        '<a href="https://a.example\\@b.example/">',
        f'<a href="https://a.example/{"x" * MAX_TARGET_LENGTH}">',
        '<a data-no-track href="https://a.example/">',
        '<a href="https://a.example/" DATA-NO-TRACK="">',
        '<a data-href="https://a.example/">',
        "<a title=' href=https://a.example/ '>",
        '<abbr href="https://a.example/">',
        '<link href="https://a.example/">',
        # Pages of this package hold a token of the person's own.
        '<a href="https://example.com/mail/c/abc">',
    ],
)
def test_what_is_no_link_to_a_page_of_somebody_s_is_left_alone(html):
    """
    Byte for byte; nothing is stored.
    """
    changed = tracked_html(html)

    assert without_pixel(changed) == html
    assert not Link.objects.exists()


def test_the_unsubscribe_link_is_left_alone():
    """
    Also that of a site's own.
    """
    message = welcome(headers={"list-unsubscribe": "<mailto:out@example.com>, <https://shop.example/out?t=1>"})
    [parcel] = track([mail(f'<a href="https://shop.example/out?t=1">Out</a>{LINK}', message)])

    assert '<a href="https://shop.example/out?t=1">Out</a>' in parcel.rendered.body_html
    assert len(clicks(parcel.rendered.body_html)) == 1


def test_that_link_counts_in_a_message_that_is_not_left_by_it():
    """
    What one message of many unsubscribes by may be a link like others in the next.
    """
    out = '<a href="https://shop.example/out">Out</a>'
    left, tracked = track([mail(out, welcome(headers={"List-Unsubscribe": "<https://shop.example/out>"})), mail(out)])

    assert out in left.rendered.body_html
    assert len(clicks(tracked.rendered.body_html)) == 1


def test_a_target_is_stored_once_for_a_send(django_assert_max_num_queries):
    """
    With one statement for all messages, which each have their own tokens.
    """
    send = uuid4()
    messages = [welcome(send_uuid=send) for _ in range(50)]
    with django_assert_max_num_queries(3):  # Of which two are a savepoint.
        parcels = track([mail(LINK + LINK, message) for message in messages])
    track([mail(LINK, welcome(send_uuid=send))])

    assert Link.objects.count() == 1
    assert Link.objects.get().batch == send
    assert len({click for parcel in parcels for click in clicks(parcel.rendered.body_html)}) == 50


def test_another_send_stores_its_own():
    """
    And so does a message that belongs to none.
    """
    message = welcome()
    tracked_html(LINK, message)
    tracked_html(LINK, welcome(send_uuid=uuid4()))

    assert Link.objects.count() == 2
    assert Link.objects.filter(batch=message.uuid).exists()


@pytest.mark.parametrize(
    "about",
    [
        {"category": "offers"},
        {"category": None},
        {"category": "news", "essential": True},
        {"essential": True},
    ],
)
def test_only_categories_that_say_so_are_tracked_and_nothing_essential(settings, about):
    """
    A password reset is nobody's business.
    """
    settings.ACE_MESSAGE_TYPES = {"tests.welcome": about}

    assert tracked_html(LINK) == LINK


def test_tests_are_not_tracked():
    """
    Whoever sends one to themselves is no reader.
    """
    assert tracked_html(LINK, welcome(options={"is_test": True})) == LINK


def test_what_the_staff_looks_at_counts_nothing():
    """
    It has neither pixel nor links.
    """
    html = tracked_html(
        f'<a class="x" href="https://a.example/" title="y">A</a>{LINK}<img src="https://a.example/b.png">'
    )

    assert harmless(html) == '<a class="x" title="y">A</a><a >A</a><img src="https://a.example/b.png">'


def test_whoever_reads_a_text_gets_no_token_of_it():
    """
    Other addresses stay.
    """
    token = seal("unsubscribe", "7", "news", str(uuid4()))
    text = f"Out: https://example.com/out/{token}/ (or {token}) https://a.example/a-page/"

    assert without_tokens(text) == f"Out: https://example.com/out/…/ (or {token}) https://a.example/a-page/"


def test_only_mails_are_tracked():
    """
    Other parcels pass as they are.
    """
    parcel = attrs.evolve(mail(""), rendered=RenderedPushNotification("Hello", LINK))

    assert track([parcel]) == [parcel]


def agreed(messages):
    return [message.recipient.lms_user_id == 7 for message in messages]


def broken(messages):
    raise ValueError("no answer")


def test_without_consent_nobody_is_tracked(settings):
    """
    The others of the batch are.
    """
    settings.ACE_TRACKING_CONSENT = f"{__name__}.agreed"
    stranger = welcome(recipient=attrs.evolve(welcome().recipient, lms_user_id=8))
    first, second = track([mail(LINK, stranger), mail(LINK)])

    assert first.rendered.body_html == LINK
    assert len(clicks(second.rendered.body_html)) == 1


def test_a_question_without_an_answer_is_no_consent(settings, caplog):
    """
    The mail goes, and somebody can see why it counts nothing.
    """
    settings.ACE_TRACKING_CONSENT = f"{__name__}.broken"
    with caplog.at_level(logging.ERROR):
        html = tracked_html(LINK)

    assert html == LINK
    assert "1 messages go out untracked." in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_mail_of_an_open_transaction_goes_untracked():
    """
    It would lead nowhere once that was rolled back.
    """
    with transaction.atomic():
        html = tracked_html(LINK)

    assert html == LINK
    assert not Link.objects.exists()


def test_previews_are_not_tracked(use_channels):
    """
    Whatever ACE_CONTENT_STEPS says.
    """
    channel = Recorder()
    use_channels(mail=channel)
    parcel: Parcel = preview.render(welcome(app_label="tests", name="greeting"), ChannelType.EMAIL, channel)

    assert pixel(parcel.rendered.body_html) is None


def test_a_hostile_mail_takes_no_long_time():
    """
    Unfinished tags and quotes do not add up; the test ends.
    """
    html = '<a href="' * 20_000 + "<a " * 20_000 + "<a x='" * 20_000

    assert without_pixel(tracked_html(html)) == html
