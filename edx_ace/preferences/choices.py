"""
Public: choosing, and what was chosen. `edx_ace.preferences` has `choose` and `taking`.

The more specific choice wins: one for a category and a scope, one for all of a scope, one for a category, one for
everything, and last the category's default. Turning something off turns off all of it, also what was turned on for a
part of it before; turning it on leaves off what was turned off for a part of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.db import router, transaction
from django.db.models import Q

from edx_ace import categories
from edx_ace.channel import ChannelType
from edx_ace.channel.base import channel_type_of
from edx_ace.outbox import reconsider
from edx_ace.outbox.clock import DatabaseNow
from edx_ace.outbox.people import person_key, shortened
from edx_ace.preferences.errors import ChoiceError
from edx_ace.preferences.models import Choice, Taking
from edx_ace.recipient import Recipient
from edx_ace.signals import choice_changed
from edx_ace.text import shown

#: What a category that stands for every other is called.
EVERYTHING = ""

#: The category of digests themselves: whoever turns it off gets nothing of what they take once a day or a week.
DIGESTS = "digest"

#: The code under which deliveries wait for a digest.
HELD = "digest"

#: What was chosen, by category and scope, for one person and channel type.
Chosen = Mapping[tuple[str, str], Taking]


def choose(
    person: Recipient | str,
    category: str,
    channel_type: ChannelType | str,
    taking: Taking | str,
    *,
    scope: str = "",
    source: str = "code",
) -> None:
    """
    Let *person* take the messages of *category* over *channel_type* so from now on; a part of the caller's transaction.

    Once that is committed, no message that it turns off is handed over any more.

    Args:
        person: A recipient, or what `edx_ace.outbox.people.person_key` returns for one.

        category: Its name; `EVERYTHING` turns off every category that can be turned off, or takes that back.

        taking: How.

        scope: Only for what belongs to it.

        source: Where it was chosen, in at most 20 characters.

    Raises:
        ChoiceError: If nobody can choose that.
        UnknownCategoryError: If there is no such category.
    """
    key = person_of(person)
    kind, taking = checked(category, channel_type, taking)
    scope = shortened(scope)
    using = router.db_for_write(Choice)
    rows = Choice.objects.using(using).filter(person=key, channel_type=kind)
    with transaction.atomic(using):
        if category == EVERYTHING and taking != Taking.OFF:
            has_changed = bool(rows.filter(category=EVERYTHING, scope=scope).delete()[0])
        else:
            # Locked, so that of many who choose the same at once one has changed it.
            choice, is_new = rows.select_for_update().get_or_create(
                person=key,
                channel_type=kind,
                category=category,
                scope=scope,
                defaults={"taking": taking, "source": source, "changed_at": DatabaseNow()},
            )
            has_changed = is_new or choice.taking != taking
            if not is_new:
                rows.filter(pk=choice.pk).update(taking=taking, source=source, changed_at=DatabaseNow())
        concerned = Q(recipient=key, channel_type=kind)
        narrower = Q()
        if category != EVERYTHING:
            narrower &= Q(category=category)
        if scope:
            narrower &= Q(scope=scope)
        if taking == Taking.OFF:
            rows.filter(narrower).exclude(category=category, scope=scope).exclude(taking=Taking.OFF).delete()
        if narrower and category != DIGESTS:
            # A digest may hold what is turned off.
            concerned &= narrower | Q(category=DIGESTS)
        reconsider(concerned, due=Q(code=HELD))
        if has_changed:
            choice_changed.send(
                None,
                person=key,
                category=category,
                channel_type=kind,
                scope=scope,
                taking=str(taking),
                source=source,
            )


def taking(person: Recipient | str, category: str, channel_type: ChannelType | str, *, scope: str = "") -> Taking:
    """
    Return how *person* takes the messages of *category* over *channel_type*.

    Raises:
        UnknownCategoryError: If there is no such category.
    """
    kind = channel_type_of(channel_type, ChoiceError)
    chosen = chosen_by([person_of(person)]).get(person_of(person), {})
    return effective(categories.get(category), kind, chosen.get(str(kind), {}), shortened(scope))


def chosen_by(people: Iterable[str]) -> dict[str, dict[str, dict[tuple[str, str], Taking]]]:
    """Return what each of *people* chose, by channel type, then by category and scope; in one query."""
    found: dict[str, dict[str, dict[tuple[str, str], Taking]]] = {}
    rows = Choice.objects.filter(person__in=list(people))
    for person, kind, category, scope, taking in rows.values_list(
        "person", "channel_type", "category", "scope", "taking"
    ):
        found.setdefault(person, {}).setdefault(kind, {})[category, scope] = Taking(taking)
    return found


def effective(category: categories.Category, channel_type: ChannelType, chosen: Chosen, scope: str = "") -> Taking:
    """Return how somebody who *chose* that takes the messages of *category*; see above which choice wins."""
    if not category.offers(channel_type):
        return Taking.OFF
    return choice_for(category, chosen, scope) or (Taking.IMMEDIATE if category.default else Taking.OFF)


def choice_for(category: categories.Category, chosen: Chosen, scope: str = "") -> Taking | None:
    """Return which choice of somebody who *chose* that counts for the messages of *category*; None: none of them."""
    if category.can_be_turned_off:
        for place in (category.name, scope), (EVERYTHING, scope), (category.name, ""), (EVERYTHING, ""):
            if place in chosen:
                return chosen[place]
    return None


def person_of(person: Recipient | str) -> str:
    """
    Return the key of *person*, a recipient or that key itself.

    Raises:
        ChoiceError: If it is nobody.
    """
    key = person_key(person) if isinstance(person, Recipient) else person
    if not key:
        raise ChoiceError("Nobody can choose for a recipient that has neither an account nor an address.")
    return key


def checked(category: str, channel_type: ChannelType | str, taking: Taking | str) -> tuple[str, Taking]:
    """
    Return the value of *channel_type* and *taking*, which can be chosen in *category*.

    Raises:
        ChoiceError: If they cannot.
        UnknownCategoryError: If there is no such category.
    """
    kind, how = channel_type_of(channel_type, ChoiceError), _taking(taking)
    _check(category, kind, how)
    return str(kind), how


def _taking(given: Taking | str) -> Taking:
    try:
        return Taking(given)
    except ValueError:
        raise ChoiceError(f"Expected one of {', '.join(Taking.values)}, given {shown(given)}.") from None


def _check(name: str, channel_type: ChannelType, taking: Taking) -> None:
    if name == EVERYTHING:
        if taking not in (Taking.OFF, Taking.IMMEDIATE):
            raise ChoiceError(f"Everything can be turned off, or on again, and not be taken {taking}.")
        return
    category = categories.get(name)
    if not category.can_be_turned_off:
        raise ChoiceError(f"The category {name!r} cannot be turned off, so that nothing can be chosen for it.")
    if not category.offers(channel_type):
        offered = ", ".join(category.channels)
        raise ChoiceError(f"Messages of the category {name!r} go over {offered} and not over {channel_type}.")
    if taking in (Taking.DAILY, Taking.WEEKLY) and not category.digest:
        raise ChoiceError(f"The category {name!r} has no digest: its messages cannot be taken {taking}.")
    if taking in (Taking.DAILY, Taking.WEEKLY) and channel_type is not ChannelType.EMAIL:
        raise ChoiceError(f"Digests are emails: what goes over {channel_type} cannot be taken {taking}.")
