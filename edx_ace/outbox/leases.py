"""
Public: claiming rows for a limited time, so that of many workers only one acts on each.

A worker *claims* rows that are due: each becomes its own until the lease is over, under a new fencing number. It
*renews* the lease while it makes progress. Before it acts on the world it takes the *permit*, a conditional update that
holds only while the row is still its own; afterwards it *moves* the row on, which needs the same fencing number. A
worker that was frozen, and whose rows were given to another, finds its number stale and can do neither. When a lease is
over, `reclaim` moves the row to where it may be claimed again; whoever takes a row from a worker so gives it another
number, so that under its own a worker finds what it has done itself and nothing else.

The moments are those of the database's clock. Every function is one short transaction, or a part of the caller's.
Used by any model that derives from `Leased`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar, TypeVar, cast

from django.db import connections, models, router, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.sql import UpdateQuery
from django.utils.translation import gettext_lazy as _

from edx_ace.outbox.clock import DatabaseNow, from_now
from edx_ace.outbox.errors import IllegalTransitionError


class Leased(models.Model):
    """
    A row that workers claim.

    Subclasses name their states and the arrows between them.
    """

    #: The state in which a row waits to be claimed, the one it then has, and the one that a permit gives.
    WAITING: ClassVar[str]
    CLAIMED: ClassVar[str]
    PERMITTED: ClassVar[str]
    #: Which states may follow which.
    ARROWS: ClassVar[Mapping[str, Collection[str]]]

    state = models.CharField(max_length=12)
    #: Not to be claimed before.
    due_at = models.DateTimeField(_("due at"))
    #: Until when the worker that claimed it may act; None while nobody has claimed it.
    lease_until = models.DateTimeField(_("lease until"), null=True, editable=False)
    #: The fencing number: one more with each claim, and when the row is taken from the worker that has it.
    fence = models.PositiveBigIntegerField(default=0, editable=False)
    #: How often it was claimed since something last came of it.
    claims = models.PositiveSmallIntegerField(default=0, editable=False)

    class Meta:
        abstract = True

    @classmethod
    def moved(cls, rows: Sequence[Any], from_state: str, to_state: str, using: str) -> None:
        """Note that *rows* went from one state to another; called in the same transaction."""


Row = TypeVar("Row", bound=Leased)


def claim(waiting: QuerySet[Row], limit: int, lease: timedelta) -> list[Row]:
    """
    Claim up to *limit* rows that are due, the longest due first, and return them as they are now.

    Rows that another worker is claiming at this moment are passed over.

    Args:
        waiting: Which rows; those that are not waiting or not due are left out here.

        limit: How many at most.

        lease: For how long.
    """
    model = waiting.model
    return seize(
        waiting.filter(state=model.WAITING, due_at__lte=DatabaseNow()).order_by("due_at"),
        limit,
        model.WAITING,
        model.CLAIMED,
        lease_until=from_now(lease),
        fence=F("fence") + 1,
        claims=F("claims") + 1,
    )


def renew(rows: Sequence[Row], lease: timedelta, **changes: Any) -> list[Row]:
    """Let the lease of *rows* begin anew, with *changes*, and return those that are still the worker's own."""
    if not rows:
        return []
    model, using = _place(rows)
    with transaction.atomic(using):
        held = model._base_manager.using(using).filter(_fenced(rows), state__in=[model.CLAIMED, model.PERMITTED])
        renewed = held.update(lease_until=from_now(lease), **changes)
        return list(rows) if renewed == len(rows) else _of(rows, held)


def permit(rows: Sequence[Row], lease: timedelta, unless: Q | None = None) -> list[Row]:
    """
    Take the right to act on *rows*, whose lease begins anew, and return those for which it was given.

    It is given for a row that is claimed under the same fencing number, whose lease is not over and which *unless* does
    not match. One UPDATE decides; commit before acting.

    Args:
        rows: As `claim` returned them.

        lease: For how long.

        unless: Matches the rows that must not be acted on.
    """
    conditions = Q(lease_until__gt=DatabaseNow())
    if unless is not None:
        conditions &= ~unless
    model = type(rows[0])
    return move(rows, model.CLAIMED, model.PERMITTED, only=conditions, lease_until=from_now(lease))


def move(rows: Sequence[Row], from_state: str, to_state: str, *, only: Q | None = None, **changes: Any) -> list[Row]:
    """
    Move *rows* from one state to another and return those that were still the worker's own and in that state.

    Raises:
        IllegalTransitionError: If no arrow leads from the one state to the other.
    """
    if not rows:
        return []
    model, using = _place(rows)
    _check(model, from_state, to_state)
    if to_state != model.PERMITTED:
        changes["lease_until"] = None
    with transaction.atomic(using, savepoint=False):
        own = model._base_manager.using(using).filter(_fenced(rows))
        leaving = own.filter(state=from_state)
        moved = (
            leaving.filter(only).update(state=to_state, **changes)
            if only
            else leaving.update(state=to_state, **changes)
        )
        # Nobody else can have moved them there: the fencing number is this worker's alone. If it did so itself and does
        # not know that this was committed, none was left to move.
        result = list(rows)
        if moved < len(rows):
            result = _of(rows, own.filter(state=to_state)) if moved else []
        model.moved(result, from_state, to_state, using)
    for row in result:
        row.state = to_state
    return result


