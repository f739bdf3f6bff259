"""
Internal: the tables and their migration.
"""

from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection

from edx_ace.outbox.models import Delivery
from edx_ace.outbox.states import State

pytestmark = pytest.mark.django_db

MOMENT = "2026-01-01T00:00Z"


def plan(queryset):
    """Return how the database would look for *queryset* in a table too large to be read whole."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
    return queryset.explain()


def test_the_migration_makes_what_the_models_say():
    """
    No migration is missing.
    """
    call_command("makemigrations", "ace_outbox", check=True, dry_run=True, stdout=StringIO())


def test_looking_for_what_is_due_uses_an_index(deliveries):
    """
    A poll reads an index, in its order, and not the table.
    """
    deliveries(20)
    of_channel = Delivery.objects.filter(state=State.QUEUED, channel="mail", priority=0)
    due = of_channel.filter(due_at__lte="2030-01-01T00:00Z").order_by("due_at")

    found = plan(due.values("pk")[:10])

    assert "ace_outbox_due" in found
    assert "sort" not in found.lower()


def test_looking_for_leases_that_are_over_uses_an_index(deliveries):
    """
    What was sent long ago has no lease and is not looked at.
    """
    deliveries(20)
    over = Delivery.objects.filter(state=State.CLAIMED, lease_until__lte="2020-01-01T00:00Z").order_by("lease_until")

    assert "ace_outbox_leased" in plan(over.values("pk")[:10])


@pytest.mark.parametrize(
    ("conditions", "order", "index"),
    [
        # Figures.
        (
            {"state": State.QUEUED, "channel__in": ["a", "b"], "priority__in": [0, 1, 2], "due_at__gt": MOMENT},
            (),
            "ace_outbox_due",
        ),
        ({"lease_until__isnull": False}, (), "ace_outbox_leased"),
        ({"state__in": ["sent", "delivered"], "finished_at__gt": MOMENT}, (), "ace_outbox_finished"),
        # Failures, and what one code failed with is queued again.
        ({"state": State.FAILED, "finished_at__gt": MOMENT}, ("-finished_at",), "ace_outbox_finished"),
        # Purging.
        ({"state": State.SENT, "finished_at__lt": MOMENT}, ("finished_at",), "ace_outbox_finished"),
        # What expires while it waits.
        ({"state": State.QUEUED, "expires_at__lte": MOMENT}, ("expires_at",), "ace_outbox_expiring"),
        # What went to an address.
        ({"address": "ann@example.com"}, (), "ace_outbox_once_an_address"),
    ],
)
def test_operating_the_outbox_uses_indexes(deliveries, conditions, order, index):
    """
    None of it reads the table.
    """
    deliveries(20)

    found = plan(Delivery.objects.filter(**conditions).order_by(*order).values("pk")[:10])

    if connection.vendor == "sqlite":
        # There an index of a unique key has no name of ours.
        index = index.replace("ace_outbox_once_an_address", "sqlite_autoindex")
    assert index in found
    assert "sort" not in found.lower()


def test_many_keys_are_looked_up_however_they_are_given(deliveries):
    """
    In a list, a set or a subquery; None is nobody's key.
    """
    for number, delivery in enumerate(deliveries(3)):
        Delivery.objects.filter(pk=delivery.pk).update(recipient=f"person {number}")
    among = Delivery.objects.order_by("pk")
    first_two = among.exclude(recipient="person 2")

    for keys in (["person 0", "person 1", "x"], {"person 0", "person 1"}, ("person 1", None, "person 0")):
        assert list(among.filter(recipient__in=keys)) == list(first_two)
        assert list(among.exclude(recipient__in=keys)) == list(among.filter(recipient="person 2"))
    assert list(among.filter(recipient__in=first_two.values("recipient"))) == list(first_two)
    assert list(among.filter(recipient__in=[])) == []


@pytest.mark.parametrize("key", ['say "hi"', "C:\\new", "{a,b}", "NULL", "%s", "line\nbreak", "'; --", "ünï"])
def test_a_key_may_be_any_text(deliveries, key):
    """
    Nothing in it means anything to the database.
    """
    [found, _] = deliveries(2)
    Delivery.objects.filter(pk=found.pk).update(recipient=key)

    assert list(Delivery.objects.filter(recipient__in=["other", key])) == [found]
