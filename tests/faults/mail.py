"""
Internal: the messages of tests of faults, and how the mail server answers their recipients.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

import attrs

from edx_ace import Message, Recipient
from edx_ace.outbox import State
from edx_ace.testing.smtp import Answer
from tests.pipeline import welcome


@attrs.frozen
class Kind:
    """
    Recipients whom the mail server answers in one way.

    Attributes:
        answer: How, before it accepts.

        ends: The states in which their messages may end.
    """

    answer: Answer
    ends: Collection[str] = (State.SENT,)


#: What may have been accepted is unknown once it was lost three times, by a cut or with its worker.
_LOST = (State.SENT, State.UNKNOWN)

#: By the beginning of their local parts; any other is accepted at once.
KINDS = {
    "busy": Kind(Answer("421 4.7.0 slow down", times=1, cut=True)),
    "grey": Kind(Answer("450 4.2.0 come back later", times=2)),
    "local": Kind(Answer("451 4.3.0 a fault here", at="DATA", times=1)),
    "full": Kind(Answer("452 4.2.2 mailbox full", at="END", times=2)),
    "auth": Kind(Answer("454 4.7.0 try again", times=1)),
    "gone": Kind(Answer("550 5.1.1 no such user"), ends=(State.FAILED,)),
    "spam": Kind(Answer("554 5.7.1 not wanted", at="END"), ends=(State.FAILED,)),
    # Never accepts.
    "never": Kind(Answer("450 4.2.0 come back later"), ends=(State.EXPIRED,)),
    # So slow that something can happen to a batch meanwhile.
    "slow": Kind(Answer("250 2.0.0 OK", at="END", delay=0.02)),
    "drip": Kind(Answer("250 2.0.0 OK", at="END", drip=0.01)),
    # Takes the message and says so in more time than a hand-over has, though never without a sign of life.
    "crawl": Kind(Answer("250 2.0.0 OK", at="END", drip=0.3, takes=True, times=1), ends=_LOST),
    # Takes the message and dies before it says so.
    "dead": Kind(Answer("", at="END", cut=True, takes=True, times=1), ends=_LOST),
    # Dies while the content is on its way.
    "torn": Kind(Answer("354 go on", at="DATA", cut=True, times=1), ends=_LOST),
}

#: The kinds that end by themselves.
_MIXED = [name for name in KINDS if name != "never"]

#: Recipients of each kind that there are answers for.
_MANY = 4000

ANSWERS: Mapping[str, Answer] = {f"{name}{n}": kind.answer for name, kind in KINDS.items() for n in range(_MANY)}


def mixed(number: int, others: str = "fine") -> str:
    """
    Return the local part of recipient *number*: one in ten is not accepted at once, of each kind as many.

    Args:
        number: From 0 on.

        others: How those begin that are.
    """
    return f"{others if number % 10 else _MIXED[number // 10 % len(_MIXED)]}{number}"


def letters(local_parts: Iterable[str], first: int = 1, **fields: Any) -> Iterator[Message]:
    """Yield a message with *fields* to each of *local_parts*; people are numbered from *first* on."""
    for number, local_part in enumerate(local_parts, first):
        yield welcome(recipient=Recipient(number, f"{local_part}@example.com"), **fields)


def ends(messages: Collection[Message]) -> dict[UUID, Collection[str]]:
    """Return the states in which each of *messages* may end."""
    kinds = {message.uuid: _kind_of(message) for message in messages}
    return {uuid: kind.ends for uuid, kind in kinds.items() if kind is not None}


def cuts(messages: Iterable[Message]) -> int:
    """Return how many connections end before the mail server has confirmed one of *messages* that it took."""
    return sum(kind is not None and kind.answer.takes for kind in map(_kind_of, messages))


def _kind_of(message: Message) -> Kind | None:
    return KINDS.get(message.recipient.email_address.partition("@")[0].rstrip("0123456789"))
