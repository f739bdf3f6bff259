"""
Public: the policy ``digest``, which holds what a person takes once a day or a week, and the digests themselves.

What is held waits in the outbox under a code of its own. When its time has come, the policy puts one message for the
person into the outbox; when that is loaded, it folds what is held and says what that says. What it does not find, as
another worker has it at that moment, comes due again within the hour.
"""

from __future__ import annotations

import html
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import time, timedelta
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5
from zoneinfo import ZoneInfo

import attrs
from django.db import router, transaction
from django.db.models import Case, F, Q, Value, When
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from edx_ace import categories, presentation
from edx_ace.channel import ChannelType, get_channel_for_message
from edx_ace.conf import settings as core_settings
from edx_ace.content.plain_text import text_of
from edx_ace.message import Message
from edx_ace.outbox import FromSource, Priority, State, cancel, enqueue, leases, loading, reconsider
from edx_ace.outbox.clock import DatabaseNow, from_now
from edx_ace.outbox.conf import settings as outbox_settings
from edx_ace.outbox.errors import SourceError
from edx_ace.outbox.guards import guards
from edx_ace.outbox.models import Delivery
from edx_ace.outbox.redaction import redacted, redacted_code
from edx_ace.outbox.sources import Source
from edx_ace.policy import AllowedChannels, Policy, PolicyResult, Verdict, decisions_of
from edx_ace.preferences.choices import DIGESTS, HELD, chosen_by, effective
from edx_ace.preferences.conf import settings
from edx_ace.preferences.lookup import NOTHING, Asked, asked_about, digests_are_made
from edx_ace.preferences.message_types import Digest
from edx_ace.preferences.models import Taking
from edx_ace.preferences.moments import next_at
from edx_ace.preferences.places import places_of, zones_of
from edx_ace.report import Skipped, code_of, reason_of
from edx_ace.utils import date as clock

#: The name of the source that gives digests.
SOURCE = "ace_preferences.digest"

#: When what is held, and was due, comes due again if no digest has folded it.
AGAIN = timedelta(hours=1)

#: How far ahead a digest looks for what is held: clocks of workers, by which that was put off, are not the database's.
_AHEAD = 2 * AGAIN

#: Messages that are folded at a time; what is beyond goes into the next digest, within the hour.
MOST = 2_000

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

#: What a digest takes over from the context of the latest message.
_OF_THE_SITE = ("site_name", "site_url", "logo_url", "postal_address")

EMAIL = ChannelType.EMAIL


class DigestPolicy(Policy):
    """Holds what the person takes once a day or a week, until their digest; essential messages pass."""

    def check(self, message: Message) -> PolicyResult:
        """Return until when *message* is held."""
        return self.check_many([message])[0]

    def check_many(self, messages: Sequence[Message]) -> list[PolicyResult]:
        """Return until when each of *messages* is held, with at most one query."""
        return [_held(asked, zone) for asked, zone in zip(asked_about(messages), zones_of(messages), strict=True)]

    def settle(self, messages: Sequence[Message], allowed: Sequence[AllowedChannels]) -> list[PolicyResult]:
        """Have a digest made for each person for whom the time has come."""
        now = clock.get_current_time()
        due: dict[str, Message] = {}
        for asked, left in zip(asked_about(messages), allowed, strict=True):
            if asked.person and _is_due(asked) and not _is_denied(left):
                due[asked.person] = asked.message
        digests = []
        for person in _who_waits(due) if due else ():
            # The same for all workers that meet at this hour.
            uuid = uuid5(NAMESPACE_URL, f"{SOURCE}:{person}:{now:%Y-%m-%dT%H}")
            digests.append(FromSource(SOURCE, uuid, _outline(uuid, due[person])))
        if digests:
            enqueue(digests, limit_to_channels=[EMAIL], priority=Priority.NORMAL)
        return [NOTHING] * len(messages)


def is_held(asked: Asked, channel_type: ChannelType) -> bool:
    """Return whether a digest holds the message over *channel_type*, so that it need not wait for anything else."""
    if channel_type is not EMAIL or asked.category is None or not asked.category.digest or not digests_are_made():
        return False
    # By itself no category goes into digests.
    return _is_due(asked) or (asked.has_choices(EMAIL) and asked.taking(EMAIL) in (Taking.DAILY, Taking.WEEKLY))


def can_hold(asked: Asked) -> bool:
    """Return whether the message, which is to go over email, can go into a digest instead."""
    return (
        asked.waited is not None
        and asked.category is not None
        and asked.category.digest
        and digests_are_made()
        and _takes_digests(asked)
    )