def standing(rows: Sequence[Row], state: str) -> list[Row]:
    """Return those of *rows* that are still the worker's own and in *state* by now, as the table has it."""
    model, using = _place(rows)
    found = _of(rows, model._base_manager.using(using).filter(_fenced(rows), state=state))
    for row in found:
        row.state = state
    return found


def release(rows: Sequence[Row], **changes: Any) -> list[Row]:
    """Give claimed *rows* back unused, as if they had not been claimed; return those that were still the worker's."""
    model = type(rows[0])
    return move(rows, model.CLAIMED, model.WAITING, **{"claims": F("claims") - 1, **changes})


def reclaim(overrun: QuerySet[Row], limit: int, from_state: str, to_state: str, **changes: Any) -> list[Row]:
    """Move up to *limit* of those rows of *overrun* whose lease is over from one state to another; return them."""
    over = overrun.filter(state=from_state, lease_until__lte=DatabaseNow()).order_by("lease_until")
    return seize(over, limit, from_state, to_state, lease_until=None, fence=F("fence") + 1, **changes)


def seize(queryset: QuerySet[Row], limit: int, from_state: str, to_state: str, **changes: Any) -> list[Row]:
    """
    Move up to *limit* rows of *queryset* that nobody has locked from one state to another; return them as they are now.

    PostgreSQL and SQLite do it in one statement; MySQL and MariaDB, which cannot return what they update, lock the rows
    first.

    Args:
        queryset: Which rows and in which order; in *from_state* all of them.

        limit: How many at most.

        from_state, to_state: The transition.

        changes: Further columns and their values, which may be expressions.

    Raises:
        IllegalTransitionError: If no arrow leads from the one state to the other.
    """
    model = queryset.model
    _check(model, from_state, to_state)
    using = router.db_for_write(model)
    values = {"state": to_state, **changes}
    chosen = queryset.using(using).filter(state=from_state)
    with transaction.atomic(using, savepoint=False):
        match connections[using].vendor:
            case "postgresql":
                rows = _update_returning(
                    chosen.select_for_update(skip_locked=True),
                    limit,
                    values,
                    # Materialized: as part of the plan of the UPDATE it might run, and lock, more than once.
                    "WITH chosen (pk) AS MATERIALIZED ({select}) {update} FROM chosen "
                    "WHERE {table}.{pk} = chosen.pk RETURNING {columns}",
                )
            case "sqlite":
                rows = _update_returning(
                    chosen, limit, values, "{update} WHERE {table}.{pk} IN ({select}) RETURNING {columns}"
                )
            case _:
                locked = chosen.select_for_update(skip_locked=True).values_list("pk", flat=True)[:limit]
                own = model._base_manager.using(using).filter(pk__in=list(locked))
                own.update(**values)
                rows = list(own)
        model.moved(rows, from_state, to_state, using)
    return rows


def _update_returning(queryset: QuerySet[Row], limit: int, values: Mapping[str, Any], template: str) -> list[Row]:
    model, using = queryset.model, queryset.db
    quote = connections[using].ops.quote_name
    table = quote(model._meta.db_table)
    update = cast(UpdateQuery, model._base_manager.using(using).query.chain(UpdateQuery))
    update.add_update_values(dict(values))
    update_sql, update_params = update.get_compiler(using).as_sql()
    select_sql, select_params = queryset.values("pk")[:limit].query.get_compiler(using).as_sql()
    sql = template.format(
        select=select_sql,
        update=update_sql,
        table=table,
        pk=quote(cast(str, model._meta.pk.column)),
        columns=", ".join(f"{table}.{quote(cast(str, field.column))}" for field in model._meta.concrete_fields),
    )
    pairs = {"{select}": select_params, "{update}": update_params}
    params = [value for name in sorted(pairs, key=template.index) for value in pairs[name]]
    return list(model._base_manager.using(using).raw(sql, params))


def _check(model: type[Leased], from_state: str, to_state: str) -> None:
    if to_state not in model.ARROWS.get(from_state, ()):
        following = ", ".join(sorted(map(str, model.ARROWS.get(from_state, ())))) or "nothing"
        raise IllegalTransitionError(
            f"A {model._meta.verbose_name} that is {str(from_state)!r} cannot become {str(to_state)!r}; "
            f"what may follow is {following}."
        )


def _place(rows: Sequence[Row]) -> tuple[type[Row], str]:
    model = type(rows[0])
    return model, router.db_for_write(model)


def _fenced(rows: Iterable[Leased]) -> Q:
    by_fence: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        by_fence[row.fence].append(row.pk)
    fenced = Q()
    for fence, keys in by_fence.items():
        fenced |= Q(fence=fence, pk__in=sorted(keys))
    return fenced


def _of(rows: Sequence[Row], queryset: QuerySet[Row]) -> list[Row]:
    keys = set(queryset.values_list("pk", flat=True))
    return [row for row in rows if row.pk in keys]
