"""
Internal: the message that a member becomes when it is sent, or why there is none any more.
"""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from edx_ace import Recipient
from edx_ace.campaigns import audiences, resolving, source
from edx_ace.campaigns.audiences import Person
from edx_ace.campaigns.expanding import expand
from edx_ace.campaigns.host import Host
from edx_ace.campaigns.models import Part, Variant
from edx_ace.campaigns.source import uuid_of
from edx_ace.outbox.models import Delivery
from edx_ace.report import Skipped
from tests.outbox.test_worker import work
from tests.pipeline import Recorder

pytestmark = pytest.mark.django_db


class School(Host):
    """Says what the course is called, and remembers how often it was asked."""

    asked = []

    def scope_values(self, scope, language):
        self.asked.append((scope, language))
        return {"course_name": {"en": "Cooking", "de": "Kochen"}[language]}


@pytest.fixture(autouse=True)
def host(settings):
    """The host that is asked."""
    settings.ACE_CAMPAIGN_HOST = f"{__name__}.School"
    School.asked = []


@pytest.fixture
def found(resolution):
    """Return a function that makes a campaign as `campaign` does, with an email, and finds its members."""

    def make(*parts, **fields):
        one = resolution(*parts, scope="course:7", **fields)
        for language, subject in (("en", "Hello {{ first_name|there }}"), ("de", "Hallo {{ first_name|du }}")):
            body = "<p>{{ course_name }}</p>"
            Variant.objects.create(campaign=one.campaign, language=language, subject=subject, source=body, body=body)
        assert resolving.resolve(one, lambda: True)
        return one.campaign

    return make


def load(campaign):
    """Return what the source gives for all members of *campaign*, by their address."""
    members = dict(campaign.resolution.members.filter(reason="").values_list("pk", "address"))
    return {members[key]: one for key, one in source.load(list(members)).items()}


def test_keywords_and_language_are_those_of_now(found, accounts):
    """
    And the message is the same however often it is made.
    """
    [ann] = accounts(1, "ann")
    campaign = found("accounts")
    User.objects.filter(pk=ann.pk).update(first_name="Anna", email="new@example.com")

    [message] = load(campaign).values()

    assert message.recipient == Recipient(ann.pk, "new@example.com")
    assert message.context["email"]["subject"] == "Hello Anna"
    assert message.context["email"]["html"] == "<p>Cooking</p>"
    assert (message.language, message.send_uuid) == ("en", campaign.uuid)
    assert message.uuid == uuid_of(campaign, campaign.resolution.members.get().pk)


def test_people_who_are_no_rows_are_what_they_were(found, given):
    """
    With their language; scope values are asked for once a language.
    """
    given.people = [
        Person(Recipient(number, f"{number}@example.com"), values={"first_name": f"P{number}"}, language=language)
        for number, language in enumerate(["de", "en", "de-at", None])
    ]

    messages = load(found("given"))

    assert sorted(one.context["email"]["subject"] for one in messages.values()) == [
        "Hallo P0",
        "Hallo P2",
        "Hello P1",
        "Hello P3",
    ]
    assert sorted(School.asked) == [("course:7", "de"), ("course:7", "en")]


def test_whoever_has_left_gets_nothing(found, accounts):
    """
    Nor does who was deleted, or is not active any more.
    """
    ann, bob, carol, _ = accounts(4)
    campaign = found(("accounts", {"start": "user"}))
    User.objects.filter(pk=ann.pk).update(username="former")
    User.objects.filter(pk=carol.pk).update(is_active=False)
    bob.delete()

    messages = load(campaign)

    assert not isinstance(messages.pop("user3@example.com"), Skipped)
    assert messages == {
        "user0@example.com": source.LEFT,
        "user1@example.com": source.LEFT,
        "user2@example.com": source.INACTIVE,
    }


def test_whoever_went_to_another_audience_stays(found, accounts):
    """
    Of the same campaign.
    """
    accounts(2, "ann")
    campaign = found(("accounts", {"start": "ann"}), ("accounts", {"start": "bob"}))
    User.objects.filter(username="ann000000").update(username="bob000000")
    User.objects.filter(username="ann000001").update(username="carol")

    messages = load(campaign)

    assert messages["ann1@example.com"] == source.LEFT
    assert messages["ann0@example.com"].recipient.email_address == "ann0@example.com"


def test_whoever_is_excluded_by_now_gets_nothing(found, accounts):
    """
    It was not so when the campaign started.
    """
    accounts(2, "ann")
    campaign = found(("accounts", {"start": ""}), ("-accounts", {"start": "bob"}))
    User.objects.filter(username="ann000000").update(username="bob000000")

    messages = load(campaign)

    assert messages["ann0@example.com"] == source.EXCLUDED
    assert not isinstance(messages["ann1@example.com"], Skipped)


def test_a_batch_takes_few_queries(found, accounts, django_assert_max_num_queries):
    """
    However many messages it has.
    """
    accounts(50)
    campaign = found("accounts", ("-accounts", {"start": "bob"}))
    members = list(campaign.resolution.members.values_list("pk", flat=True))

    with django_assert_max_num_queries(6):
        messages = source.load(members)

    assert len(messages) == 50


def test_members_of_several_campaigns_get_their_own(found, accounts):
    """
    Whatever is claimed together.
    """
    accounts(2)
    first, second = found("accounts"), found("accounts")
    keys = [
        key for one in (first, second) for key in one.resolution.members.order_by("pk").values_list("pk", flat=True)
    ]

    messages = source.load([*keys, 10**9])

    assert [messages[key].send_uuid for key in keys] == [first.uuid] * 2 + [second.uuid] * 2
    assert 10**9 not in messages


def test_they_are_sent(found, accounts, use_channels, settings):
    """
    From the audience to the channel.
    """
    channel = Recorder()
    use_channels(mail=channel)
    users = accounts(3)
    campaign = found("accounts")
    expand(campaign, lambda: True)
    users[1].delete()

    work()

    assert sorted(one.recipient.email_address for one in channel.delivered) == [
        "user0@example.com",
        "user2@example.com",
    ]
    assert sorted(Delivery.objects.values_list("state", "code")) == [
        ("sent", ""),
        ("sent", ""),
        ("skipped", "left"),
    ]


def test_an_audience_that_is_gone_puts_its_messages_off(found, accounts, use_channels):
    """
    The next release may have it again.
    """
    use_channels(mail=Recorder())
    accounts(1)
    campaign = found("accounts")
    expand(campaign, lambda: True)
    Part.objects.update(audience="former")
    assert "former" not in audiences.all_audiences()

    work()

    assert list(Delivery.objects.values_list("state", flat=True)) == ["queued"]
