"""
Internal: claims, permits and what happens when a lease is over, on whatever database the tests run on.
"""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db.models import Q

from edx_ace.outbox import leases
from edx_ace.outbox.clock import database_now
from edx_ace.outbox.errors import IllegalTransitionError
from edx_ace.outbox.models import Count, Delivery
from edx_ace.outbox.states import ARROWS, State

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
BATCH = uuid4()

pytestmark = pytest.mark.django_db


def claim(limit=10, lease=MINUTE):
    return leases.claim(Delivery.objects.all(), limit, lease)


def end_leases():
    Delivery.objects.update(lease_until=database_now(Delivery, "default") - HOUR)


def return_overrun():
    return leases.reclaim(Delivery.objects.all(), 100, State.CLAIMED, State.QUEUED)


def states():
    return sorted(Delivery.objects.values_list("state", flat=True))


def test_a_claim_takes_what_is_due_and_no_more_than_was_asked_for(deliveries):
    """
    Rows come back as they are after the claim, with the first fencing number and the lease.
    """
    deliveries(3)
    deliveries(2, due_in=HOUR)

    claimed = claim(limit=2)

    now = database_now(Delivery, "default")
    assert [(row.state, row.fence, row.claims) for row in claimed] == [("claimed", 1, 1)] * 2
    assert all(timedelta(seconds=50) < row.lease_until - now <= MINUTE for row in claimed)
    assert len(claim()) == 1
    assert claim() == []


def test_the_longest_due_is_claimed_first(deliveries):
    """
    Of what is due, the row whose time came first goes first.
    """
    [late] = deliveries(due_in=-MINUTE)
    [early] = deliveries(due_in=-HOUR)

    assert claim(limit=1) == [early]
    assert claim(limit=1) == [late]


@pytest.mark.django_db(transaction=True)
def test_two_claimers_never_get_the_same_row(deliveries, at_once):
    """
    Eight workers that claim at the same moment share 100 rows among them, each row once.
    """
    deliveries(100)

    def drain():
        taken = []
        while rows := claim(limit=7):
            taken += [row.pk for row in rows]
        return taken

    taken = [pk for share in at_once(drain, threads=8) for pk in share]

    # A row that another had locked at the moment of the last look is passed over, and is there at the next.
    taken += [row.pk for row in claim(limit=100)]
    assert len(taken) == 100
    assert len(set(taken)) == 100
    assert set(Delivery.objects.values_list("fence", flat=True)) == {1}


def test_a_permit_is_given_to_the_owner_of_the_lease(deliveries):
    """
    The row is then being handed over, and its lease begins anew.
    """
    deliveries(2)
    claimed = claim(lease=MINUTE)

    permitted = leases.permit(claimed, HOUR)

    assert permitted == claimed
    assert states() == ["handing", "handing"]
    assert Delivery.objects.first().lease_until > database_now(Delivery, "default") + 50 * MINUTE


def test_no_permit_after_the_lease_is_over(deliveries):
    """
    A worker that took too long may not send, though nobody else has the row yet.
    """
    deliveries()
    claimed = claim()
    end_leases()

    assert leases.permit(claimed, MINUTE) == []
    assert states() == ["claimed"]


def test_no_permit_for_what_a_condition_forbids(deliveries):
    """
    The others of the same window get theirs.
    """
    deliveries(1, recipient="7")
    deliveries(1, recipient="8")
    claimed = claim()

    permitted = leases.permit(claimed, MINUTE, unless=Q(recipient="7"))

    assert [row.recipient for row in permitted] == ["8"]
    assert states() == ["claimed", "handing"]


def test_a_permission_is_given_to_one_window_after_the_other(deliveries):
    """
    Each under its own fencing numbers, and what it must not be given for is looked at anew each time.
    """
    deliveries(6, recipient="8")
    Delivery.objects.filter(pk__in=[row.pk for row in claim(limit=2)]).update(state="queued", fence=5)
    rows = sorted(claim(), key=lambda row: row.fence)
    permit = leases.permission(Delivery, MINUTE, unless=Q(recipient="7"))

    assert permit(rows[:2]) == rows[:2]
    Delivery.objects.filter(pk=rows[2].pk).update(recipient="7")
    assert permit(rows[2:4]) == rows[3:4]
    assert permit(rows[4:]) == rows[4:]
    assert [row.fence for row in rows] == [1, 1, 1, 1, 6, 6]
    assert permit(rows) == []


def test_columns_that_a_claim_leaves_out_are_loaded_when_they_are_asked_for(deliveries):
    """
    A claimed row is a whole row for whoever needs it.
    """
    [row] = deliveries()
    Delivery.objects.update(reason="It was deferred.")

    [claimed] = claim()

    assert (claimed.due_at, claimed.reason) == (row.due_at, "It was deferred.")


def test_a_stale_fencing_number_can_neither_permit_nor_record_nor_renew(deliveries):
    """
    A worker that was frozen beyond its lease, and whose row went to another, changes nothing.
    """
    deliveries()
    frozen = claim()
    end_leases()
    return_overrun()
    owner = claim()

    assert leases.permit(frozen, MINUTE) == []
    assert leases.renew(frozen, HOUR) == []
    leases.permit(owner, MINUTE)
    assert leases.move(frozen, State.HANDING, State.SENT) == []
    assert leases.move(owner, State.HANDING, State.SENT) == owner
    assert owner[0].fence == 3


