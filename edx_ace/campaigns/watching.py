"""
Internal: whether what came of a campaign so far is a reason to pause it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import attrs
from django.db import router

# Looked up on the package at each call, as everywhere: tests replace it there.
import edx_ace.channel as channels
from edx_ace.campaigns.conf import settings
from edx_ace.campaigns.models import Campaign
from edx_ace.channel import ChannelType
from edx_ace.outbox import State, circuits
from edx_ace.outbox.clock import database_now
from edx_ace.outbox.models import Delivery
from edx_ace.outbox.states import ACCEPTED

#: Codes by which a channel says that it does not take the site's credentials: waiting does not help.
CREDENTIALS = frozenset(["smtp_530", "smtp_534", "smtp_535", "smtp_538", "http_401", "http_403", "credentials"])

_SHARES = {
    "bounced": (State.BOUNCED, "of what was sent bounced"),
    "complained": (State.COMPLAINED, "of what was sent was reported as unwanted"),
    "failed": (State.FAILED, "could not be sent"),
}


@attrs.frozen
class Trouble:
    """
    Why a campaign has to pause.

    Attributes:
        code: Short and stable.

        reason: A sentence for people.
    """

    code: str
    reason: str


def trouble(campaign: Campaign, counted: Mapping[str, int]) -> Trouble | None:
    """
    Return why *campaign*, which is being sent, has to pause; None: it need not.

    Args:
        counted: How many of its deliveries are in each state.
    """
    limits = settings.CAMPAIGN_LIMITS
    return (
        _refused_credentials(campaign)
        or _too_large_a_share(campaign, counted, limits.get("of", 1))
        or _too_many_in_a_row(campaign, counted, limits.get("in_a_row"))
    )


def trouble_of_first(campaign: Campaign, counted: Mapping[str, int]) -> Trouble | None:
    """Return why the others must not follow the first recipients of *campaign*, however few; None: they may."""
    return _too_large_a_share(campaign, counted, 1)


def _refused_credentials(campaign: Campaign) -> Trouble | None:
    registered = channels.channels().channel_type_to_channel_impl
    names = {name for one in campaign.channels for name in registered.get(ChannelType(one), ())}
    for circuit in circuits().filter(channel__in=names, code__in=CREDENTIALS):
        # When it failed last; while it is being tried once more, that is still to come.
        failed_at = circuit.probe_at - circuit.pause
        since = campaign.resumed_at or campaign.started_at
        if (since is None or since < failed_at) and failed_at <= database_now(Campaign, router.db_for_read(Campaign)):
            return Trouble("credentials", f"The channel {circuit.channel} cannot be used: {circuit.reason}")
    return None


def _too_large_a_share(campaign: Campaign, counted: Mapping[str, int], at_least: int) -> Trouble | None:
    since = {name: _number(name, counted) - _number(name, campaign.baseline) for name in ("sent", *_SHARES)}
    for name, (_, text) in _SHARES.items():
        of = since["sent"] + (since["failed"] if name == "failed" else 0)
        limit = settings.CAMPAIGN_LIMITS.get(name)
        if limit is not None and since["sent"] + since["failed"] >= at_least and since[name] > limit * of:
            share = since[name] / max(of, 1)
            return Trouble(name, f"{since[name]} of {of} messages ({share:.1%}) {text}; the limit is {limit:.1%}.")
    return None


def _number(name: str, counted: Mapping[str, int]) -> int:
    """Return how many of *counted* were sent, or are in the state called *name*."""
    states = ACCEPTED if name == "sent" else (_SHARES[name][0],)
    return sum(Counter(counted)[state] for state in states)


def _too_many_in_a_row(campaign: Campaign, counted: Mapping[str, int], most: int | None) -> Trouble | None:
    if most is None or _number("failed", counted) < most:
        return None
    # What failed after the last that was sent: state by state, as the index on what has ended is read from its end.
    rows = Delivery.objects.filter(batch=campaign.uuid, finished_at__gte=campaign.resumed_at or campaign.started_at)
    rows = rows.order_by("-finished_at")
    latest = rows.filter(state=State.FAILED)
    for state in ACCEPTED:
        sent = rows.filter(state=state).values_list("finished_at", flat=True).first()
        if sent is not None:
            latest = latest.filter(finished_at__gt=sent)
    if len(latest.values_list("pk", flat=True)[:most]) < most:
        return None
    last = latest.only("reason")[0]
    return Trouble("errors", f"The last {most} messages could not be sent, the latest because: {last.reason}")
