"""
Internal: copies of what was sent, and how long what tracking keeps is kept.
"""

from __future__ import annotations

import logging
from datetime import timedelta

import attrs
import pytest
from django.db import DatabaseError
from django.utils import timezone

from edx_ace import Recipient
from edx_ace.outbox import enqueue, privacy, purge
from edx_ace.outbox.people import person_key
from edx_ace.outbox.privacy import Person
from edx_ace.outbox.worker import Worker, sweep
from edx_ace.tracking import copies
from edx_ace.tracking.copies import content_of, keep_copy
from edx_ace.tracking.models import Copy, Engagement, Figure, Link
from tests.pipeline import welcome
from tests.tracking.mails import mail

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def categories(settings) -> None:
    settings.ACE_CATEGORIES = {"news": {"keep_copy_days": 30}, "offers": {}}
    settings.ACE_MESSAGE_TYPES = {"tests.welcome": {"category": "news"}, "tests.offer": {"category": "offers"}}


def test_what_was_sent_is_kept():
    """
    Each field, and whose it is; the parcel passes as it is.
    """
    parcel = mail("<p>Grüße</p>", body="Grüße")

    assert keep_copy([parcel]) == [parcel]
    assert content_of(parcel.message.uuid, "email") == {
        "from_name": "",
        "subject": "Hello",
        "head_html": "",
        "body_html": "<p>Grüße</p>",
        "body": "Grüße",
    }
    assert Copy.objects.get().person == "7"


@pytest.mark.parametrize("message", [welcome(name="offer"), welcome(name="reset", options={"transactional": True})])
def test_only_where_the_category_says_so(message):
    """
    What belongs to no category is not kept.
    """
    keep_copy([mail("<p>Hello</p>", message)])

    assert not Copy.objects.exists()


def test_a_message_that_is_tried_again_replaces_its_copy():
    """
    The last is what arrived, and there is one.
    """
    parcel = mail("<p>first</p>")
    again = attrs.evolve(parcel, rendered=attrs.evolve(parcel.rendered, body_html="<p>second</p>"))
    keep_copy([parcel])
    keep_copy([again])

    assert Copy.objects.count() == 1
    assert content_of(parcel.message.uuid, "email")["body_html"] == "<p>second</p>"


def test_many_copies_are_one_statement(django_assert_max_num_queries):
    """
    Of which two more are a savepoint.
    """
    with django_assert_max_num_queries(3):
        keep_copy([mail("x", welcome()) for _ in range(50)])

    assert Copy.objects.count() == 50


def test_where_nothing_is_kept_the_database_is_not_asked(settings, django_assert_num_queries):
    """
    Of a category that has no copies, where another has some.
    """
    settings.ACE_CATEGORIES = {"news": {}, "offers": {"keep_copy_days": 30}}
    with django_assert_num_queries(0):
        keep_copy([mail("<p>Hello</p>")])


def test_a_copy_that_cannot_be_written_holds_up_no_mail(monkeypatch, caplog):
    """
    Somebody can see it.
    """

    def refuse(given):
        raise DatabaseError("no space left")

    monkeypatch.setattr(copies, "_write", refuse)
    parcel = mail("x")
    with caplog.at_level(logging.ERROR):
        assert keep_copy([parcel]) == [parcel]

    assert "Copies of 1 messages could not be kept: DatabaseError" in caplog.text


def test_a_copy_goes_when_its_time_is_over():
    """
    It is not shown any more, and then deleted.
    """
    parcel = mail("x")
    keep_copy([parcel])
    Copy.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    assert content_of(parcel.message.uuid, "email") is None
    assert purge().others["copies"] == 1
    assert not Copy.objects.exists()


def test_a_link_in_a_mail_outlives_what_is_purged_by_hand():
    """
    Whoever reads it next week is led on.
    """
    message = welcome()
    at = timezone.now() - timedelta(days=5)
    Link.objects.create(uuid=message.uuid, batch=message.uuid, target="https://a.example/", created_at=at)
    Engagement.objects.create(message=message.uuid, kind="open", at=at, is_machine=False)
    purge(timedelta(days=1))

    assert Link.objects.exists()
    assert not Engagement.objects.exists()


@pytest.mark.parametrize("given", ["7", "ann@example.com"])
def test_a_person_gets_what_is_kept_of_them_and_may_have_it_erased(given, channel):
    """
    Copies of what was sent to them, and what they opened and followed; figures stay.
    """
    message = welcome()
    enqueue(message)
    Worker(once=True).run()
    keep_copy([mail("<p>Hello</p>", message), mail("<p>Other</p>", welcome(recipient=Recipient(8, "bo@example.com")))])
    link = Link.objects.create(
        uuid=message.uuid, batch=message.uuid, target="https://a.example/", created_at=timezone.now()
    )
    for kind, where in (("open", None), ("click", link.uuid)):
        Engagement.objects.create(
            message=message.uuid, kind=kind, link=where, at=timezone.now(), is_machine=False, person="7"
        )
    found = privacy.export(Person.find(given))["ace_tracking"]
    privacy.erase(Person.find(given))

    assert [(one["kind"], one["target"]) for one in found["opens_and_clicks"]] == [
        ("open", None),
        ("click", "https://a.example/"),
    ]
    assert [one["content"]["body_html"] for one in found["copies"]] == ["<p>Hello</p>"]
    assert Copy.objects.get().person == "8"
    assert privacy.export(Person.find(given))["ace_tracking"]["copies"] == []
    assert Engagement.objects.filter(person="7").exists() == (given != "7")
    sweep()
    assert Figure.objects.filter(measure="sent", batch=None).get().number == 1


def test_a_key_that_is_added_finds_what_was_kept_before(settings):
    """
    Of somebody without an account.
    """
    settings.ACE_ADDRESS_KEYS = ["one"]
    guest = Recipient(None, "ann@example.com")
    keep_copy([mail("x", welcome(recipient=guest))])
    settings.ACE_ADDRESS_KEYS = ["one", "two"]
    privacy.rehash()

    assert Copy.objects.get().person == person_key(guest)


def test_single_events_go_and_figures_by_day_stay(settings):
    """
    After the days that the site says.
    """
    settings.ACE_TRACKING_KEEP_DAYS = 10
    now = timezone.now()
    for days in (5, 15):
        at = now - timedelta(days=days)
        message = welcome()
        Engagement.objects.create(message=message.uuid, kind="open", at=at, is_machine=False, is_counted=True)
        Link.objects.create(uuid=message.uuid, batch=message.uuid, target="https://a.example/", created_at=at)
        figure = {"day": at.date(), "message_type": "x", "channel_type": "email", "measure": "sent", "number": 1}
        Figure.objects.create(**figure, is_sum=True)
        Figure.objects.create(**figure, is_sum=True, batch=message.uuid)
    purge()

    assert Engagement.objects.count() == 1
    assert Link.objects.count() == 1
    assert Figure.objects.filter(batch__isnull=True).count() == 2
    assert Figure.objects.filter(batch__isnull=False).count() == 1
