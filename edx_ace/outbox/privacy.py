"""
Public: what is kept of a person, in every sub-app: to export it, to erase it, to hash it anew and to let it run out.

A sub-app that keeps something of people registers a `Holding` in ``AppConfig.ready``. ``manage.py ace_export``,
``ace_erase``, ``ace_rehash`` and ``ace_outbox purge`` ask all of them.

A person is the host's id, or an address. By the id everything is found that was kept for it, and for the addresses that
its deliveries went to; by an address what was kept for that alone, or sent to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from itertools import chain
from typing import Any

import attrs
from django.db import IntegrityError, models, router, transaction
from django.db.models import Case, Q, Value, When

from edx_ace.channel import ChannelType
from edx_ace.outbox.models import Delivery
from edx_ace.outbox.people import address_key, person_keys_of_address, rehashed, shortened

#: Rows that one transaction hashes anew.
CHUNK_SIZE = 500


@attrs.frozen
class Person:
    """
    Somebody, by what tables know them by.

    Attributes:
        keys: What `edx_ace.outbox.people.person_key` returns for them, with each of the site's keys.

        digests: Those of *keys* that are digests of an address.

        addresses: Channel types and addresses, as deliveries have them.

        is_address: Whether an address was given: what was sent there is theirs, whoever it was for.
    """

    keys: frozenset[str]
    digests: frozenset[str]
    addresses: frozenset[tuple[str, str]]
    is_address: bool

    @classmethod
    def find(cls, given: str) -> Person:
        """
        Return who *given* is: a mail address, a number such as +4930123, or else the host's id of somebody.

        Raises:
            InvalidMessageError: If what has an @ is no mailbox.
        """
        addresses: set[tuple[str, str]] = set()
        own: set[str] = set()
        kind = ChannelType.EMAIL if "@" in given else ChannelType.SMS if given.startswith("+") else None
        if kind is None:
            own.add(shortened(given))
            rows = Delivery.objects.filter(recipient__in=own).order_by().values_list("channel_type", "address")
            addresses.update((channel_type, address) for channel_type, address in rows.distinct() if address)
        elif key := address_key(kind, given):
            addresses.add((str(kind), key))
        digests = frozenset(
            chain.from_iterable(person_keys_of_address(ChannelType(kind), address) for kind, address in addresses)
        )
        return cls(frozenset(own | digests), digests, frozenset(addresses), kind is not None)

    def deliveries(self) -> Q:
        """Return what matches the deliveries to them."""
        return Q(recipient__in=self.keys) | self.at_their_address()

    def at_their_address(self) -> Q:
        """Return what matches rows with their address and its channel type, if they were found by an address."""
        theirs = Q(pk__in=())
        if self.is_address:
            for channel_type, address in self.addresses:
                theirs |= Q(address=address, channel_type=channel_type)
        return theirs


@attrs.frozen
class KeyColumn:
    """
    A column of keys of persons, as `edx_ace.outbox.people.person_key` and `person_keys_of_address` return them.

    Attributes:
        model, field: Which.

        drops_duplicates: Whether a row goes that the same person has under the latest key already; otherwise it stays
            as it is.
    """

    model: type[models.Model]
    field: str
    drops_duplicates: bool = False


@attrs.frozen
class Holding:
    """
    What one sub-app keeps of people.

    Attributes:
        name: The label of the app.

        export: Returns what it keeps of a person, as JSON can hold it.

        erase: Erases it in the caller's transaction; returns how many rows of what that were.

        key_columns: What has to be hashed anew when a key is added.

        purge: Deletes what its settings do not let it keep any longer, or what is older than it is given; returns how
            many rows of what that were.
    """

    name: str
    export: Callable[[Person], Mapping[str, Any]]
    erase: Callable[[Person], Mapping[str, int]]
    key_columns: Sequence[KeyColumn] = ()
    purge: Callable[[timedelta | None], Mapping[str, int]] = lambda older_than: {}


_holdings: dict[str, Holding] = {}


def register(holding: Holding) -> None:
    """Ask *holding* as well from now on."""
    _holdings[holding.name] = holding


def holdings() -> list[Holding]:
    """Return what is registered, by the name of the app."""
    return [_holdings[name] for name in sorted(_holdings)]


def export(person: Person) -> dict[str, Any]:
    """Return all that is kept of *person*, by app."""
    return {holding.name: dict(holding.export(person)) for holding in holdings()}


def erase(person: Person) -> dict[str, dict[str, int]]:
    """
    Erase all that is kept of *person*, in one transaction; return how many rows of what, by app.

    Open deliveries are cancelled, and what is on its way is not tried again. States and counts stay, and so do
    suppressions, as a digest.
    """
    with transaction.atomic(router.db_for_write(Delivery)):
        return {holding.name: dict(holding.erase(person)) for holding in holdings()}


def rehash() -> Counter[str]:
    """
    Make every digest that is of before the latest of ACE_ADDRESS_KEYS anew.

    A few hundred rows a transaction. What is done is not done again, so that it may be stopped and run again.

    Returns:
        How many were hashed (``hashed``), were there already (``dropped``), or cannot be (``left``).
    """
    numbers: Counter[str] = Counter()
    for holding in holdings():
        for column in holding.key_columns:
            numbers += _rehash(column)
    return numbers


def _rehash(column: KeyColumn) -> Counter[str]:
    numbers: Counter[str] = Counter()
    using = router.db_for_write(column.model)
    rows = column.model._base_manager.using(using)
    digests = rows.filter(**{f"{column.field}__startswith": "address:"}).order_by("pk")
    last = 0
    while chunk := list(digests.filter(pk__gt=last).values_list("pk", column.field)[:CHUNK_SIZE]):
        last = chunk[-1][0]
        old = {pk: key for pk, key in chunk if rehashed(key) is not None}
        if not old:
            continue
        new = Case(*(When(pk=pk, then=Value(rehashed(key))) for pk, key in old.items()))
        try:
            with transaction.atomic(using):
                # Only what still has its key: somebody else may be doing the same.
                same = Q(pk__in=list(old), **{f"{column.field}__in": set(old.values())})
                numbers["hashed"] += rows.filter(same).update(**{column.field: new})
        except IntegrityError:
            for pk, key in old.items():
                numbers[_rehash_one(column, pk, key, using)] += 1
    return numbers


def _rehash_one(column: KeyColumn, pk: int, key: str, using: str) -> str:
    row = column.model._base_manager.using(using).filter(pk=pk, **{column.field: key})
    try:
        with transaction.atomic(using):
            row.update(**{column.field: rehashed(key)})
    except IntegrityError:
        if not column.drops_duplicates:
            return "left"
        row.delete()
        return "dropped"
    return "hashed"
