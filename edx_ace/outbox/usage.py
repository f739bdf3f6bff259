"""
Internal: where is kept how many messages channels were given: in Redis if ``ACE_RATE_LIMITS_REDIS`` says so, else in a
row for each channel that has limits.

Both go by their own clock, never by that of a worker. While Redis does not answer the row stands in for it.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import router, transaction

from edx_ace.errors import MissingExtraError
from edx_ace.outbox.clock import DatabaseNow
from edx_ace.outbox.conf import settings
from edx_ace.outbox.models import RateUsage

if TYPE_CHECKING:
    import redis

LOG = logging.getLogger(__name__)

#: How many messages were taken: by length of the limit in seconds, and in each by part of the window.
Usage = dict[int, dict[int, int]]

Answer = TypeVar("Answer")

#: Sees, and may alter, what was taken until a moment (seconds since 1970), and is told whether the store stands in for
#: one that does not answer. May be called more than once.
Change = Callable[[Usage, float, bool], Answer]

#: How long Redis may take for an answer, and for how long it is not asked again when it gave none, in seconds.
_TIMEOUT_SECONDS = 1
_PAUSE_SECONDS = 5


def change(name: str, change: Change[Answer]) -> Answer:
    """Let *change* see and alter what was taken of the channel *name*, while nobody else does; return its answer."""
    if settings.RATE_LIMITS_REDIS:
        store = redis_at(settings.RATE_LIMITS_REDIS)
        try:
            return store.change(name, change)
        except _NotReachedError:
            return _change_in_database(name, change, True)
    return _change_in_database(name, change, False)


def _change_in_database(name: str, change: Change[Answer], is_substitute: bool) -> Answer:
    using = router.db_for_write(RateUsage)
    rows = RateUsage.objects.using(using)
    while True:
        with transaction.atomic(using):
            row = rows.filter(pk=name).annotate(now=DatabaseNow()).select_for_update().first()
            if row is not None:
                used = _read(row.used)
                answer = change(used, row.now.timestamp(), is_substitute)
                if used != _read(row.used):
                    rows.filter(pk=name).update(used=used)
                return answer
        # Not before that: MariaDB has locked the place of the missing row for each that looked, and none could insert.
        rows.bulk_create([RateUsage(channel=name)], ignore_conflicts=True)


class _NotReachedError(Exception):
    """Redis does not answer."""


class _Redis:
    """
    Keeps it in Redis.

    Args:
        url: Of the database, as redis-py reads it.
    """

    def __init__(self, url: str) -> None:
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError as error:
            raise MissingExtraError("ACE_RATE_LIMITS_REDIS", "ratelimit") from error

        self.client = redis.Redis.from_url(
            url,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            # One that was idle may have been closed.
            retry=Retry(NoBackoff(), 1),
        )
        self.errors = redis.RedisError
        #: When it may be asked again.
        self.resumes_at = -float("inf")
        self.is_reached = True

    def change(self, name: str, change: Change[Answer]) -> Answer:
        """
        Do as `change` says, in a transaction that is repeated when somebody else was quicker.

        Raises:
            _NotReachedError: If it does not answer, or did not a moment ago.
        """
        key = f"ace:rates:{name}"
        answers = []

        def transact(pipe: redis.client.Pipeline) -> None:
            # As the key is watched, both are answered at once.
            stored: Any = pipe.get(key)
            seconds, microseconds = pipe.time()
            used = _read(json.loads(stored or "{}"))
            answers.append(change(used, seconds + microseconds / 1e6, False))
            pipe.multi()
            if used != _read(json.loads(stored or "{}")):
                # Until nothing of it counts any more.
                pipe.set(key, json.dumps(used), ex=2 * max(used))

        if time.monotonic() < self.resumes_at:
            raise _NotReachedError
        try:
            self.client.transaction(transact, key)
        except self.errors as error:
            if self.is_reached:
                LOG.error("Redis does not answer (%s); a tenth of each limit holds meanwhile.", type(error).__name__)
            self.is_reached = False
            self.resumes_at = time.monotonic() + _PAUSE_SECONDS
            raise _NotReachedError from error
        if not self.is_reached:
            LOG.warning("Redis answers again; the limits hold as they are set.")
            self.is_reached = True
        return answers[-1]


#: Returns the store at a URL.
redis_at = lru_cache(maxsize=8)(_Redis)


def _read(stored: dict[str, dict[str, int]]) -> Usage:
    return {int(seconds): {int(part): number for part, number in parts.items()} for seconds, parts in stored.items()}
