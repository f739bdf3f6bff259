"""
What the messages of an action say: versions, what an action ships, and switches.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from edx_ace.automation import templates
from edx_ace.automation.errors import AutomationError, ConflictError, RefusedError
from edx_ace.automation.models import Template, TemplateVersion
from edx_ace.automation.templates import Content
from tests.automation_site.models import Workshop

pytestmark = pytest.mark.django_db

SHIPPED = {"en": {"subject": "{{ workshop.title }}", "body": "It is soon."}}
EDITED = Content({"en": {"subject": "{{ workshop.title }}!", "body": "It is *soon*."}})


class Reminder:
    """As much of an action as templates ask for."""

    signal = "reminder"
    message_type = None
    template: Any = SHIPPED
    variables: dict[str, Any] | None = None
    is_recurring = False
    has_conditions = True

    def objects(self) -> Any:
        return Workshop.objects.order_by("pk")

    def should_exist(self, workshop: Workshop) -> bool:
        return workshop.is_public

    def context(self, workshop: Workshop) -> dict[str, Any]:
        return {"workshop": workshop}

    def recipients(self, workshop: Workshop) -> list[str]:
        return ["ann@example.com"]


@pytest.fixture
def action() -> Any:
    return Reminder()


@pytest.fixture
def ann() -> User:
    return User(username="ann")


@pytest.fixture(autouse=True)
def workshops() -> None:
    moment = "2026-03-01T12:00Z"
    Workshop.objects.create(title="Secret", is_public=False, starts_at=moment, ends_at=moment)
    Workshop.objects.create(title="Soldering", starts_at=moment, ends_at=moment)


def test_what_an_action_ships_is_its_first_version(action):
    """
    Made when it is asked for, once.
    """
    version = templates.current(action)

    assert version is not None
    assert (version.number, version.is_shipped, version.who) == (1, True, "")
    assert Content.from_json(version.content) == Content(SHIPPED)
    assert templates.current(action) == version
    assert templates.versions(action) == [version]


def test_a_newer_one_that_it_ships_follows_while_nobody_has_edited(action, ann):
    """
    And never overwrites what somebody wrote.
    """
    templates.current(action)
    action.template = {"en": {"subject": "New", "body": "New"}}
    second = templates.current(action)
    assert (second.number, second.content["variants"]["en"]["subject"]) == (2, "New")

    third = templates.save(action, EDITED, who=ann, version=2)
    action.template = {"en": {"subject": "Newer", "body": "Newer"}}

    assert templates.current(action) == third
    assert (third.number, third.is_shipped, third.who) == (3, False, "ann")


def test_an_action_with_a_message_type_has_no_template(action):
    """
    Files say it.
    """
    action.message_type = object

    assert templates.current(action) is None
    assert not TemplateVersion.objects.exists()


def test_who_has_not_seen_the_newest_version_does_not_overwrite_it(action, ann):
    """
    Nor with what nobody has seen yet.
    """
    templates.current(action)
    templates.save(action, EDITED, who=ann, version=1)

    for seen in (0, 1, 3):
        with pytest.raises(ConflictError, match="Somebody else has saved"):
            templates.save(action, Content({"en": {"subject": "x", "body": "x"}}), who=ann, version=seen)
    assert [one.number for one in templates.versions(action)] == [2, 1]


def test_saving_what_is_there_makes_no_version(action, ann):
    """
    Nothing has changed.
    """
    first = templates.current(action)

    assert templates.save(action, Content(SHIPPED), who=ann, version=1) == first


def test_what_is_wrong_is_refused_and_nothing_is_saved(action, ann):
    """
    Names and filters that there are not, and what shows only with an object for which there should be a message.
    """
    bad = Content({"en": {"subject": "{{ workshpo }}", "body": "x\n{{ workshop.titel }} {{ recipient }}"}})

    with pytest.raises(RefusedError) as raised:
        templates.save(action, bad, who=ann, version=0)
    assert [str(problem) for problem in raised.value.problems] == [
        "en.subject, line 1: There is no “workshpo”. Did you mean “workshop”?"
    ]
    bad = Content({"en": {"subject": "{{ workshop }}", "body": "x\n{{ workshop.titel }}"}})
    with pytest.raises(RefusedError, match=r"en\.body, line 2: There is no “titel”"):
        templates.save(action, bad, who=ann, version=0)
    assert not TemplateVersion.objects.exists()


def test_a_trial_uses_an_object_for_which_there_should_be_a_message(action):
    """
    Else the last of some.
    """
    assert templates.sample_of(action)["workshop"].title == "Soldering"
    Workshop.objects.filter(title="Soldering").delete()
    assert templates.sample_of(action)["workshop"].title == "Secret"
    Workshop.objects.all().delete()
    assert templates.sample_of(action) is None


def test_without_any_object_the_names_that_are_declared_are_checked(action):
    """
    And any will do, if none are.
    """
    Workshop.objects.all().delete()
    content = Content({"en": {"subject": "{{ other }}", "body": "{{ recipient }}"}})

    assert templates.problems(action, content) == []
    action.variables = {"workshop": Workshop}
    assert [problem.code for problem in templates.problems(action, content)] == ["unknown_variable"]


def test_an_action_that_cannot_say_its_values_does_not_keep_staff_from_writing(action, caplog):
    """
    It is logged, and not told to them.
    """
    action.context = lambda workshop: {}["x"]

    assert templates.problems(action, EDITED) == []
    assert "The action reminder has no values" in caplog.text


def test_rolling_back_makes_a_new_version_of_an_old_one(action, ann):
    """
    Which is not taken for shipped.
    """
    templates.current(action)
    templates.save(action, EDITED, who=ann, version=1)

    third = templates.roll_back(action, 1, who=ann)

    assert (third.number, third.is_shipped, third.who) == (3, False, "ann")
    assert Content.from_json(third.content) == Content(SHIPPED)
    with pytest.raises(AutomationError, match="no version 9"):
        templates.roll_back(action, 9, who=ann)


def test_an_action_is_switched_off_by_itself_with_all_or_by_its_template(action, ann):
    """
    And on again, each by itself.
    """
    other: Any = SimpleNamespace(signal="other")
    assert templates.is_on(action)

    templates.switch(action, False, who=ann)
    assert (templates.is_on(action), templates.is_on(other)) == (False, True)
    templates.switch(None, False, who=ann)
    templates.switch(None, False, who=ann)
    templates.switch(action, True, who=ann)
    assert (templates.is_on(action), templates.is_on(other)) == (False, False)
    templates.switch(None, True, who=ann)
    assert (templates.is_on(action), templates.is_on(other)) == (True, True)
    templates.set_active(action, False)
    assert (templates.is_on(action), templates.is_on(other)) == (False, True)
    templates.set_active(action, True)
    assert templates.is_on(action)


def test_two_who_ask_first_get_the_same_version(action, monkeypatch):
    """
    Whoever was faster made it.
    """
    add = templates._add

    def slowly(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(templates, "_add", add)
        add(*args, **kwargs)
        template = Template.objects.get()
        TemplateVersion.objects.create(template=template, number=2, content={"variants": {}})
        return add(*args, **kwargs)

    monkeypatch.setattr(templates, "_add", slowly)

    assert templates.current(action).number == 2


@pytest.mark.parametrize(
    "fields",
    [
        None,
        {},
        {"variants": {"en": {"subject": "x"}}},
        {"variants": {"en": {"subject": "x", "body": 1}}},
        {"variants": ["en"]},
        {"variants": {"../../en": {"subject": "x", "body": "x"}}},
        {"variants": {"en-" + "x" * 40: {"subject": "x", "body": "x"}}},
        {"variants": {}, "cc": "ann@example.com"},
        {"variants": {}, "more": 1},
    ],
)
def test_a_content_of_another_shape_is_refused(fields):
    """
    Where it enters.
    """
    with pytest.raises(AutomationError) as raised:
        Content.from_json(fields)

    assert raised.value.code == "bad_content"


def test_a_content_comes_back_as_it_was(settings: Settings):
    """
    From JSON, whose order of keys may be another.
    """
    content = Content(
        {"pt_BR": {"subject": "a", "body": "b"}, "de": {"subject": "c", "body": "d"}},
        from_address="a@example.com",
        reply_to=["b@example.com"],
        cc=["c@example.com"],
        bcc=["d@example.com"],
        fallback="pt-BR",
    )

    assert Content.from_json(content.to_json()) == content
    assert list(content.variants) == ["de", "pt-br"]
