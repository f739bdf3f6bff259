"""
Internal: the endpoints as a site has them: over HTTP, with its own settings, and without what they need.
"""

from __future__ import annotations

import subprocess
import sys

import pytest
import requests
from django.apps import apps
from django.core.cache import cache
from rest_framework.throttling import UserRateThrottle

from edx_ace.api.base import Endpoint
from edx_ace.errors import MissingExtraError
from edx_ace.outbox.worker import Worker, sweep
from tests.api.conftest import TEXT


@pytest.mark.django_db(transaction=True)
def test_a_campaign_goes_from_a_draft_to_its_last_recipient(live_server, ann, pupils, site):
    """
    A program does it all over HTTP, as a user of the site.
    """
    url = f"{live_server.url}/api/"
    with requests.Session() as session:
        session.auth = ("a-ann", "secret")
        session.trust_env = False

        draft = session.post(
            url,
            json={"scope": "a", "name": "Terms", "variants": [TEXT], "parts": [{"audience": "pupils"}]},
            headers={"Idempotency-Key": "one"},
        ).json()
        own = f"{url}{draft['id']}/"
        changed = session.patch(own, json={"version": draft["version"], "from_name": "School"}).json()
        warnings = session.get(f"{own}preflight/").json()["problems"]
        accept = [one["code"] for one in warnings]
        scheduled = session.post(f"{own}schedule/", json={"version": changed["version"], "accept": accept})
        late = session.patch(own, json={"version": draft["version"], "name": "Too late"})

        Worker(once=True).run()
        while sweep()[1]:
            pass

        ended = session.get(own).json()
        progress = session.get(f"{own}progress/").json()
        lines = session.get(f"{own}recipients.csv").text.splitlines()

    assert scheduled.json()["state"] == "scheduled"
    assert (late.status_code, late.headers["Content-Type"]) == (409, "application/problem+json")
    assert (ended["state"], ended["recipients"]) == ("sent", 3)
    assert progress["numbers"] == {"sent": 3}
    assert len(lines) == 4
    assert {one.recipient.email_address for one in site.delivered} == {one.email for one in pupils}


class Twice(UserRateThrottle):
    """Two requests a day."""

    rate = "2/day"


@pytest.mark.django_db
def test_the_sites_throttle_counts(client_of, ann, monkeypatch):
    """
    Whoever asks too often is told when to come again.
    """
    monkeypatch.setattr(Endpoint, "throttle_classes", [Twice])
    cache.clear()
    client = client_of(ann)

    answers = [client.get("/api/") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json()["code"] == "throttled"
    assert int(answers[2]["Retry-After"]) > 0


def test_without_the_extra_the_app_says_what_to_install(monkeypatch):
    """
    A site that installs it is told the exact command.
    """
    monkeypatch.setitem(sys.modules, "drf_spectacular", None)

    with pytest.raises(MissingExtraError, match=r'^edx_ace.api needs .*: pip install "edx-ace\[api\]"$'):
        apps.get_app_config("ace_api").ready()


@pytest.mark.parametrize("urls", ["edx_ace.api.urls", "edx_ace.api.automation.urls"])
def test_without_the_extra_the_addresses_say_what_to_install(urls):
    """
    So is one that only includes them.
    """
    program = f"import sys; sys.modules['rest_framework'] = None; import {urls}"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert 'MissingExtraError: edx_ace.api needs an optional dependency: pip install "edx-ace[api]"' in done.stderr


#: A site with one of the sub-apps alone, which writes the schema of its endpoints.
ALONE = """
import sys, django
from django.conf import settings

apps = ["django.contrib.auth", "django.contrib.contenttypes", "edx_ace", "edx_ace.outbox", "edx_ace.api"]
apps += ["drf_spectacular", sys.argv[1]]
settings.configure(SECRET_KEY="x", ROOT_URLCONF=sys.argv[2], INSTALLED_APPS=apps, USE_TZ=True)
django.setup()
from django.core.management import call_command

call_command("spectacular", urlconf=sys.argv[2], custom_settings=sys.argv[3], fail_on_warn=True, skip_checks=True)
"""


@pytest.mark.parametrize(
    ("app", "urls", "custom", "other"),
    [
        ("edx_ace.campaigns", "edx_ace.api.urls", "edx_ace.api.schema.SETTINGS", "x-permissions"),
        (
            "edx_ace.automation",
            "edx_ace.api.automation.urls",
            "edx_ace.api.automation.describing.SETTINGS",
            "schedule_campaign",
        ),
    ],
)
def test_a_site_has_the_endpoints_of_what_it_has(app, urls, custom, other):
    """
    Campaigns' without automation, and automation's without campaigns.
    """
    done = subprocess.run([sys.executable, "-c", ALONE, app, urls, custom], capture_output=True, text=True, check=False)

    assert (done.returncode, other in done.stdout, "operationId" in done.stdout) == (0, False, True), done.stderr
