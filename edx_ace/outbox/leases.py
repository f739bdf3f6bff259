"""
Public: claiming rows for a limited time, so that of many workers only one acts on each.

A worker *claims* rows that are due: each becomes its own until the lease is over, under a new fencing number. It
*renews* the lease while it makes progress. Before it acts on the world it takes the *permit*, a conditional update that
holds only while the row is still its own; afterwards it *moves* the row on, which needs the same fencing number. A
worker that was frozen, and whose rows were given to another, finds its number stale and can do neither. When a lease is
over, `reclaim` moves the row to where it may be claimed again; whoever takes a row from a worker so gives it another
number, so that under its own a worker finds what it has done itself and nothing else.

The moments are those of the database's clock. Every function is one short transaction, or a part of the caller's; on
PostgreSQL, what claims and moves is one statement. Used by any model that derives from `Leased`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar, Generic, TypeVar, cast

import attrs
from django.db import connections, models, router, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.sql import UpdateQuery
from django.utils.translation import gettext_lazy as _

from edx_ace.outbox.clock import DatabaseNow, from_now
from edx_ace.outbox.errors import IllegalTransitionError


@attrs.frozen
class Note:
    """
    What is written about rows that go from one state to another, in the same transaction.

    Attributes:
        sql: ``INSERT … SELECT … FROM {moved}``, in words that all databases understand; ``{moved}`` are the rows as
            they are then, with all columns.

        params: For its placeholders.
    """

    sql: str
    params: Sequence[Any] = ()


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
    #: Columns that nobody needs of a row that was claimed: they are loaded when somebody does.
    UNREAD: ClassVar[Collection[str]] = ()

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
    def notes(cls, from_state: str, to_state: str) -> Sequence[Note]:
        """Return what to write about rows that go from one state to another."""
        return ()


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
    Take the `permission` to act on *rows*, as `claim` returned them, and return those for which it was given.
    """
    return permission(type(rows[0]), lease, unless)(rows)


def permission(model: type[Row], lease: timedelta, unless: Q | None = None) -> Transition[Row]:
    """
    Return the transition that gives the right to act on rows, whose lease begins anew.

    It is given for a row that is claimed under the same fencing number, whose lease is not over and which *unless* does
    not match. One UPDATE decides; commit before acting.

    Args:
        model: Of the rows.

        lease: For how long.

        unless: Matches the rows that must not be acted on.
    """
    conditions = Q(lease_until__gt=DatabaseNow())
    if unless is not None:
        conditions &= ~unless
    return Transition(model, model.CLAIMED, model.PERMITTED, only=conditions, lease_until=from_now(lease))


def move(rows: Sequence[Row], from_state: str, to_state: str, *, only: Q | None = None, **changes: Any) -> list[Row]:
    """
    Move *rows* once by such a `Transition` and return those that went.
    """
    return Transition(type(rows[0]), from_state, to_state, only=only, **changes)(rows) if rows else []


