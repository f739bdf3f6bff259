"""
Public: what has come of a campaign so far: figures that add up, and what became of each recipient.

Figures are the outbox's counts of the send, its members by reason, and what is left: no row is counted.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from itertools import chain, islice
from typing import Any

import attrs
from django.apps import apps
from django.db import router
from django.db.models import Q, QuerySet, Subquery

from edx_ace.campaigns import finding
from edx_ace.campaigns.access import note, require
from edx_ace.campaigns.host import Action
from edx_ace.campaigns.models import Campaign, Member
from edx_ace.campaigns.source import uuid_of
from edx_ace.campaigns.states import State
from edx_ace.errors import InvalidMessageError
from edx_ace.outbox import State as DeliveryState
from edx_ace.outbox import counts
from edx_ace.outbox.models import Delivery
from edx_ace.outbox.privacy import Person
from edx_ace.outbox.states import OPEN

#: Recipients on one page.
PAGE_SIZE = 50

#: Recipients that an export reads at a time.
CHUNK_SIZE = 500

#: Primary keys among which members are looked for at a time.
RANGE_SIZE = 5000

#: What becomes of recipients beside the states of their deliveries: they are not in the outbox yet, will not be any
#: more, or are not known any more, as deliveries are purged after a while.
WAITING, STOPPED, FORGOTTEN = "waiting", "stopped", "forgotten"


@attrs.frozen
class Progress:
    """
    How far a campaign is.

    Attributes:
        is_resolving: Whether its recipients are still being found: then there are no other figures.

        numbers: How many messages have come to what: a state of `edx_ace.outbox.State`, ``waiting``, ``stopped`` or
            ``forgotten``. They add up to `total`.

        reasons: To how many people nothing is sent, by reason; those who are excluded are none of them.

        per_second: How many messages were done with each second over the last minute; None: nobody has looked.

        seconds_left: How long it takes at that rate; None: nobody knows, or nothing is left.
    """

    is_resolving: bool
    numbers: Mapping[str, int]
    reasons: Mapping[str, int]
    per_second: float | None = None
    seconds_left: float | None = None

    @property
    def total(self) -> int:
        """How many messages it has: one for each recipient and channel type."""
        return sum(self.numbers.values())

    @property
    def left(self) -> int:
        """How many are not done with."""
        return sum(self.numbers.get(state, 0) for state in (WAITING, *OPEN))

    @property
    def percent(self) -> float:
        """How much of it is done, from 0 to 100."""
        return 100 * (self.total - self.left) / self.total if self.total else 0.0

    @property
    def percents(self) -> dict[str, float]:
        """How much of it came to what, from 0 to 100."""
        return {name: 100 * number / self.total for name, number in self.numbers.items()} if self.total else {}


def progress(campaign: Campaign) -> Progress:
    """Return how far *campaign* is; who may see it may see that."""
    resolution = campaign.resolution
    if resolution is None or resolution.done_at is None:
        is_resolving = campaign.started_at is not None and campaign.finished_at is None
        return Progress(is_resolving, {}, {})
    counted = counts.of_batch(campaign.uuid, router.db_for_read(Campaign))
    total = resolution.numbers.get("", 0) * len(campaign.channels)
    rest = max(total - sum(counted.values()), 0)
    numbers: Counter[str] = Counter({str(state): number for state, number in counted.items()})
    if rest:
        numbers[_kind_of_rest(campaign)] += rest
    reasons = {name: number for name, number in resolution.numbers.items() if name not in ("", Member.EXCLUDED)}
    found = Progress(False, dict(numbers), reasons)
    per_second = _per_second(campaign)
    seconds_left = found.left / per_second if per_second and found.left else None
    return attrs.evolve(found, per_second=per_second, seconds_left=seconds_left)


def _kind_of_rest(campaign: Campaign) -> str:
    """Return what becomes of those of whom the outbox knows nothing."""
    if campaign.state in (State.SENDING, State.PAUSED) and campaign.expanded_at is None:
        return WAITING
    return STOPPED if campaign.expanded_at is None else FORGOTTEN


def _per_second(campaign: Campaign) -> float | None:
    if campaign.state != State.SENDING or len(campaign.samples) < 2:
        return None
    (since, before), (until, now) = campaign.samples[0], campaign.samples[-1]
    return float((now - before) / (until - since)) if until > since else None


@attrs.frozen
class Outcome:
    """
    What became of one recipient over one channel.

    Attributes:
        member: Primary key of the member; None: it was erased.

        person, address: As tables know them; see `edx_ace.outbox.people`.

        channel_type: Over which; empty: none, or nobody knows yet.

        state: As in `Progress.numbers`, or ``skipped`` with a reason of the campaign.

        code, reason: Why.

        at: When it came to that.

        attempts: How often it was tried.
    """

    member: int | None
    person: str
    address: str
    channel_type: str
    state: str
    code: str
    reason: str
    at: datetime | None
    attempts: int


@attrs.frozen
class Page:
    """
    Some recipients.

    Attributes:
        outcomes: What became of them.

        next: What to ask for those who follow with, as ``after``; empty: these are the last.
    """

    outcomes: list[Outcome]
    next: str


def outcomes(
    user: Any, campaign: Campaign, *, search: str = "", state: str = "", after: str = "", size: int = PAGE_SIZE
) -> Page:
    """
    Return what became of the recipients of *campaign*, a page at a time.

    Args:
        search: Only who has this address, or is this person, exactly.

        state: Only those with this one.

        after: `Page.next` of the page before.

        size: How many on a page.

    Raises:
        ForbiddenError: If the user may not see who the recipients are.
        CampaignError: If *after* is of no page.
    """
    require(user, Action.SEE_PEOPLE, campaign.scope, campaign)
    wanted = _is(search) if search else None
    if state == DeliveryState.SKIPPED and not after.startswith(_OF_DELIVERIES):
        # First those to whom nothing was to go, then those whose message was skipped.
        first = _page_of_members(campaign, wanted, ~Q(reason=""), _key(after), size)
        rest = size - len(first.outcomes)
        if first.next or not rest:
            return attrs.evolve(first, next=first.next or _OF_DELIVERIES)
        page = _page_of_deliveries(campaign, wanted, state, "", rest)
        return attrs.evolve(page, outcomes=first.outcomes + page.outcomes)
    if state in DeliveryState.values:
        after = after.removeprefix(_OF_DELIVERIES)
        return _page_of_deliveries(campaign, wanted, state, after, size)
    if state in (WAITING, STOPPED):
        page = _page_of_members(campaign, wanted, Q(reason=""), max(_key(after), campaign.expanded_to), size)
    else:
        page = _page_of_members(campaign, wanted, Q(), _key(after), size)
    return attrs.evolve(page, outcomes=[one for one in page.outcomes if state in ("", one.state)])


#: What `Page.next` begins with where members are followed by deliveries.
_OF_DELIVERIES = "d"


def _is(search: str) -> Q:
    """Return what matches the members who are the person, or have the address, that somebody looks for."""
    try:
        person = Person.find(search.strip())
    except InvalidMessageError:
        return Q(pk__in=())
    return Q(recipient__in=person.keys) | Q(address__in=[address for _, address in person.addresses])


def _key(after: str) -> int:
    return finding.key_of(after or "0")


def _page_of_members(campaign: Campaign, wanted: Q | None, which: Q, after: int, size: int) -> Page:
    chosen = which & ~Q(reason=Member.EXCLUDED)
    parts = (rows.filter(chosen).order_by("pk")[: size + 1] for rows in _members(campaign, wanted, after))
    found = list(islice(chain.from_iterable(parts), size + 1))
    return Page(_of_members(campaign, found[:size]), str(found[size - 1].pk) if len(found) > size else "")


def _members(campaign: Campaign, wanted: Q | None, after: int = 0) -> Iterable[QuerySet[Member]]:
    """Return the members of *campaign* after a primary key, all or those who are *wanted*, in parts."""
    # Before it has started it has none.
    using, resolution = router.db_for_read(Member), campaign.resolution_id or 0
    if wanted is None:
        return Member.ranges(resolution, RANGE_SIZE, using, after)
    # There is an index on who they are.
    return [Member.objects.using(using).filter(wanted, resolution=resolution, pk__gt=after)]


def _page_of_deliveries(campaign: Campaign, wanted: Q | None, state: str, after: str, size: int) -> Page:
    rows = Delivery.objects.filter(batch=campaign.uuid, state=state)
    if wanted is not None:
        uuids = [uuid_of(campaign, member.pk) for members in _members(campaign, wanted) for member in members]
        rows = rows.filter(payload__in=uuids)
    if state in (DeliveryState.CLAIMED, DeliveryState.HANDING):
        # The few that the index on leases has.
        rows = rows.filter(lease_until__isnull=False)
    if state in OPEN:
        rows = rows.order_by("pk").filter(pk__gt=_key(after))
    else:
        # In the order of the index on what has ended, the latest first.
        rows = rows.filter(finished_at__isnull=False).order_by("-finished_at", "-pk")
        if after:
            # Compared where it is: a time that was read may have more digits, or fewer, than the one that is stored.
            key = _key(after)
            until = Subquery(Delivery.objects.filter(pk=key).values("finished_at")[:1])
            before = Q(finished_at__lt=until) | Q(finished_at=until, pk__lt=key)
            rows = rows.filter(before, finished_at__lte=until)
    found = list(rows.select_related("payload")[: size + 1])
    following = str(found[size - 1].pk) if len(found) > size else ""
    prefix = _OF_DELIVERIES if following and state == DeliveryState.SKIPPED else ""
    return Page([_of_delivery(row) for row in found[:size]], f"{prefix}{following}")


def _of_members(campaign: Campaign, members: list[Member]) -> list[Outcome]:
    uuids = {uuid_of(campaign, member.pk): member for member in members if not member.reason}
    deliveries: dict[int, list[Delivery]] = {}
    for row in Delivery.objects.filter(payload__in=uuids, batch=campaign.uuid).order_by("pk"):
        deliveries.setdefault(uuids[row.payload_id].pk, []).append(row)
    rest = _kind_of_rest(campaign)
    found = []
    for member in members:
        of_member = deliveries.get(member.pk)
        if of_member:
            found += [_of_delivery(row, member.pk) for row in of_member]
        else:
            state = str(DeliveryState.SKIPPED) if member.reason else rest
            known = (member.recipient or "", member.address or "")
            found.append(Outcome(member.pk, *known, "", state, member.reason, "", None, 0))
    return found


def _of_delivery(row: Delivery, member: int | None = None) -> Outcome:
    if member is None and row.payload.content:
        # The reference by which its source finds it.
        member = int(json.loads(row.payload.content))
    return Outcome(
        member,
        row.recipient or "",
        row.address or "",
        row.channel_type,
        row.state,
        row.code,
        row.reason,
        row.finished_at,
        row.attempts,
    )


def engagement(campaign: Campaign) -> list[tuple[date, dict[str, int]]]:
    """
    Return how many messages of *campaign* were sent, opened, clicked and so on on each day (UTC), the first one first.

    Empty where ``edx_ace.tracking`` is not installed.
    """
    if not apps.is_installed("edx_ace.tracking"):
        return []
    from edx_ace.tracking import figures

    rows = figures.read(by=["day"], batches=[campaign.uuid])
    return [(row.group["day"], {str(measure): number for measure, number in row.numbers.items()}) for row in rows]


#: The columns of an export.
COLUMNS = ("person", "address", "channel_type", "state", "code", "reason", "at", "attempts")


def export(user: Any, campaign: Campaign, *, search: str = "", state: str = "") -> Iterator[str]:
    """
    Yield lines of CSV with what became of each recipient, however many there are; the first line names the columns.

    Args:
        search, state: As for `outcomes`.

    Raises:
        ForbiddenError: If the user may not see who the recipients are.
    """
    require(user, Action.SEE_PEOPLE, campaign.scope, campaign)
    note(campaign, user, "exported")
    return _lines(user, campaign, search, state)


def _lines(user: Any, campaign: Campaign, search: str, state: str) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield writer.writerow(COLUMNS)
    after = ""
    while True:
        page = outcomes(user, campaign, search=search, state=state, after=after, size=CHUNK_SIZE)
        for one in page.outcomes:
            at = "" if one.at is None else one.at.isoformat()
            cells = (one.person, one.address, one.channel_type, one.state, one.code, one.reason, at, one.attempts)
            yield writer.writerow(map(_cell, cells))
        after = page.next
        if not after:
            return


class _Line:
    """What `csv.writer` writes a line to, and returns."""

    def write(self, line: str) -> str:
        return line


def _cell(value: Any) -> str:
    """Return *value* as text that no spreadsheet takes for a formula."""
    text = str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
