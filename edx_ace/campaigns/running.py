"""
Internal: what the sweep of every worker does for campaigns: start those that are due, go on with them, watch, finish.

A worker claims a campaign for a slice of time; of several that sweep at once one gets it. It finds recipients, puts
them into the outbox, looks what came of those that were sent to, and lets the campaign go. Where it dies, its lease
runs out and another goes on. Each change goes by the fencing number: whoever lost the campaign changes nothing.
"""

from __future__ import annotations

import logging
import random
import time
from collections import Counter
from datetime import timedelta
from typing import Any

from django.db import InterfaceError, OperationalError, router, transaction
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from edx_ace.campaigns import audiences, forecasting, pausing, timing
from edx_ace.campaigns.access import note, require
from edx_ace.campaigns.errors import CampaignError, ConflictError, ForbiddenError, RefusedError
from edx_ace.campaigns.expanding import expand
from edx_ace.campaigns.host import Action, host
from edx_ace.campaigns.models import Campaign, Resolution, Timing
from edx_ace.campaigns.operations import halt, move, needs_approval
from edx_ace.campaigns.resolving import resolve
from edx_ace.campaigns.states import State
from edx_ace.campaigns.watching import Trouble, trouble, trouble_of_first
from edx_ace.outbox import batches, chores, counts, leases
from edx_ace.outbox.clock import DatabaseNow, database_now, from_now
from edx_ace.outbox.states import OPEN
from edx_ace.report import code_of, reason_of

LOG = logging.getLogger(__name__)

#: For how long a worker has a campaign without a sign of progress.
LEASE = timedelta(minutes=2)

#: How long one call of `tick` works on all campaigns, in seconds: the worker delivers nothing meanwhile.
SLICE_SECONDS = 2.0

#: How many campaigns one call starts.
_START_LIMIT = 10

#: After how many slices that failed, or whose worker ended, a campaign pauses.
MAX_CLAIMS = 5

#: When a campaign is looked at again that failed.
_BACK_OFF = timedelta(seconds=30)

#: Over how long the rate is measured, in seconds.
RATE_SECONDS = 60

#: What is looked at again and again until nothing is left to do.
_UNDER_WAY = (State.SENDING, State.PAUSED, State.CANCELLED)


def tick() -> str | None:
    """Do a part of what there is to do for campaigns; a chore of the sweep."""
    begun_at = time.monotonic()
    _follow_dates()
    started = _start_due()
    waiting = list(_waiting().values_list("pk", flat=True))
    # Not all workers begin with the same.
    random.shuffle(waiting)
    seconds = SLICE_SECONDS / max(len(started) + len(waiting), 1)
    is_left = False
    for campaign in started:
        is_left |= _work(campaign, seconds)
    for key in waiting:
        for campaign in _take_over(key):
            is_left |= _work(campaign, seconds)
    # With what time is left, but always with some.
    over_at = max(begun_at + SLICE_SECONDS, time.monotonic() + SLICE_SECONDS / 4)
    is_left |= forecasting.go_on(lambda: time.monotonic() < over_at)
    return chores.AGAIN if is_left else None


class _Over(Exception):
    """A worker has nothing more to do with a campaign: it ended, is paused, or is somebody else's."""


class _Slice:
    """
    Says whether the worker that has *campaign* may go on with it: whether there is time left.

    Raises:
        _Over: If it is not this worker's any more: paused, cancelled or taken over.
    """

    def __init__(self, campaign: Campaign, seconds: float) -> None:
        self._campaign = campaign
        self._ends_at = time.monotonic() + seconds

    @property
    def is_over(self) -> bool:
        """Whether its time is."""
        return time.monotonic() >= self._ends_at

    def __call__(self) -> bool:
        # Also when its time is over: what cannot be gone on with from there goes on, if it is still this worker's.
        if not _hold(self._campaign, lease_until=from_now(LEASE)):
            raise _Over
        return not self.is_over


def _hold(campaign: Campaign, **changes: Any) -> bool:
    """Change *campaign* if it is still this worker's, and return whether it is."""
    own = Campaign.objects.filter(pk=campaign.pk, state=campaign.state, fence=campaign.fence)
    return bool(own.update(**changes))


def _follow_dates() -> None:
    """Move what is scheduled by a date of its scope to where that date is by now."""
    now = database_now(Campaign, router.db_for_write(Campaign))
    for campaign in Campaign.objects.filter(
        state=State.SCHEDULED, finished_at__isnull=True, timing=Timing.RELATIVE
    ).iterator():
        try:
            moved = timing.starts_at(campaign, now)
        except RefusedError:
            # Said when it is to start: until then the date may be back.
            continue
        except Exception:
            LOG.exception("The date of campaign %s cannot be asked for; it keeps its time.", campaign.uuid)
            continue
        if moved != campaign.due_at:
            with transaction.atomic(router.db_for_write(Campaign)):
                if _hold(campaign, due_at=moved):
                    why = _("%(before)s to %(after)s") % {"before": campaign.due_at, "after": moved}
                    note(campaign, None, "moved", why=why)


