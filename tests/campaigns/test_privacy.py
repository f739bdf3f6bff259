"""
Internal: what campaigns keep of people.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from edx_ace.campaigns import resolving
from edx_ace.campaigns.audiences import Person as Somebody
from edx_ace.campaigns.models import Campaign, ListedAddress, Member, Resolution
from edx_ace.outbox import privacy, purge
from edx_ace.outbox.privacy import Person
from edx_ace.recipient import Recipient

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def found(resolution, accounts, listed):
    """Ann is a recipient by her account, and on a list; so are others."""
    accounts(1, "ann")
    accounts(2)
    listed("vip", "Ann0@Example.com", "bob@example.com")
    one = resolution("accounts", name="News")
    resolving.resolve(one, lambda: True)
    return one


def test_what_is_kept_of_a_person_is_told(found):
    """
    The campaigns that they were recipients of, and the lists that they are on.
    """
    told = privacy.export(Person.find("ann0@example.com"))["ace_campaigns"]

    assert [(one["name"], one["address"]) for one in told["campaigns"]] == [("News", "ann0@example.com")]
    assert [one["list"] for one in told["lists"]] == ["vip"]


def test_a_person_is_erased(found):
    """
    The number of recipients stays; nothing is sent to them any more.
    """
    erased = privacy.erase(Person.find("ann0@example.com"))["ace_campaigns"]

    assert erased == {"recipients": 1, "excluded": 0, "listed_addresses": 1}
    assert sorted(Member.objects.values_list("address", "reason"), key=str) == [
        ("user0@example.com", ""),
        ("user1@example.com", ""),
        (None, "erased"),
    ]
    assert list(ListedAddress.objects.values_list("key", flat=True)) == ["bob@example.com"]
    assert privacy.export(Person.find("ann0@example.com"))["ace_campaigns"] == {"campaigns": [], "lists": []}


def test_who_is_known_by_an_address_is_found_after_a_key_was_added(resolution, given, settings):
    """
    Their digest is made anew.
    """
    settings.ACE_ADDRESS_KEYS = ["first"]
    given.people = [Somebody(Recipient(None, "ann@example.com"))]
    resolving.resolve(resolution("given"), lambda: True)
    before = Member.objects.get().recipient
    settings.ACE_ADDRESS_KEYS = ["first", "second"]

    assert privacy.rehash()["hashed"] == 1

    assert before != Member.objects.get().recipient
    assert Member.objects.filter(recipient__in=Person.find("ann@example.com").keys).count() == 1


def test_recipients_are_kept_for_some_time(found, resolution):
    """
    Those of what has not ended stay; those that were only counted go after a day.
    """
    ended, counted = resolution("accounts"), resolution("accounts")
    for one in (ended, counted):
        resolving.resolve(one, lambda: True)
    Campaign.objects.filter(pk=counted.campaign_id).update(resolution=None)
    Resolution.objects.update(created_at=timezone.now() - 2 * DAY)
    Campaign.objects.filter(pk=ended.campaign_id).update(finished_at=timezone.now() - 91 * DAY)

    assert purge().others["recipients of campaigns"] == 6

    assert set(Resolution.objects.values_list("pk", flat=True)) == {found.pk, ended.pk}
    assert set(Member.objects.values_list("resolution", flat=True)) == {found.pk}
    ended.refresh_from_db()
    assert ended.numbers == {"": 3}