class Transition(Generic[Row]):
    """
    Moves rows of a worker from one state to another, as often as it is called.

    The ORM takes longer to write the UPDATE than the database to carry it out. So its text is kept for the next call,
    in which only the rows are others.

    Args:
        model: Of the rows.

        from_state, to_state: The arrow.

        only: Matches the rows that may go.

        notes: What to write about those that went, beside what the model has written.

        changes: Further columns and their values, which may be expressions.

    Raises:
        IllegalTransitionError: If no arrow leads from the one state to the other.
    """

    def __init__(
        self,
        model: type[Row],
        from_state: str,
        to_state: str,
        *,
        only: Q | None = None,
        notes: Sequence[Note] = (),
        **changes: Any,
    ) -> None:
        _check(model, from_state, to_state)
        if to_state != model.PERMITTED:
            changes["lease_until"] = None
        self._using = router.db_for_write(model)
        self._all = model._base_manager.using(self._using)
        self._leaving = self._all.filter(state=from_state).filter(only or Q())
        self._to_state = to_state
        self._values = {"state": to_state, **changes}
        self._notes = (*model.notes(from_state, to_state), *notes)
        #: The UPDATE and its parameters but for the rows, by how many these are under each fencing number.
        self._written: dict[tuple[int, ...], tuple[str, Sequence[Any]]] = {}

    def __call__(self, rows: Sequence[Row]) -> list[Row]:
        """Move *rows* and return those that were still the worker's own and in the state to leave."""
        sql, params = self._update(rows)
        if connections[self._using].vendor == "postgresql":
            table, pk = _names(self._all)
            with connections[self._using].cursor() as cursor:
                cursor.execute(
                    f"WITH {_with_notes(sql, table, self._notes)} SELECT {pk} FROM moved",
                    [*params, *_params(self._notes)],
                )
                keys = {key for [key] in cursor.fetchall()}
            result = [row for row in rows if row.pk in keys]
        else:
            with transaction.atomic(self._using, savepoint=False), connections[self._using].cursor() as cursor:
                cursor.execute(sql, params)
                result = list(rows) if cursor.rowcount else []
                if 0 < cursor.rowcount < len(rows):
                    # Nobody else can have moved them there: the fencing number is this worker's alone. If it did so
                    # itself and does not know that this was committed, none was left to move.
                    result = _of(rows, self._all.filter(_fenced(rows), state=self._to_state))
                write_notes(result, self._notes, self._using)
        for row in result:
            row.state = self._to_state
        return result

    def _update(self, rows: Sequence[Row]) -> tuple[str, Sequence[Any]]:
        groups = _by_fence(rows)
        shape = tuple(len(keys) for keys in groups.values())
        own = tuple(value for fence, keys in groups.items() for value in (fence, *keys))
        if shape in self._written:
            sql, others = self._written[shape]
            return sql, (*others, *own)
        sql, params = _update(self._leaving.filter(_fenced(rows)), self._values)
        # Not where MySQL, for a condition that joins tables, has asked for the rows beforehand.
        if params[-len(own) :] == own:
            self._written[shape] = sql, params[: -len(own)]
        return sql, params


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


def take(row: Leased, to_state: str, *, only: Q | None = None, **changes: Any) -> bool:
    """
    Move *row* on from the state in which it was read, whoever has claimed it, and return whether it still was in it.

    A worker that has it has it no more: its fencing number is stale.

    Args:
        row: As it was read. It is given the new state and nothing else.

        to_state: The end of the arrow.

        only: What must match as well.

        changes: Further columns and their values, which may be expressions.

    Raises:
        IllegalTransitionError: If no arrow leads from its state to the other.
    """
    model, using = _place([row])
    _check(model, row.state, to_state)
    changes = {"lease_until": None, "fence": F("fence") + 1, **changes}
    standing = model._base_manager.using(using).filter(only or Q(), pk=row.pk, state=row.state)
    with transaction.atomic(using, savepoint=False):
        if not standing.update(state=to_state, **changes):
            return False
        write_notes([row], model.notes(row.state, to_state), using)
    row.state = to_state
    return True


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
    every = model._base_manager.using(using)
    notes = model.notes(from_state, to_state)
    chosen = queryset.using(using).filter(state=from_state)
    values = {"state": to_state, **changes}
    update, params = _update(every.all(), values)
    select, select_params = chosen.values("pk")[:limit].query.get_compiler(using).as_sql()
    table, pk = _names(every)
    fields = [field for field in model._meta.concrete_fields if field.attname not in model.UNREAD]
    columns = ", ".join(connections[using].ops.quote_name(cast(str, field.column)) for field in fields)
    match connections[using].vendor:
        case "postgresql":
            update += f" FROM chosen WHERE {table}.{pk} = chosen.pk"
            # Materialized: as part of the plan of the UPDATE it might run, and lock, more than once.
            sql = (
                f"WITH chosen (pk) AS MATERIALIZED ({select} FOR UPDATE SKIP LOCKED), "
                f"{_with_notes(update, table, notes)} SELECT {columns} FROM moved"
            )
            return _rows(every, fields, sql, [*select_params, *params, *_params(notes)])
        case "sqlite":
            with transaction.atomic(using, savepoint=False):
                sql = f"{update} WHERE {pk} IN ({select}) RETURNING {columns}"
                rows = _rows(every, fields, sql, [*params, *select_params])
                write_notes(rows, notes, using)
        case _:
            with transaction.atomic(using, savepoint=False):
                locked = chosen.select_for_update(skip_locked=True).values_list("pk", flat=True)[:limit]
                own = every.filter(pk__in=list(locked))
                own.update(**values)
                rows = list(own.defer(*model.UNREAD))
                write_notes(rows, notes, using)
    return rows