def _start_due() -> list[Campaign]:
    """Claim what is due; of all workers one gets each."""
    with transaction.atomic(router.db_for_write(Campaign)):
        started = leases.claim(Campaign.objects.filter(finished_at__isnull=True), _START_LIMIT, LEASE)
        for campaign in started:
            note(campaign, None, "started", from_state=State.SCHEDULED, to_state=State.SENDING)
    return started


def _waiting() -> QuerySet[Campaign]:
    is_free = Q(lease_until__isnull=True) | Q(lease_until__lte=DatabaseNow())
    return Campaign.objects.filter(is_free, state__in=_UNDER_WAY, finished_at__isnull=True, due_at__lte=DatabaseNow())


def _take_over(key: int) -> list[Campaign]:
    """Claim the campaign with that primary key, if it waits; return it, or nothing."""
    for state in _UNDER_WAY:
        lease: dict[str, Any] = {"lease_until": from_now(LEASE), "fence": F("fence") + 1, "claims": F("claims") + 1}
        if taken := leases.seize(_waiting().filter(pk=key), 1, state, state, **lease):
            return taken
    return []


def _work(campaign: Campaign, seconds: float) -> bool:
    """Go on with *campaign* and let it go; return whether it has more to do at once."""
    own = _Slice(campaign, seconds)
    work = {State.SENDING: _send, State.PAUSED: _put_off, State.CANCELLED: _stop}[State(campaign.state)]
    try:
        changes = work(campaign, own)
        _hold(campaign, lease_until=None, claims=0, **changes)
    except (_Over, ConflictError):
        # It is moved on, by this worker or, meanwhile, by somebody else.
        return False
    except (OperationalError, InterfaceError) as error:
        LOG.info("Campaign %s is gone on with later: %s", campaign.uuid, type(error).__name__)
        return False
    except Exception as error:
        _stumble(campaign, error)
        return False
    return own.is_over


def _send(campaign: Campaign, own: _Slice) -> dict[str, Any]:
    """Begin or go on with what is being sent; return what to change about it in the end."""
    if campaign.claims > MAX_CLAIMS:
        _pause(campaign, Trouble("cannot_go_on", _("Workers that went on with it ended again and again.")))
    if campaign.resolution is None:
        _begin(campaign)
    assert campaign.resolution is not None
    if campaign.resolution.done_at is None and not resolve(campaign.resolution, own):
        return {}
    number = campaign.resolution.numbers.get("", 0)
    if not campaign.expanded and needs_approval(campaign, number):
        why = ngettext(
            "A second person has to approve it: it has %(number)d recipient.",
            "A second person has to approve it: it has %(number)d recipients.",
            number,
        )
        _pause(campaign, Trouble("needs_approval", why % {"number": number}))
    counted = _counted(campaign)
    if found := trouble(campaign, counted):
        _pause(campaign, found)
    changes: dict[str, Any] = {}
    if campaign.is_put_off and pausing.bring_back(campaign, own):
        changes["is_put_off"] = False
    _judge_first(campaign, counted)
    if expand(campaign, own):
        counted = _counted(campaign)
        if not _is_open(counted):
            code, reason = ("", "") if number else ("nobody", _("Nobody belongs to its audiences who could get it."))
            _end(campaign, State.SENT, "finished", code, reason)
    return {**changes, "samples": _samples(campaign, counted)}


def _put_off(campaign: Campaign, own: _Slice) -> dict[str, Any]:
    """Put off what is due of a paused campaign; when everything is, look again after a while."""
    return {"due_at": from_now(pausing.LOOK_AGAIN)} if pausing.put_off(campaign, own) else {}


def _stop(campaign: Campaign, own: _Slice) -> dict[str, Any]:
    """Stop what is left of a cancelled campaign."""
    _cancelled, is_all = batches.cancel_parts(campaign.uuid, own)
    return {"finished_at": DatabaseNow()} if is_all and not _is_open(_counted(campaign)) else {}


