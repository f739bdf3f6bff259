"""
Internal: the system checks of the outbox.
"""

import sys

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


def test_a_hand_over_that_outlasts_its_lease_is_an_error():
    """
    Another worker would repeat it meanwhile.
    """
    with override_settings(ACE_OUTBOX_HANDOVER_SECONDS=120):
        [(identifier, text)] = found()

    assert identifier == "ace_outbox.E004"
    assert text.startswith("ACE_OUTBOX_HANDOVER_SECONDS must be below ACE_OUTBOX_LEASE_SECONDS, given 120 and 120")


def test_whether_celery_delivers_is_a_yes_or_a_no():
    """
    Nothing in between.
    """
    with override_settings(ACE_OUTBOX_CELERY="yes"):
        assert found() == [("ace_outbox.E002", "ACE_OUTBOX_CELERY must be True or False, given 'yes'.")]


def test_a_celery_that_knows_no_broker_and_no_sweep_is_reported(use_celery):
    """
    As long as Celery is to deliver.
    """
    use_celery()
    assert found() == []

    with override_settings(ACE_OUTBOX_CELERY=True):
        assert found() == [
            ("ace_outbox.E005", "ACE_OUTBOX_CELERY is on, but no Celery app here says where its broker is."),
            (
                "ace_outbox.W001",
                "ACE_OUTBOX_CELERY is on, but Celery's beat_schedule has no sweep: nothing finds what is to be tried "
                "again, comes due later, or was left behind.",
            ),
        ]


def test_a_celery_that_knows_its_broker_and_the_sweep_is_fine(use_celery):
    """
    Under whatever name the sweep is scheduled.
    """
    schedule = {"outbox": {"task": "edx_ace.outbox.tasks.sweep", "schedule": 10}}
    use_celery(broker_url="memory://", beat_schedule=schedule)

    with override_settings(ACE_OUTBOX_CELERY=True):
        assert found() == []


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        ("14/s", "ACE_RATE_LIMITS must be a dict, given '14/s'."),
        (
            {"djnago_email": "14/s"},
            "ACE_RATE_LIMITS names 'djnago_email', but no installed package provides it under 'openedx.ace.channel'. "
            "Did you mean 'django_email'?",
        ),
        (
            {"django_email": "-14/s"},
            "ACE_RATE_LIMITS['django_email']: Expected a number above 0, a slash and one of s, min, h, day, such as "
            "'14/s, 50000/day'; given '-14/s'.",
        ),
        (
            {"django_email": 14},
            "ACE_RATE_LIMITS['django_email']: Expected a text such as '14/s, 50000/day', given 14.",
        ),
    ],
)
def test_a_rate_limit_that_cannot_be_kept_is_an_error(limits, text):
    """
    It says which.
    """
    with override_settings(ACE_RATE_LIMITS=limits):
        assert found() == [("ace_outbox.E003", text)]


@pytest.mark.parametrize("reserve", [1, -0.1, "0.1", True])
def test_a_reserve_that_leaves_nothing_or_is_no_number_is_an_error(reserve):
    """
    Nothing but essential messages would ever go.
    """
    with override_settings(ACE_RATE_LIMITS_RESERVE=reserve):
        text = f"ACE_RATE_LIMITS_RESERVE must be a number from 0 to below 1, given {reserve!r}."
        assert found() == [("ace_outbox.E003", text)]


def test_a_store_that_is_no_redis_is_an_error():
    """
    The URL may hold a password and is not shown.
    """
    with override_settings(ACE_RATE_LIMITS_REDIS="http://secret@example.com"):
        text = "ACE_RATE_LIMITS_REDIS must be the URL of a Redis database (ValueError)."
        assert found() == [("ace_outbox.E003", text)]


def test_a_missing_library_is_an_error_that_says_what_to_install(monkeypatch):
    """
    The store is not made without it.
    """
    monkeypatch.setitem(sys.modules, "redis", None)
    with override_settings(ACE_RATE_LIMITS_REDIS="redis://127.0.0.1:6379/11"):
        text = 'ACE_RATE_LIMITS_REDIS needs an optional dependency: pip install "edx-ace[ratelimit]"'
        assert found() == [("ace_outbox.E003", text)]


@pytest.mark.parametrize("name", ["POLL_SECONDS", "KEEP_DAYS"])
@pytest.mark.parametrize("value", [float("inf"), 1e12])
def test_a_number_that_no_calendar_has_is_refused(settings, name, value):
    """
    Before it ends a worker.
    """
    setattr(settings, f"ACE_OUTBOX_{name}", value)

    [found] = check_outbox()

    assert (found.id, found.msg) == (
        "ace_outbox.E002",
        f"ACE_OUTBOX_{name} must be at most 1000000, given {value!r}.",
    )
