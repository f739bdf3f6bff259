"""
Internal: the system checks of the outbox.
"""

import pytest
from django.test import override_settings

from edx_ace.outbox.checks import check_outbox


def found():
    return [(message.id, message.msg) for message in check_outbox()]


def test_the_defaults_are_fine():
    """
    Nothing has to be set.
    """
    assert found() == []


def test_a_site_without_time_zones_is_told():
    """
    Its moments would be another clock's.
    """
    with override_settings(USE_TZ=False):
        assert found() == [
            ("ace_outbox.E001", "The outbox compares moments with the database's clock, but USE_TZ is False.")
        ]


def test_a_switch_is_on_or_off():
    """
    Text that says so is neither.
    """
    with override_settings(ACE_RECORD_SENDS="no"):
        assert found() == [("ace_outbox.E002", "ACE_RECORD_SENDS must be True or False, given 'no'.")]


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("WINDOW", 0, "int"),
        ("BATCH", "100", "int"),
        ("LEASE_SECONDS", 1.5, "int"),
        ("POLL_SECONDS", -1, "float"),
        ("MAX_ATTEMPTS", True, "int"),
    ],
)
def test_a_setting_that_is_no_number_above_zero_is_an_error(name, value, kind):
    """
    It says what was expected and what was given.
    """
    with override_settings(**{f"ACE_OUTBOX_{name}": value}):
        assert found() == [
            ("ace_outbox.E002", f"ACE_OUTBOX_{name} must be a number above 0 ({kind}), given {value!r}.")
        ]