def _begin(campaign: Campaign) -> None:
    """
    Ask again whether *campaign* may be sent, and let its recipients be found from now on.

    Raises:
        CampaignError: If it may not be sent.
    """
    for user, action, did in (
        (campaign.author, Action.WRITE, "created"),
        (campaign.scheduled_by, Action.SEND, "scheduled"),
    ):
        who = campaign.entries.filter(action=did).values_list("who", flat=True).last()
        if user is None and who:
            raise CampaignError(
                _("%(who)s, who is responsible for it, has no account any more.") % {"who": who},
                code="nobody_responsible",
            )
        try:
            require(user, action, campaign.scope, campaign)
        except ForbiddenError as error:
            raise CampaignError(
                _("%(who)s may not do this any more (%(action)s).") % {"who": user, "action": action.label},
                code="forbidden",
            ) from error
    for part in campaign.parts.all():
        if not audiences.get(part.audience).is_offered(campaign.scope, campaign.author):
            raise CampaignError(
                _("The audience “%(name)s” is not offered to %(who)s any more.")
                % {"name": part.audience, "who": campaign.author or _("anybody")},
                code="audience_not_offered",
            )
    if campaign.timing == Timing.RELATIVE:
        # Refused if that date is gone.
        timing.starts_at(campaign, campaign.due_at)
    with transaction.atomic(router.db_for_write(Campaign)):
        resolution = Resolution.objects.create(campaign=campaign, version=campaign.version)
        if not _hold(campaign, resolution=resolution, started_at=DatabaseNow()):
            raise _Over
    campaign.refresh_from_db()


def _judge_first(campaign: Campaign, counted: Counter[str]) -> None:
    """Let the others follow the first recipients, once these were sent to and some time has shown what came of it."""
    if not campaign.canary or campaign.is_canary_fine or campaign.canary_at is None:
        return
    waits_until = campaign.canary_at + timedelta(minutes=campaign.canary_minutes)
    if _is_open(counted) or database_now(Campaign, router.db_for_write(Campaign)) < waits_until:
        return
    if found := trouble_of_first(campaign, counted):
        _pause(campaign, found)
    with transaction.atomic(router.db_for_write(Campaign)):
        if _hold(campaign, is_canary_fine=True):
            campaign.is_canary_fine = True
            note(campaign, None, "released", why=_("The first %(number)d went well.") % {"number": campaign.canary})


def _pause(campaign: Campaign, found: Trouble) -> None:
    """
    Pause *campaign* and tell its author.

    Raises:
        _Over: Always.
    """
    halt(None, campaign, found.code, found.reason, only=Q(fence=campaign.fence))
    LOG.warning("Campaign %s is paused (%s): %s", campaign.uuid, found.code, found.reason)
    _notify(campaign, _("“%(name)s” is paused") % {"name": campaign.name})
    raise _Over


def _end(campaign: Campaign, state: State, action: str, code: str, reason: str) -> None:
    """
    Let *campaign* end in *state*.

    Raises:
        _Over: Always.
    """
    own = Q(fence=campaign.fence)
    move(None, campaign, action, state, reason, only=own, code=code, reason=reason, finished_at=DatabaseNow())
    raise _Over


def _stumble(campaign: Campaign, error: Exception) -> None:
    """Let *campaign*, with which this worker could not go on, end, pause, or be tried again."""
    code, reason = code_of(error), reason_of(error)
    LOG.exception("Campaign %s cannot be gone on with.", campaign.uuid, exc_info=error)
    try:
        if isinstance(error, CampaignError) and campaign.state == State.SENDING and not campaign.expanded:
            own = Q(fence=campaign.fence)
            move(
                None,
                campaign,
                "failed",
                State.FAILED,
                reason,
                only=own,
                code=code,
                reason=reason,
                finished_at=DatabaseNow(),
            )
            _notify(campaign, _("“%(name)s” could not be sent") % {"name": campaign.name})
        elif campaign.state == State.SENDING and campaign.claims >= MAX_CLAIMS:
            _pause(campaign, Trouble(code, reason))
        else:
            _hold(campaign, lease_until=None, due_at=from_now(_BACK_OFF))
    except (_Over, ConflictError):
        pass


def _notify(campaign: Campaign, subject: str) -> None:
    def tell() -> None:
        try:
            host().notify(campaign, subject, campaign.reason)
        except Exception:
            LOG.exception("The author of campaign %s could not be told that %s.", campaign.uuid, subject)

    transaction.on_commit(tell, router.db_for_write(Campaign))


def _counted(campaign: Campaign) -> Counter[str]:
    return counts.of_batch(campaign.uuid, router.db_for_write(Campaign))


def _is_open(counted: Counter[str]) -> bool:
    return any(counted[state] for state in OPEN)


def _samples(campaign: Campaign, counted: Counter[str]) -> list[list[float]]:
    """Return how many deliveries were done with at which second, of the last minute and now."""
    now = time.time()
    done = sum(number for state, number in counted.items() if state not in OPEN)
    return [*(one for one in campaign.samples if one[0] > now - RATE_SECONDS), [now, done]]