def hold(zone: ZoneInfo, reason: str, taking: Taking = Taking.DAILY) -> PolicyResult:
    """Return that an email waits for the next digest."""
    at = time.fromisoformat(settings.DIGEST_TIME)
    weekday = WEEKDAYS.index(settings.DIGEST_WEEKDAY.lower()) if taking is Taking.WEEKLY else None
    return PolicyResult(defer={EMAIL: next_at(clock.get_current_time(), at, zone, weekday)}, code=HELD, reason=reason)


def load(references: Sequence[UUID]) -> dict[UUID, Message | Skipped]:
    """Return the digest of each of *references*: of what it holds already or, at first, of what waits for it."""
    digests = Delivery.objects.filter(payload__in=references, channel_type=str(EMAIL))
    people = {row.payload_id: row.recipient for row in digests}
    parts: dict[UUID, list[Delivery]] = defaultdict(list)
    folded = Delivery.objects.filter(recipient__in=set(people.values()), folded_into__in=references)
    stopped = []
    for row in folded.order_by("pk"):
        assert row.folded_into is not None
        if row.is_stopped:
            stopped.append(row.pk)
        else:
            parts[row.folded_into].append(row)
    if stopped:
        # While the digest was being handed over, which has come to nothing. It takes the digest from this worker.
        cancel(deliveries=stopped)
    empty = {person: uuid for uuid, person in people.items() if uuid not in parts}
    for row in _take(empty) if empty else ():
        parts[empty[row.recipient]].append(row)
    read = _read([row for rows in parts.values() for row in rows])
    _fold(parts, read)
    return {
        uuid: _digest([(row, part) for row in parts[uuid] if isinstance(part := read[row.pk], _Part)])
        for uuid in people
    }


@attrs.frozen
class _Part:
    """One message of a digest."""

    message: Message
    subject: str
    text: str


def _held(asked: Asked, zone: ZoneInfo) -> PolicyResult:
    if not is_held(asked, EMAIL):
        return NOTHING
    if not _takes_digests(asked):
        return PolicyResult({EMAIL}, code="opted_out", reason="The person takes it in digests and turned those off.")
    if _is_due(asked):
        return PolicyResult(
            defer={EMAIL: clock.get_current_time() + AGAIN}, code=HELD, reason="The digest that takes it is being made."
        )
    taking = asked.taking(EMAIL)
    return hold(zone, f"The person takes {_name(asked)!r} {taking.value}.", taking)


def _name(asked: Asked) -> str:
    assert asked.category is not None
    return asked.category.name


def _is_due(asked: Asked) -> bool:
    is_digest = asked.category is not None and asked.category.digest
    return is_digest and asked.waited is not None and asked.waited.get(EMAIL) == HELD


def _takes_digests(asked: Asked) -> bool:
    chosen = asked.known.choices.get(str(EMAIL), {})
    return effective(categories.get(DIGESTS), EMAIL, chosen) is not Taking.OFF


def _is_denied(allowed: AllowedChannels) -> bool:
    against = (Verdict.DENY, Verdict.ERROR)
    return any(one.channel_type is EMAIL and one.verdict in against for one in decisions_of(allowed))


def _outline(uuid: UUID, message: Message) -> Message:
    outline = Digest().personalize(message.recipient, message.language, {})
    # Not of a send: two people may have one address.
    outline.uuid, outline.send_uuid = uuid, None
    return outline


def _who_waits(people: Collection[str]) -> set[str]:
    """Return who of *people* has something that a digest would take now."""
    rows = Delivery.objects.using(router.db_for_write(Delivery)).filter(_waiting(people), recipient__isnull=False)
    return {person for person in rows.values_list("recipient", flat=True) if person is not None}


def _waiting(people: Collection[str | None]) -> Q:
    """Return what matches that which *people* have waiting for a digest now, and which no guard lets wait for more."""
    held = Q(recipient__in=people, channel_type=str(EMAIL), code=HELD, due_at__lte=from_now(_AHEAD))
    held &= Q(expires_at__isnull=True) | Q(expires_at__gt=DatabaseNow())
    for guard in guards():
        if guard.waits:
            held &= ~guard.forbids()
    return held


def _take(people: Collection[str | None]) -> list[Delivery]:
    """Claim what *people* have waiting for a digest now, from whoever has it."""
    held = _waiting(people)
    using = router.db_for_write(Delivery)
    with transaction.atomic(using):
        reconsider(held)
        return leases.seize(
            Delivery.objects.using(using).filter(held).order_by("pk"),
            MOST,
            State.QUEUED,
            State.CLAIMED,
            lease_until=from_now(timedelta(seconds=outbox_settings.OUTBOX_LEASE_SECONDS)),
            fence=F("fence") + 1,
        )