def test_what_was_handed_over_by_a_worker_that_lost_its_lease_is_not_recorded(deliveries):
    """
    The frozen worker had the permit; another has it by now.
    """
    deliveries()
    frozen = leases.permit(claim(), MINUTE)
    end_leases()
    leases.reclaim(Delivery.objects.all(), 100, State.HANDING, State.QUEUED)
    leases.permit(claim(), MINUTE)

    assert leases.move(frozen, State.HANDING, State.SENT) == []
    assert states() == ["handing"]


def test_a_claimed_row_returns_when_its_lease_is_over_and_can_be_claimed_again(deliveries):
    """
    The number of claims goes on counting; the fencing number is new to the worker that had it.
    """
    deliveries(2)
    claim(limit=1)
    assert return_overrun() == []
    end_leases()

    assert [row.state for row in return_overrun()] == ["queued"]
    assert sorted((row.fence, row.claims) for row in claim()) == [(1, 1), (3, 2)]


@pytest.mark.parametrize(("on_ambiguous", "becomes"), [("repeat", "queued"), ("hold", "unknown")])
def test_a_row_being_handed_over_is_repeated_or_held_when_its_lease_is_over(deliveries, on_ambiguous, becomes):
    """
    Nobody knows whether it was accepted; the message says what to do then.
    """
    deliveries(on_ambiguous=on_ambiguous)
    leases.permit(claim(), MINUTE)
    end_leases()

    leases.reclaim(Delivery.objects.filter(on_ambiguous=on_ambiguous), 100, State.HANDING, becomes)

    assert states() == [becomes]


def test_renewing_keeps_a_row(deliveries):
    """
    The lease begins anew for rows that are still the worker's own, and for no others.
    """
    deliveries(2)
    claimed = claim()
    Delivery.objects.filter(pk=claimed[0].pk).update(fence=9)

    assert leases.renew(claimed, HOUR) == claimed[1:]
    assert Delivery.objects.get(pk=claimed[1].pk).lease_until > database_now(Delivery, "default") + 50 * MINUTE


def test_a_released_row_looks_as_if_it_had_not_been_claimed(deliveries):
    """
    Only the fencing number tells, so that the one who released it cannot use it any more.
    """
    deliveries()
    claimed = claim()

    leases.release(claimed)

    row = Delivery.objects.get()
    assert (row.state, row.claims, row.lease_until, row.fence) == ("queued", 0, None, 1)
    assert leases.permit(claimed, MINUTE) == []


def test_counts_of_a_batch_add_up_at_every_step(deliveries):
    """
    Each transition appends how many went from where to where.
    """
    batch = "6f6e2e4c-6b5c-4a3c-8c4e-111111111111"
    deliveries(3, batch=batch)
    leases.permit(claim()[:2], MINUTE)

    counts = sorted(Count.objects.values_list("from_state", "to_state", "number"))
    assert counts == [("claimed", "handing", 2), ("queued", "claimed", 3)]


def test_what_was_given_back_by_the_sweep_is_not_given_back_again_by_a_frozen_worker(deliveries):
    """
    Nobody has claimed it since, and all the same it is not its own any more: it is counted once.
    """
    deliveries(2, batch=uuid4())
    frozen = claim()
    end_leases()
    return_overrun()

    assert leases.release(frozen) == []

    counts = sorted(Count.objects.values_list("from_state", "to_state", "number"))
    assert counts == [("claimed", "queued", 2), ("queued", "claimed", 2)]


def test_an_illegal_transition_names_both_states(deliveries):
    """
    What was sent is not queued again by mistake.
    """
    deliveries()

    with pytest.raises(
        IllegalTransitionError,
        match="A delivery that is 'sent' cannot become 'queued'; what may follow is bounced, complained, delivered",
    ):
        leases.move(claim(), State.SENT, State.QUEUED)


def test_a_row_can_be_taken_from_whoever_has_it(deliveries):
    """
    The worker can do nothing with it any more, and the counts know.
    """
    deliveries(batch=BATCH)
    [row] = claim()

    assert leases.take(Delivery.objects.get(), State.CANCELLED, code="stopped")

    assert leases.permit([row], MINUTE) == []
    assert Delivery.objects.values_list("state", "code", "lease_until").get() == ("cancelled", "stopped", None)
    assert Count.objects.filter(from_state="claimed", to_state="cancelled", number=1).count() == 1


def test_a_row_that_has_moved_on_is_not_taken(deliveries):
    """
    Nor one that does not match; of an arrow that is none nothing is tried.
    """
    deliveries()
    seen = Delivery.objects.get()
    assert not leases.take(seen, State.CANCELLED, only=Q(code="other"))
    claim()

    assert not leases.take(seen, State.CANCELLED)
    assert (seen.state, states()) == ("queued", ["claimed"])
    with pytest.raises(IllegalTransitionError, match="'queued' cannot become 'sent'"):
        leases.take(seen, State.SENT)


def test_every_arrow_leads_between_states():
    """
    The states that are final have no arrow.
    """
    assert set(ARROWS) <= {"", *State}
    assert set().union(*ARROWS.values()) == {*State}
    assert {state for state in State if state not in ARROWS} == {
        State.SKIPPED,
        State.EXPIRED,
        State.CANCELLED,
        State.BOUNCED,
        State.COMPLAINED,
        State.UNKNOWN,
    }
