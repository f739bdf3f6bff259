"""
Internal: a process that is killed while it starts a campaign, and another that goes on.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection

from edx_ace.campaigns.expanding import expand
from edx_ace.campaigns.models import Campaign, Resolution
from edx_ace.campaigns.resolving import resolve
from edx_ace.outbox import State, status
from edx_ace.outbox.models import Delivery
from tests.pipeline import always

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).parents[2]


def kill(campaign, what, number):
    """Let another process do *what* until it dies at that person."""
    command = [sys.executable, "-m", "tests.campaigns.killed", connection.settings_dict["NAME"], str(campaign.pk), what]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    done = subprocess.run(
        [*command, str(number)], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_whom_a_killed_process_has_found_are_there_and_the_others_are_found(resolution, accounts):
    """
    After 137 of 1,000, while some leave and some join.
    """
    accounts(1000)
    found = resolution("accounts")

    kill(found.campaign, "resolve", 137)
    assert found.members.count() == 100
    User.objects.filter(username__in=["user000010", "user000500"]).delete()
    accounts(1, "late")
    resolve(Resolution.objects.get(pk=found.pk), always)

    found.refresh_from_db()
    assert found.numbers == {"": 1000}
    addresses = set(found.members.values_list("address", flat=True))
    assert "user500@example.com" not in addresses
    assert {"user10@example.com", "user999@example.com", "late0@example.com"} <= addresses


def test_what_a_killed_process_has_put_into_the_outbox_is_there_once(resolution, accounts):
    """
    After 137 of 1,000.
    """
    accounts(1000)
    found = resolution("accounts")
    resolve(found, always)

    kill(found.campaign, "expand", 137)
    assert Delivery.objects.count() == 100
    campaign = Campaign.objects.get(pk=found.campaign.pk)
    assert expand(campaign, always) is True

    assert status(batch=campaign.uuid).states == {State.QUEUED: 1000}
    assert Delivery.objects.values("address").distinct().count() == Delivery.objects.count() == 1000
