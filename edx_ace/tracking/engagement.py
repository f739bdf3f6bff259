"""
Internal: opens and clicks: whether a person or a program made them, and which of them figures have.

Mail programs load pictures before anybody reads, and filters of companies follow every link. A request that says so
itself (its method, its headers, the name of its program) is marked when it comes, and nothing of it is kept. What only
the moment gives away is marked a little later, when the sweep counts: within seconds after the message was sent, or
many links at once. The first open and the first click of a message by a person, and the first of each by a machine, go
into the figures; all are kept as rows for a time.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from uuid import UUID

from django.db import router, transaction
from django.http import HttpRequest

from edx_ace.channel import ChannelType
from edx_ace.errors import BadTokenError
from edx_ace.outbox.clock import DatabaseNow, from_now
from edx_ace.outbox.models import Delivery
from edx_ace.tokens import unseal
from edx_ace.tracking import figures
from edx_ace.tracking.figures import Measure
from edx_ace.tracking.links import CLICK, OPEN, is_target
from edx_ace.tracking.models import Engagement, EngagementKind, Link

#: Within how many seconds after a message was sent nobody has read it yet.
TOO_SOON = timedelta(seconds=5)

#: How many links of one message within which time nobody follows by hand.
MANY_LINKS = 3
AT_ONCE = timedelta(seconds=2)

#: How long an event is left to see what comes right after it.
SETTLING = timedelta(seconds=15)

#: Programs that load pictures or follow links for nobody, by what they call themselves. Google's and Yahoo's proxies
#: are not among them: they load when somebody reads. Apple's, which load when a mail arrives, say "Mozilla/5.0" alone.
_MACHINE = re.compile(
    r"(?:\s*|mozilla/5\.0)\Z"
    r"|.*(?:bot\b|bot/|crawl|spider|slurp|scan|prefetch|preview|monitor|headless|phantom|curl|wget|http-?client|okhttp"
    r"|python|java/|libwww|perl|ruby|go-http|axios|node-fetch|postman|proofpoint|barracuda|mimecast|safelinks|urldefense"
    r"|symantec|trendmicro|fireeye|cloudmark|mailscanner|antivirus|virustotal|microsoft office existence"
    r"|bingpreview|skypeuripreview|facebookexternalhit|whatsapp|telegram|slack|discord)",
    re.I | re.S,
)
_PURPOSE_HEADERS = ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")
_AHEAD = re.compile("prefetch|preview|prerender|instant", re.I)


def target_of(token: str) -> tuple[UUID, Link]:
    """
    Return the message that *token*, of a link, was made for, and the link.

    Raises:
        BadTokenError: If it is no such token, or the target is not kept any more.
    """
    message, uuid = _parts(CLICK, token, 2)
    link = Link.objects.filter(pk=uuid).first()
    if link is None or not is_target(link.target):
        raise BadTokenError
    return message, link


def message_of(token: str) -> UUID:
    """
    Return the message that *token*, of a pixel, was made for.

    Raises:
        BadTokenError: If it is no such token.
    """
    return _parts(OPEN, token, 1)[0]


def record(message: UUID, link: Link | None, *, is_machine: bool) -> None:
    """Keep that *message* was opened or, with *link*, clicked: one INSERT."""
    kind = EngagementKind.OPEN if link is None else EngagementKind.CLICK
    Engagement.objects.create(
        message=message, kind=kind, link=None if link is None else link.uuid, at=DatabaseNow(), is_machine=is_machine
    )


def is_by_machine(request: HttpRequest) -> bool:
    """Return whether *request* says that no person is behind it."""
    headers = request.headers
    return (
        request.method != "GET"
        or any(_AHEAD.search(headers.get(name, "")) for name in _PURPOSE_HEADERS)
        or bool(_MACHINE.match(headers.get("User-Agent", "")))
    )


def count(limit: int = 500) -> int:
    """
    Let figures have up to *limit* events that are new and have settled; return how many these were.

    A chore of the sweep. Of several at once, one waits for the other, so that only one of them sees a first event.
    """
    using = router.db_for_write(Engagement)
    events = Engagement.objects.using(using)
    with transaction.atomic(using):
        settled = events.filter(is_counted=False, at__lte=from_now(-SETTLING)).order_by("pk")
        new = list(settled.select_for_update()[:limit])
        if not new:
            return 0
        messages = {event.message for event in new}
        around: defaultdict[UUID, list[Engagement]] = defaultdict(list)
        for event in events.filter(message__in=messages).order_by("at"):
            around[event.message].append(event)
        deliveries = _deliveries(messages, using)
        counted = {_kind(event) for group in around.values() for event in group if event.is_counted}
        firsts = []
        for event in new:
            delivery = deliveries.get(event.message)
            event.is_machine = event.is_machine or _gives_itself_away(event, around[event.message], delivery)
            event.is_counted = True
            if _kind(event) not in counted and delivery is not None:
                firsts.append((event.at.date(), delivery, _MEASURES[event.kind, event.is_machine]))
                event.person = None if event.is_machine else delivery.recipient
            counted.add(_kind(event))
        events.bulk_update(new, ["is_machine", "is_counted", "person"])
        figures.append(firsts, using)
    return len(new)


_MEASURES: Mapping[tuple[str, bool], Measure] = {
    (EngagementKind.OPEN, False): Measure.OPENED,
    (EngagementKind.OPEN, True): Measure.OPENED_BY_MACHINE,
    (EngagementKind.CLICK, False): Measure.CLICKED,
    (EngagementKind.CLICK, True): Measure.CLICKED_BY_MACHINE,
}


def _parts(purpose: str, token: str, number: int) -> list[UUID]:
    parts = unseal(purpose, token)
    try:
        uuids = [UUID(part) for part in parts]
    except ValueError:
        raise BadTokenError from None
    if len(uuids) != number:
        raise BadTokenError
    return uuids


def _deliveries(messages: Collection[UUID], using: str) -> dict[UUID, Delivery]:
    rows = Delivery.objects.using(using).filter(payload__in=messages, channel_type=str(ChannelType.EMAIL))
    needed = ("batch", "recipient", "category", "channel_type", "finished_at", "payload__message_type")
    return {row.payload_id: row for row in rows.select_related("payload").only(*needed)}


def _kind(event: Engagement) -> tuple[UUID, str, bool]:
    return event.message, event.kind, event.is_machine


def _gives_itself_away(event: Engagement, around: Iterable[Engagement], delivery: Delivery | None) -> bool:
    """Return whether no person can have made *event*, by its moment."""
    sent_at = None if delivery is None else delivery.finished_at
    if sent_at is not None and event.at < sent_at + TOO_SOON:
        return True
    clicks = [one for one in around if one.link is not None and abs(one.at - event.at) <= AT_ONCE]
    return len({one.link for one in clicks}) >= MANY_LINKS
