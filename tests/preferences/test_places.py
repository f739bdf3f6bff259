"""
Internal: the host says where people are and what they read.
"""

from zoneinfo import ZoneInfo

import pytest

from edx_ace import Recipient
from edx_ace.errors import ConfigurationError
from edx_ace.preferences.places import Place, places_of, zones_of
from tests.pipeline import welcome

HERE = "tests.preferences.test_places."
ANN, BOB = Recipient(7, "ann@example.com"), Recipient(8, "bob@example.com")

calls = []


def of_ann_alone(recipients):
    calls.append(recipients)
    return [("Asia/Tokyo", "ja") if one == ANN else (None, None) for one in recipients]


def in_objects(recipients):
    return [[ZoneInfo("Asia/Tokyo"), ""] for _ in recipients]


def too_few(recipients):
    return []


def none_at_all(recipients):
    return None


def no_pairs(recipients):
    return ["Asia/Tokyo" for _ in recipients]


def test_without_a_hook_everybody_is_where_the_site_is(settings):
    """
    As Django's settings have it.
    """
    settings.TIME_ZONE, settings.LANGUAGE_CODE = "Europe/Paris", "fr"

    assert places_of([ANN, BOB]) == [Place(ZoneInfo("Europe/Paris"), "fr")] * 2


def test_the_host_is_asked_once_for_many(settings):
    """
    Of whom it knows nothing, the site's own count.
    """
    settings.TIME_ZONE, settings.ACE_PEOPLE = "Europe/Paris", HERE + "of_ann_alone"
    calls.clear()

    assert places_of([ANN, BOB]) == [Place(ZoneInfo("Asia/Tokyo"), "ja"), Place(ZoneInfo("Europe/Paris"), "en")]
    assert calls == [[ANN, BOB]]


def test_time_zones_may_be_objects(settings):
    """
    An empty text is as good as None.
    """
    settings.ACE_PEOPLE = HERE + "in_objects"

    assert places_of([ANN]) == [Place(ZoneInfo("Asia/Tokyo"), "en")]


def test_messages_to_nobody_are_where_the_site_is(settings):
    """
    The hook gets a recipient for each.
    """
    settings.ACE_PEOPLE = HERE + "of_ann_alone"

    assert zones_of([welcome(recipient=None), welcome()]) == [ZoneInfo(settings.TIME_ZONE), ZoneInfo("Asia/Tokyo")]


@pytest.mark.parametrize("hook", ["too_few", "none_at_all", "no_pairs"])
def test_a_hook_that_answers_otherwise_is_an_error_that_says_what_is_expected(settings, hook):
    """
    And names the setting.
    """
    settings.ACE_PEOPLE = HERE + hook

    with pytest.raises(ConfigurationError, match="ACE_PEOPLE must return"):
        places_of([ANN])
