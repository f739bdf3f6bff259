"""
Internal: tests of `edx_ace.content.apply`.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stevedore import ExtensionManager

from edx_ace import content
from edx_ace.errors import ConfigurationError
from edx_ace.utils import plugins

from .conftest import MakeParcel

STEPS = ["shout", "exclaim", "refuse_bad", "lose_bad", "reverse", "forget_to_return"]


@pytest.fixture
def installed_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Installs a distribution that provides the steps of `tests.content.steps`."""
    metadata = tmp_path / "steps-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: steps\nVersion: 1.0\n")
    lines = "".join(f"{name} = tests.content.steps:{name}\n" for name in STEPS)
    (metadata / "entry_points.txt").write_text(f"[{content.CONTENT_STEP_NAMESPACE}]\n{lines}")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(ExtensionManager, "ENTRY_POINT_CACHE", {})
    plugins.load.cache_clear()
    plugins.known_names.cache_clear()
    yield
    plugins.load.cache_clear()
    plugins.known_names.cache_clear()


@pytest.fixture(autouse=True)
def _installed(installed_steps: None) -> None:
    pass


def bodies(results: list[Any]) -> list[Any]:
    return [result if isinstance(result, Exception) else result.rendered.body for result in results]


def test_without_steps_parcels_stay_the_very_same(email: MakeParcel) -> None:
    """
    A site that configures no step gets back what it gave.
    """
    parcel = email(body="hello")

    assert content.apply([parcel])[0] is parcel


def test_steps_run_in_the_order_of_the_setting(email: MakeParcel, settings: Any) -> None:
    """
    The first name is applied first, and a changed setting counts at once.
    """
    settings.ACE_CONTENT_STEPS = ["exclaim", "shout"]
    assert bodies(content.apply([email(body="hello")])) == ["HELLO!A"]

    settings.ACE_CONTENT_STEPS = ["shout", "exclaim"]
    assert bodies(content.apply([email(body="hello")])) == ["HELLO!a"]


def test_a_step_leaves_the_original_as_it_was(email: MakeParcel, settings: Any) -> None:
    """
    What a step changes is a copy.
    """
    settings.ACE_CONTENT_STEPS = ["shout"]
    parcel = email(body="hello")

    content.apply([parcel])

    assert parcel.rendered.body == "hello"


def test_only_the_parcel_that_a_step_cannot_change_fails(email: MakeParcel, settings: Any) -> None:
    """
    The others go on to the next step; the error says which step it was and is logged by nobody here.
    """
    settings.ACE_CONTENT_STEPS = ["refuse_bad", "exclaim"]

    good, bad, other = content.apply([email(body="one"), email(body="bad"), email(body="three")])

    assert bodies([good, other]) == ["ONE!a", "THREE!a"]
    assert isinstance(bad, ValueError)
    assert bad.__notes__ == ["in content step 'refuse_bad'"]


@pytest.mark.parametrize("step", ["lose_bad", "forget_to_return"])
def test_a_step_that_loses_a_parcel_is_named(step: str, email: MakeParcel, settings: Any) -> None:
    """
    The error says what was expected and what came.
    """
    settings.ACE_CONTENT_STEPS = [step]

    result = content.apply([email(body="bad")])[0]

    assert isinstance(result, ConfigurationError)
    assert str(result) == (
        f"Content step '{step}' was given 1 parcel(s) and returned 0, or in another order. "
        "It must return one parcel for each, in the same order."
    )


def test_a_step_that_loses_one_parcel_of_a_batch_fails_that_one(email: MakeParcel, settings: Any) -> None:
    """
    No message gets the content of another, and the others are not affected.
    """
    settings.ACE_CONTENT_STEPS = ["lose_bad"]

    results = bodies(content.apply([email(body="one"), email(body="bad"), email(body="three")]))

    assert (results[0], type(results[1]), results[2]) == ("one", ConfigurationError, "three")


def test_a_step_that_changes_the_order_never_mixes_messages_up(email: MakeParcel, settings: Any) -> None:
    """
    Each result belongs to the parcel at its place.
    """
    settings.ACE_CONTENT_STEPS = ["reverse"]

    assert bodies(content.apply([email(body="one"), email(body="two")])) == ["one", "two"]


def test_an_unknown_step_is_logged_with_a_suggestion_and_left_out(
    email: MakeParcel, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """
    The other steps are applied.
    """
    settings.ACE_CONTENT_STEPS = ["shoud", "exclaim"]

    with caplog.at_level(logging.ERROR):
        results = content.apply([email(body="hello")])

    assert bodies(results) == ["hello!a"]
    assert "names 'shoud', but no installed package provides it under 'openedx.ace.content_step'" in caplog.text
    assert "Did you mean 'shout'?" in caplog.text
