"""
Public: categories, what a message is about: what people choose by, and what figures are grouped by.

A site names them in ACE_CATEGORIES; a message type names its own as CATEGORY (or in ACE_MESSAGE_TYPES). A message of no
category is of ACE_DEFAULT_CATEGORY, unless it is essential.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from edx_ace.conf import settings
from edx_ace.errors import UnknownCategoryError, did_you_mean
from edx_ace.message_types import info

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

    from edx_ace.message import Message

#: Longest name of a category, in characters: tables keep it.
MAX_NAME_LENGTH = 100


def _texts(given: Iterable[str]) -> tuple[str, ...]:
    return tuple(given)


@attrs.frozen
class Category:
    """
    One category, as ACE_CATEGORIES describes it; every key but the label may be left out there.

    Attributes:
        name: Its key in the setting: stands in tables, so it outlives its label.

        label: What people read.

        description: A sentence for people, or empty.

        channels: Values of the channel types that people may choose among; empty: all that are enabled.

        default: Whether messages go to people who have not chosen.

        can_be_turned_off: Whether people may choose.

        digest: Whether people may take it once a day or a week.

        more: Further keys, which sub-apps know.
    """

    name: str
    label: _StrOrPromise
    description: _StrOrPromise = ""
    channels: tuple[str, ...] = attrs.field(default=(), converter=_texts)
    default: bool = True
    can_be_turned_off: bool = True
    digest: bool = False
    more: Mapping[str, Any] = attrs.field(factory=dict)

    def offers(self, channel_type: object) -> bool:
        """Return whether messages of this category may go over *channel_type*."""
        return not self.channels or str(channel_type) in self.channels


_brought: dict[str, Category] = {}


def bring(category: Category) -> None:
    """Have *category*, which a sub-app needs, whether or not ACE_CATEGORIES names it; what that says of it counts."""
    _brought[category.name] = category


def brought() -> list[str]:
    """Return the names of the categories that sub-apps bring."""
    return list(_brought)


#: Keys of a category in the setting that the core knows.
KEYS = tuple(field.name for field in attrs.fields(Category) if field.name not in ("name", "more"))


def all_categories() -> dict[str, Category]:
    """Return every category by name, in the order of the setting; the default one and those of sub-apps are added."""
    found = {name: _category(name, about) for name, about in settings.CATEGORIES.items()}
    for name in (settings.DEFAULT_CATEGORY, *_brought):
        if name not in found:
            found[name] = _category(name, {})
    return found


def get(name: str) -> Category:
    """
    Return the category called *name*.

    Raises:
        UnknownCategoryError: If there is none.
    """
    about = settings.CATEGORIES.get(name)
    if about is None and name != settings.DEFAULT_CATEGORY and name not in _brought:
        known = list(all_categories())
        raise UnknownCategoryError(
            f"Expected the name of a category, given {name!r}.{did_you_mean(name, known)} "
            f"Known: {', '.join(known)}. Add it to ACE_CATEGORIES."
        )
    return _category(name, about or {})


def of(message: Message) -> str:
    """
    Return the name of the category of *message*; empty: it is essential and belongs to none.

    Where its type leaves it open, ``options["category"]`` says it.
    """
    return info(message.app_label, message.name).category_of(message)


def scope_of(message: Message) -> str:
    """Return what *message* belongs to (a course, a project), as ``options["scope"]`` says; empty: to nothing."""
    return str((message.options or {}).get("scope") or "")


def _category(name: str, about: Mapping[str, Any]) -> Category:
    given = {key: about[key] for key in KEYS if key in about}
    more = {key: value for key, value in about.items() if key not in KEYS}
    if name in _brought:
        return attrs.evolve(_brought[name], **given, more={**_brought[name].more, **more})
    given.setdefault("label", name.replace("_", " ").replace("-", " ").capitalize())
    return Category(name, **given, more=more)