def _read(rows: Sequence[Delivery]) -> dict[int, _Part | Skipped | Exception]:
    """Return what each of *rows* adds to its digest, or why it adds nothing, by key."""
    messages = loading.load(loading.stored({row.payload_id for row in rows}), lambda: True)
    chosen = chosen_by({row.recipient for row in rows if row.recipient})
    read: dict[int, _Part | Skipped | Exception] = {}
    with presentation.lookups_shared_in({}):
        for row in rows:
            match messages.get(row.payload_id):
                case Message() as message:
                    read[row.pk] = _part(row, message, chosen.get(row.recipient or "", {}).get(str(EMAIL), {}))
                case None:
                    read[row.pk] = Skipped("reference_gone", "The message is no longer kept.")
                case other:
                    read[row.pk] = other
    return read


def _part(row: Delivery, message: Message, chosen: Mapping[tuple[str, str], Taking]) -> _Part | Skipped | Exception:
    try:
        if effective(categories.get(row.category), EMAIL, chosen, row.scope) is Taking.OFF:
            return Skipped("opted_out", f"The person turned {row.category!r} off.")
        if row.expires_at is not None and row.expires_at <= clock.get_current_time():
            return Skipped("expired", "The message expired before its digest could be handed over.")
        rendered: Any = presentation.render(get_channel_for_message(EMAIL, message), message)
        text = _unescaped(rendered.body) or text_of(rendered.body_html)
        return _Part(message, _unescaped(rendered.subject), text)
    except Exception as error:
        return error


def _unescaped(text: str) -> str:
    """Return the *text* that a template made, which the templates of the digest escape themselves."""
    return (html.unescape(text) if core_settings.PLAIN_TEXT_AUTOESCAPE else text).strip()


def _fold(parts: Mapping[UUID, Iterable[Delivery]], read: dict[int, _Part | Skipped | Exception]) -> None:
    """Move on what was claimed for a digest; what is not this worker's any more is taken out of *read* again."""
    into: dict[int, UUID] = {}
    ends: dict[tuple[str, str, str], list[Delivery]] = defaultdict(list)
    later: list[Delivery] = []
    for uuid, rows in parts.items():
        for row in rows:
            if row.state != State.CLAIMED:
                continue
            match read[row.pk]:
                case _Part():
                    into[row.pk] = uuid
                    ends[row.ending(State.FOLDED), "folded", "It became part of a digest."].append(row)
                case Skipped(code=code, reason=reason):
                    ends[row.ending(State.SKIPPED), code, reason].append(row)
                case SourceError():
                    later.append(row)
                case error:
                    assert isinstance(error, Exception)
                    ends[State.FAILED, code_of(error), reason_of(error)].append(row)
    kept: set[int] = set()
    with transaction.atomic(router.db_for_write(Delivery)):
        for (state, code, reason), rows in ends.items():
            places = [When(pk=row.pk, then=Value(into[row.pk])) for row in rows if row.pk in into]
            moved = leases.move(
                rows,
                State.CLAIMED,
                state,
                code=redacted_code(code),
                reason=redacted(reason),
                folded_into=Case(*places, default=None) if places else None,
                finished_at=DatabaseNow(),
            )
            kept |= {row.pk for row in moved}
        if later:
            leases.release(later, due_at=from_now(AGAIN))
    for key in into.keys() - kept:
        read[key] = Skipped("digest_lost", "Another worker has it.")


def _digest(parts: Sequence[tuple[Delivery, _Part]]) -> Message | Skipped:
    if not parts:
        return Skipped("digest_empty", "Nothing was held any more when it was made.")
    latest = parts[-1][1].message
    language = latest.language
    if settings.PEOPLE and latest.recipient is not None:
        [place] = places_of([latest.recipient])
        language = place.language
    with translation.override(language):
        groups = [
            {"label": str(category.label), "entries": [{"subject": part.subject, "text": part.text} for part in own]}
            for category in categories.all_categories().values()
            if (own := [part for row, part in parts if row.category == category.name])
        ]
    of_the_site = {name: latest.context[name] for name in _OF_THE_SITE if name in latest.context}
    return Digest().personalize(latest.recipient, language, {**of_the_site, "groups": groups, "number": len(parts)})


#: Registered where the app is installed.
DIGEST_SOURCE = Source(SOURCE, load)
CATEGORY = categories.Category(
    DIGESTS, label=_("Digests"), description=_("What you take once a day or once a week."), channels=("email",)
)
