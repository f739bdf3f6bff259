"""
Internal: what the tests of campaigns share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from edx_ace import Recipient
from edx_ace.campaigns import audiences
from edx_ace.campaigns.audiences import Audience, Person
from edx_ace.campaigns.models import AddressList, Campaign, ListedAddress, Part, Resolution


class Accounts(Audience):
    """Everybody with an account whose name begins with a text; ``sort`` is how the host sorts them."""

    name = "accounts"
    label = "Accounts"

    def resolve(self, scope: str, params: Any, requester: Any) -> Any:
        return User.objects.filter(username__startswith=params.get("start", ""))

    def person(self, row: Any) -> Person:
        return Person(
            Recipient(row.pk, row.email), values={"first_name": row.first_name}, is_active=row.is_active, language="en"
        )


class Listed(Audience):
    """Whoever is on a list of addresses."""

    name = "listed"
    label = "A list"

    def resolve(self, scope: str, params: Any, requester: Any) -> Any:
        return ListedAddress.objects.filter(list__name=params["list"])

    def person(self, row: Any) -> Person:
        return Person(Recipient(None, row.address))


class Given(Audience):
    """The people that `people` holds, one after the other, as a program would give them."""

    name = "given"
    label = "Given"
    people: list[Any] = []

    def resolve(self, scope: str, params: Any, requester: Any) -> Any:
        return (person for person in self.people)


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """The audiences of the tests are there."""
    classes = (Accounts, Listed, Given)
    for one in classes:
        audiences.register(one)
    yield
    for one in classes:
        audiences.unregister(one.name)
    Given.people = []


@pytest.fixture
def given() -> type[Given]:
    """The audience whose people a test sets."""
    return Given


@pytest.fixture
def accounts() -> Callable[..., list[User]]:
    """Return a function that makes as many users, whose names begin with its second argument."""

    def make(number: int, start: str = "user", **fields: Any) -> list[User]:
        User.objects.bulk_create(
            User(
                **{
                    "username": f"{start}{index:06}",
                    "email": f"{start}{index}@example.com",
                    "first_name": start.title(),
                    **fields,
                }
            )
            for index in range(number)
        )
        return list(User.objects.filter(username__startswith=start).order_by("pk"))

    return make


@pytest.fixture
def listed() -> Callable[..., None]:
    """Return a function that makes a list of addresses."""

    def make(name: str, *addresses: str) -> None:
        made = AddressList.objects.create(name=name)
        ListedAddress.objects.bulk_create(
            ListedAddress(list=made, key=address.lower(), address=address) for address in addresses
        )

    return make


@pytest.fixture
def campaign() -> Callable[..., Campaign]:
    """Return a function that makes a campaign whose parts are its arguments: names, or ``-name``, with parameters."""

    def make(*parts: tuple[str, dict[str, Any]] | str, **fields: Any) -> Campaign:
        given = {
            "name": "News",
            "category": "general",
            "language": "en",
            "state": "sending",
            "due_at": timezone.now(),
            **fields,
        }
        made = Campaign.objects.create(**given)
        for position, part in enumerate(parts):
            name, params = (part, {}) if isinstance(part, str) else part
            is_excluded = name.startswith("-")
            Part.objects.create(
                campaign=made, position=position, audience=name.strip("-"), params=params, is_excluded=is_excluded
            )
        return made

    return make


@pytest.fixture
def resolution(campaign: Callable[..., Campaign]) -> Callable[..., Resolution]:
    """Return a function that makes a resolution of a campaign, as `campaign` makes one."""

    def make(*parts: Any, **fields: Any) -> Resolution:
        made = campaign(*parts, **fields)
        made.resolution = Resolution.objects.create(campaign=made, version=made.version)
        made.save()
        return made.resolution

    return make
