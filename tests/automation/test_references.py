"""
Typed references: what a scheduled message keeps, and what it is when it is sent.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import models
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy

from edx_ace.automation import references
from edx_ace.automation.errors import AutomationError, GoneError
from edx_ace.automation.references import Gone, dump, dump_context, resolve
from tests.automation_site.models import Host, Task, Workshop

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Role(models.TextChoices):
    LEAD = "lead", "Leads"


@pytest.fixture
def workshop() -> Workshop:
    return Workshop.objects.create(title="Soldering", starts_at=NOON, ends_at=NOON)


@pytest.fixture
def host() -> Host:
    return Host.objects.create(name="Ann", email="ann@example.com")


def there_and_back(value: object) -> object:
    """Return what *value* is once it was kept as JSON and looked up."""
    return resolve(json.loads(json.dumps([dump(value)])))[0]


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        7,
        10**30,
        0.1,
        "Ann",
        "",
        date(2026, 3, 1),
        NOON,
        datetime(2026, 3, 1, 12, 0, 0, 5),
        Decimal("10.50"),
        ["a", [1, None, [date(2026, 3, 1)]]],
        [],
        "{'model': 'shop.Order'}",
    ],
)
def test_a_value_comes_back_as_it_was(value):
    """
    Of the same type, too.
    """
    found = there_and_back(value)

    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(("value", "plain"), [(Role.LEAD, "lead"), (mark_safe("<b>"), "<b>"), ((1, 2), [1, 2])])
def test_what_is_more_than_a_value_comes_back_as_the_value(value, plain):
    """
    A choice and a text that is marked as safe as text, a tuple as a list.
    """
    found = there_and_back(value)

    assert (found, type(found)) == (plain, type(plain))


def test_an_object_is_looked_up_by_any_kind_of_primary_key(workshop, host):
    """
    A number, a UUID, a text; and as it is now, not as it was.
    """
    task = Task.objects.create(workshop=workshop, host=host)
    session = Session.objects.create(session_key="abc", expire_date=NOON)
    kept = json.loads(json.dumps(dump([workshop, task, session])))
    Workshop.objects.update(title="Welding")

    [found] = resolve([kept])

    assert kept[0] == {"model": "automation_site.Workshop", "pk": str(workshop.pk)}
    assert found == [workshop, task, session]
    assert found[0].title == "Welding"


def test_many_messages_take_one_query_a_model(workshop, host, django_assert_num_queries):
    """
    However many objects each has, and whatever stands twice is one object.
    """
    hosts = [Host.objects.create(name=f"Host {number}") for number in range(20)]
    kept = [dump_context({"workshop": workshop, "hosts": [one, host], "number": 1}) for one in hosts]

    with django_assert_num_queries(2):
        found = resolve(kept)

    assert [one["hosts"] for one in found] == [[one, host] for one in hosts]
    assert found[0]["workshop"] is found[19]["workshop"]
    assert found[7]["number"] == 1


def test_what_is_gone_is_said_of_its_message_alone(workshop, host):
    """
    With its name in the context, the model and the key.
    """
    kept = [dump_context({"workshop": workshop, "hosts": [host]}), dump_context({"workshop": workshop})]
    key = host.pk
    host.delete()

    first, second = resolve(kept)

    assert first["hosts"] == [Gone("automation_site.Host", str(key))]
    references.check_there(second)
    with pytest.raises(GoneError, match=rf"hosts\[0\] \(automation_site\.Host {key}\)"):
        references.check_there(first)


@pytest.mark.parametrize(("model", "pk"), [("shop.Order", "7"), ("automation_site.Host", "seven"), ("nonsense", "1")])
def test_what_cannot_be_looked_up_any_more_is_gone(model, pk):
    """
    An app that was taken out, or a model whose primary key is another now.
    """
    assert resolve([{"model": model, "pk": pk}]) == [Gone(model, pk)]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([1, [object()]], r"^value\[1\]\[0\]: expected an object of a model, .* a object"),
        ({"a": 1}, "dict"),
        ({1}, "set"),
        (time(9), "time"),
        (b"x", "bytes"),
        (gettext_lazy("x"), r"__proxy__"),
        (float("nan"), "finite"),
        (Decimal("Infinity"), "finite"),
        ("a\0b", "without NUL"),
        ("\ud800", "surrogate"),
        (Host, "ModelBase"),
        (Host(name="Ann"), "Save it first"),
        (Task(), "Save it first"),
    ],
)
def test_nothing_else_is_accepted(value, text):
    """
    And the error says where it stands, what it is and what could be there.
    """
    with pytest.raises(AutomationError, match=text):
        dump(value)


def test_lists_do_not_stand_in_themselves():
    """
    Nor too deep.
    """
    value: list[object] = []
    value.append(value)

    with pytest.raises(AutomationError, match="deeper than 10"):
        dump(value)


def test_a_query_is_no_value(django_assert_num_queries):
    """
    It would have to be run some time; to refuse it, it is not.
    """
    with django_assert_num_queries(0), pytest.raises(AutomationError, match=r"people: .*QuerySet"):
        dump_context({"people": User.objects.all()})


@pytest.mark.parametrize("name", ["", "a b", "_a", "a.b", "1a", 1])
def test_a_context_has_names_that_templates_can_use(name):
    """
    Others are refused when it is scheduled and not when it is sent.
    """
    with pytest.raises(AutomationError, match="name in a context"):
        dump_context({name: 1})


def test_a_context_is_not_taken_for_an_object(workshop):
    """
    Whatever its names.
    """
    with pytest.raises(AutomationError, match="Call one otherwise"):
        dump_context({"model": workshop, "pk": 1})
    assert resolve([dump_context({"date": date(2026, 3, 1)})]) == [{"date": date(2026, 3, 1)}]
