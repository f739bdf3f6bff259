"""
Public: what somebody does with a campaign as a whole, from scheduling to cancelling it.

Each asks the host, moves the campaign by one conditional update on the state in which it was seen, and writes a line of
the audit trail in the same transaction. Of several who do so at once one succeeds; the others are told.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import Any

from django.db import router, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from edx_ace import outbox
from edx_ace.campaigns import editing, preflight
from edx_ace.campaigns.access import note, require
from edx_ace.campaigns.conf import settings
from edx_ace.campaigns.errors import ConflictError, ForbiddenError, Problem, RefusedError
from edx_ace.campaigns.host import Action, host
from edx_ace.campaigns.models import Campaign, Timing
from edx_ace.campaigns.states import EDITABLE, State
from edx_ace.campaigns.timing import due_at
from edx_ace.outbox import batches, counts, leases
from edx_ace.outbox.clock import DatabaseNow
from edx_ace.outbox.states import State as DeliveryState

#: How long `cancel` stops deliveries itself, in seconds; what is left then is done in the background.
CANCEL_SECONDS = 2

#: What whoever writes a campaign does to it, as the audit trail calls it.
_WRITING = ("created", "saved", "attached", "detached")


def schedule(user: Any, campaign: Campaign, *, version: int, accept: Collection[str] = ()) -> Campaign:
    """
    Let *campaign*, a draft, start at its time, and return it.

    Args:
        user: Who does; None: the system.

        version: The one that the user has seen.

        accept: Codes of the warnings that they have seen.

    Raises:
        ForbiddenError: If the user may not send it.
        ConflictError: If it is no draft, or has changed since.
        RefusedError: If something is wrong with it, or there are other warnings: its problems are these.
    """
    require(user, Action.SEND, campaign.scope, campaign)
    campaign.refresh_from_db()
    _check(campaign, [State.DRAFT], _("only a draft can be scheduled"), version)
    now = timezone.now()
    found = preflight.problems(campaign, now)
    if refused := [problem for problem in found if problem.is_error or problem.code not in accept]:
        raise RefusedError(refused)
    return move(
        user,
        campaign,
        "scheduled",
        State.SCHEDULED,
        only=Q(version=version),
        due_at=due_at(campaign, now),
        scheduled_by=user,
        code="",
        reason="",
    )


def unschedule(user: Any, campaign: Campaign) -> Campaign:
    """
    Make *campaign*, which is scheduled, a draft again, and return it.

    Raises:
        ForbiddenError: If the user may not send it.
        ConflictError: If it is not scheduled, or starts at this moment.
    """
    require(user, Action.SEND, campaign.scope, campaign)
    _check(campaign, [State.SCHEDULED], _("only what is scheduled can become a draft again"))
    return move(user, campaign, "unscheduled", State.DRAFT)


def reschedule(user: Any, campaign: Campaign, *, version: int, **when: Any) -> Campaign:
    """
    Let *campaign*, which is scheduled, start at another time, and return it; that it was approved stays.

    Args:
        version: The one that the user has seen.

        when: Of `edx_ace.campaigns.editing.TIME_FIELDS`, as for `edx_ace.campaigns.save`.

    Raises:
        ForbiddenError: If the user may not send it.
        ConflictError: If it is not scheduled, or has changed since.
        RefusedError: If it cannot start then.
    """
    require(user, Action.SEND, campaign.scope, campaign)
    _check(campaign, [State.SCHEDULED], _("only what is scheduled can be put to another time"))
    if unknown := sorted(when.keys() - set(editing.TIME_FIELDS)):
        raise TypeError(f"Expected {', '.join(editing.TIME_FIELDS)}, given {', '.join(unknown)}.")
    with transaction.atomic(router.db_for_write(Campaign)):
        saved = editing.save(user, campaign, version=version, **when)
        approved = Campaign.objects.filter(pk=saved.pk, approved_version=version, version=saved.version)
        approved.update(approved_version=saved.version)
    saved.refresh_from_db()
    return saved


def start_now(user: Any, campaign: Campaign) -> Campaign:
    """
    Let *campaign*, which is scheduled, start at once, and return it.

    Raises:
        ForbiddenError: If the user may not send it.
        ConflictError: If it is not scheduled.
    """
    require(user, Action.SEND, campaign.scope, campaign)
    _check(campaign, [State.SCHEDULED], _("only what is scheduled can be started"))
    with transaction.atomic(router.db_for_write(Campaign)):
        scheduled = Campaign.objects.filter(pk=campaign.pk, state=State.SCHEDULED)
        if not scheduled.update(due_at=DatabaseNow(), timing=Timing.NOW):
            raise _lost(campaign)
        note(campaign, user, "hurried")
    campaign.refresh_from_db()
    return campaign


def pause(user: Any, campaign: Campaign, why: str = "", *, code: str = "by_hand") -> Campaign:
    """
    Let nothing more of *campaign* go until it is resumed, and return it; what is being handed over goes.

    Args:
        why: A sentence for people.

        code: The same, short and stable.

    Raises:
        ForbiddenError: If the user may not send it.
        ConflictError: If it is not being sent.
    """
    require(user, Action.SEND, campaign.scope, campaign)
    _check(campaign, [State.SENDING], _("only what is being sent can be paused"))
    return halt(user, campaign, code, why)


def halt(user: Any, campaign: Campaign, code: str, why: str, *, only: Q | None = None) -> Campaign:
    """Pause *campaign*, which is being sent and *only* matches."""
    move(
        user, campaign, "paused", State.PAUSED, why, only=only, code=code, reason=why, is_put_off=True,
        due_at=DatabaseNow(),
    )  # fmt: skip
    # What a worker has got ready waits for its permit, which may be on its way.
    transaction.on_commit(lambda: batches.withdraw(campaign.uuid), router.db_for_write(Campaign), robust=True)
    return campaign


def resume(user: Any, campaign: Campaign) -> Campaign:
    """
    Go on with *campaign*, which is paused, and return it.

    Limits that paused it go by what happens from now on.

    Raises:
        ForbiddenError: If the user may not send it.
        ConflictError: If it is not paused.
        RefusedError: If a second person has to approve it first.
    """
    require(user, Action.SEND, campaign.scope, campaign)
    _check(campaign, [State.PAUSED], _("only what is paused can be resumed"))
    campaign.refresh_from_db()
    if campaign.resolution is not None and needs_approval(campaign, campaign.resolution.numbers.get("", 0)):
        raise RefusedError([Problem(preflight.NEEDS_APPROVAL, _("A second person has to approve it."))])
    return move(
        user,
        campaign,
        "resumed",
        State.SENDING,
        code="",
        reason="",
        claims=0,
        resumed_at=DatabaseNow(),
        due_at=DatabaseNow(),
        baseline=dict(counts.of_batch(campaign.uuid, router.db_for_write(Campaign))),
    )


def cancel(user: Any, campaign: Campaign, why: str = "") -> outbox.Cancelled:
    """
    Stop *campaign* for good; from then on nothing more of it is handed over.

    Returns:
        How many deliveries are stopped, of which the last may be marked a while later, and how many are being handed
        over at this moment: they may arrive, and are not repeated.

    Raises:
        ForbiddenError: If the user may not send it.
        ConflictError: If it is a draft, or has ended.
    """
    require(user, Action.SEND, campaign.scope, campaign)
    _check(campaign, [State.SCHEDULED, State.SENDING, State.PAUSED], _("there is nothing to cancel"))
    if campaign.state == State.SCHEDULED:
        move(user, campaign, "cancelled", State.CANCELLED, why, reason=why, finished_at=DatabaseNow())
        return outbox.Cancelled(0, 0)
    using = router.db_for_write(Campaign)
    before = counts.of_batch(campaign.uuid, using)[DeliveryState.CANCELLED]
    move(user, campaign, "cancelled", State.CANCELLED, why, code="", reason=why, due_at=DatabaseNow())
    ends_at = time.monotonic() + CANCEL_SECONDS
    stopped, _is_all = batches.cancel_parts(campaign.uuid, lambda: time.monotonic() < ends_at)
    now = counts.of_batch(campaign.uuid, using)
    will_not_go = (DeliveryState.CANCELLED, DeliveryState.QUEUED, DeliveryState.CLAIMED)
    return outbox.Cancelled(sum(now[state] for state in will_not_go) - before, stopped.in_flight)


def approve(user: Any, campaign: Campaign, *, version: int) -> Campaign:
    """
    Say, as a second person, that *campaign* may be sent as it is in *version*, and return it.

    Raises:
        ForbiddenError: If the user may not approve it, or has written some of it.
        ConflictError: If it has changed since, or has ended.
    """
    require(user, Action.APPROVE, campaign.scope, campaign)
    if user is None:
        raise ForbiddenError(_("Only a person can approve a campaign."))
    if has_written(user, campaign):
        raise ForbiddenError(_("Somebody who has not written it has to approve it."))
    campaign.refresh_from_db()
    waiting = (*EDITABLE, State.PAUSED)
    _check(campaign, waiting, _("there is nothing to approve"), version)
    with transaction.atomic(router.db_for_write(Campaign)):
        seen = Campaign.objects.filter(pk=campaign.pk, version=version, state__in=waiting)
        if not seen.update(approved_version=version, approved_by=user, approved_at=DatabaseNow()):
            raise _lost(campaign)
        note(campaign, user, "approved", why=_("version %(version)d") % {"version": version})
    campaign.refresh_from_db()
    return campaign


def has_written(user: Any, campaign: Campaign) -> bool:
    """Return whether *user* has written some of *campaign*: then somebody else has to approve it."""
    written = campaign.entries.filter(who=user.get_username()[:150], action__in=_WRITING)
    return bool(user.pk == campaign.author_id or written.exists())


def follow_up(user: Any, campaign: Campaign, whom: str, *, idempotency_key: str | None = None) -> Campaign:
    """
    Make a draft with the content of *campaign*, which has started, and return it.

    Args:
        whom: Who it goes to: ``"failed"``, those whom it could not be sent to, or ``"joined"``, those who belong to
            its audiences by now and whom it did not go to.

        idempotency_key: As for `edx_ace.campaigns.create`.

    Raises:
        ForbiddenError: If the user may not see it, or not write in its scope.
        ConflictError: If it has not started.
    """
    require(user, Action.VIEW, campaign.scope, campaign)
    _check(campaign, [one for one in State if one not in EDITABLE], _("it has not been sent to anybody yet"))
    earlier = {"params": {"campaign": campaign.pk}}
    parts: list[dict[str, Any]]
    if whom == "failed":
        name, parts = _("%(name)s: those that failed"), [{"audience": "failed_of", **earlier}]
    elif whom == "joined":
        own = campaign.parts.values("audience", "params", "is_excluded")
        name, parts = (
            _("%(name)s: those who joined since"),
            [*map(dict, own), {"audience": "members_of", "is_excluded": True, **earlier}],
        )
    else:
        raise ValueError(f"whom must be 'failed' or 'joined', given {whom!r}.")
    fields = {"parts": parts, "name": (name % {"name": campaign.name})[:200]}
    return editing.duplicate(user, campaign, idempotency_key=idempotency_key, **fields)


def needs_approval(campaign: Campaign, number: int) -> bool:
    """Return whether somebody has yet to approve *campaign* as it is, which goes to *number* people."""
    most = settings.CAMPAIGN_APPROVAL_SIZE
    is_needed = (most is not None and number > most) or host().needs_approval(campaign)
    return is_needed and campaign.approved_version != campaign.version


def move(
    user: Any, campaign: Campaign, action: str, to_state: State, why: str = "", *, only: Q | None = None, **changes: Any
) -> Campaign:
    """
    Move *campaign* on from the state in which it was seen, with *changes*, and write that down; return it.

    Raises:
        ConflictError: If it is in another one by now, or *only* does not match it.
    """
    from_state = campaign.state
    with transaction.atomic(router.db_for_write(Campaign)):
        if not leases.take(campaign, to_state, only=only, **changes):
            raise _lost(campaign)
        note(campaign, user, action, from_state=from_state, to_state=to_state, why=why)
    campaign.refresh_from_db()
    return campaign


def _check(campaign: Campaign, leaving: Sequence[str], why: str, version: int | None = None) -> None:
    if campaign.state not in leaving:
        state = campaign.get_state_display()
        raise ConflictError(_("This campaign is %(state)s: %(why)s.") % {"state": state, "why": why})
    if version is not None and version != campaign.version:
        raise ConflictError(
            _("Somebody has changed this campaign since: it has version %(now)d, and you have seen %(seen)s.")
            % {"now": campaign.version, "seen": version}
        )


def _lost(campaign: Campaign) -> ConflictError:
    """Return the error of whoever was overtaken, which names both states."""
    now = Campaign.objects.filter(pk=campaign.pk).first()
    if now is None:
        return ConflictError(_("This campaign has been deleted."))
    return ConflictError(
        _(
            "Somebody was quicker: this campaign was %(seen)s when you looked, and is %(now)s by now, in version "
            "%(version)d."
        )
        % {"seen": campaign.get_state_display(), "now": now.get_state_display(), "version": now.version}
    )
