"""
Internal: what docs/howto/limit-what-people-get.rst says is done here with its own blocks.
"""

import re
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace

import pytest
from django.test import override_settings

from edx_ace import Recipient
from edx_ace.preferences import Taking, quiet_hours_of, taking
from edx_ace.preferences.checks import check_settings
from edx_ace.preferences.places import places_of
from edx_ace.preferences.transfer import import_choices

PAGE = Path(__file__).parents[2] / "docs/howto/limit-what-people-get.rst"

pytestmark = pytest.mark.django_db

ANN = Recipient(7, "ann@example.com")


def blocks(language):
    """Return the blocks of the page in *language*."""
    found = re.findall(
        rf"^\.\. code-block:: {language}\n(?:   :caption: .*\n)?\n((?:(?:   .*)?\n)+)",
        PAGE.read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    return [dedent(block) for block in found]


@pytest.fixture
def page():
    """The names that the blocks of the page define."""
    profiles = SimpleNamespace(in_bulk=lambda ids: {7: SimpleNamespace(time_zone="Asia/Tokyo", language="ja")})
    names = {"recipient": ANN, "Profile": SimpleNamespace(objects=profiles)}
    policies = []
    for block in blocks("python"):
        exec(block, names)  # our own page
        # An ellipsis stands for what was there before.
        policies += [one for one in names.pop("ACE_ENABLED_POLICIES", ()) if one is not ...]
    names["ACE_ENABLED_POLICIES"] = policies
    return SimpleNamespace(**names)


def places(recipients):
    """What the page calls shop.people.places."""
    return places.of_the_page(recipients)


def test_its_settings_are_fine(page):
    """
    All but the names of plug-ins, which nobody has installed.
    """
    names = {name: value for name, value in vars(page).items() if name.startswith("ACE_")}
    assert {"ACE_PEOPLE", "ACE_QUIET_HOURS", "ACE_FREQUENCY_CAPS", "ACE_DIGEST_TIME"} <= names.keys()

    with override_settings(**{**names, "ACE_PEOPLE": f"{__name__}.places"}):
        assert [message.msg for message in check_settings()] == [
            "ACE_SEND_TIME names 'after_lunch', but no installed package provides it under 'openedx.ace.send_time'."
        ]


def test_its_hook_says_where_people_are(page, settings):
    """
    One that it does not know is where the site is.
    """
    places.of_the_page = page.places
    settings.ACE_PEOPLE = "tests.preferences.test_howto.places"

    known, unknown = places_of([ANN, Recipient(None, "bob@example.com")])

    assert (known.zone.key, known.language) == ("Asia/Tokyo", "ja")
    assert (unknown.zone.key, unknown.language) == (settings.TIME_ZONE, settings.LANGUAGE_CODE)


def test_it_chooses(page):
    """
    Its last word on quiet hours is never.
    """
    assert quiet_hours_of(ANN) is None
    assert taking(ANN, "news", "email") is Taking.DAILY


def test_its_csv_can_be_imported(tmp_path):
    """
    Each row of it.
    """
    [text] = [block for block in blocks("text") if block.startswith("person,")]
    (tmp_path / "opt-outs.csv").write_text(text)

    with (tmp_path / "opt-outs.csv").open(newline="") as file:
        assert import_choices(file) == 3

    assert taking("7", "news", "email") is Taking.OFF
    assert taking(Recipient(None, "ann@example.com"), "news", "email") is Taking.OFF
    assert taking("8", "news", "email", scope="course:1") is Taking.DAILY