def _update(queryset: QuerySet[Any], values: Mapping[str, Any]) -> tuple[str, tuple[Any, ...]]:
    """Return the UPDATE that gives *values* to the rows of *queryset*, and its parameters."""
    update = cast(UpdateQuery, queryset.query.chain(UpdateQuery))
    update.add_update_values(dict(values))
    sql, params = update.get_compiler(queryset.db).as_sql()
    return sql, tuple(params)


def _rows(
    queryset: QuerySet[Row], fields: Sequence[models.Field[Any, Any]], sql: str, params: Sequence[Any]
) -> list[Row]:
    """Return the rows of which *sql* gives the columns of *fields*, as `QuerySet.raw` would in twice the time."""
    model, using = queryset.model, queryset.db
    # As a set, since Django looks for each field of the model in it, for each row.
    names = frozenset(field.attname for field in fields)
    compiler = queryset.query.get_compiler(using)
    converters = compiler.get_converters([field.get_col(model._meta.db_table) for field in fields])
    with connections[using].cursor() as cursor:
        cursor.execute(sql, params)
        found = compiler.apply_converters(cursor.fetchall(), converters) if converters else cursor.fetchall()
        return [model.from_db(using, names, values) for values in found]


def _with_notes(update: str, table: str, notes: Sequence[Note]) -> str:
    """Return what PostgreSQL does in one statement, as parts of its WITH clause: *update* and *notes*."""
    written = (f"note_{number} AS ({note.sql.format(moved='moved')})" for number, note in enumerate(notes))
    return ", ".join([f"moved AS ({update} RETURNING {table}.*)", *written])


def write_notes(rows: Sequence[Leased], notes: Sequence[Note], using: str) -> None:
    """Write *notes* about *rows*, which were moved, where each is a statement of its own."""
    if not rows:
        return
    table, pk = _names(type(rows[0])._base_manager.using(using))
    keys = [row.pk for row in rows]
    moved = f"(SELECT * FROM {table} WHERE {pk} IN ({', '.join(['%s'] * len(keys))})) AS moved"
    with connections[using].cursor() as cursor:
        for note in notes:
            cursor.execute(note.sql.format(moved=moved), [*note.params, *keys])


def _params(notes: Sequence[Note]) -> list[Any]:
    return [value for note in notes for value in note.params]


def _names(queryset: QuerySet[Any]) -> tuple[str, str]:
    """Return the quoted names of the table and of its key."""
    quote = connections[queryset.db].ops.quote_name
    return quote(queryset.model._meta.db_table), quote(queryset.model._meta.pk.column)


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
    fenced = Q()
    for fence, keys in _by_fence(rows).items():
        fenced |= Q(fence=fence, pk__in=keys)
    return fenced


def _by_fence(rows: Iterable[Leased]) -> dict[int, list[Any]]:
    by_fence: dict[int, list[Any]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.pk):
        by_fence[row.fence].append(row.pk)
    return by_fence


def _of(rows: Sequence[Row], queryset: QuerySet[Row]) -> list[Row]:
    keys = set(queryset.values_list("pk", flat=True))
    return [row for row in rows if row.pk in keys]
