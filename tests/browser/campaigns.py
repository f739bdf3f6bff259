"""
Internal: the pages of campaigns in a browser, as ``make test-browser`` runs them.

With ``ACE_SCREENSHOTS=folder`` in the environment a picture of each page is left there, to be looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page

from edx_ace.testing.smtp import SmtpSink
from tests.browser.pages import check
from tests.running_site import RunningSite

NARROW = {"width": 375, "height": 740}

#: How the pages are looked at: the options of a browser.
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "locale": "en-GB"},
    "dark": {"color_scheme": "dark", "locale": "en-GB"},
    "narrow": {"viewport": NARROW, "locale": "de"},
    "arabic": {"locale": "ar"},
    "arabic-narrow-dark": {"viewport": NARROW, "color_scheme": "dark", "locale": "ar"},
}

#: Makes campaigns in every state, of which one is sent; returns their UUIDs by state.
MAKE = """
from django.contrib.auth.models import User
from courses import reactions
from edx_ace.campaigns import editing, operations
from edx_ace.campaigns.models import Campaign
from edx_ace.outbox.worker import Worker, sweep
ingrid = User.objects.get(username="instructor")
texts = [
    {"language": "en", "subject": "The notes of week 3 are here", "preheader": "With answers to your questions",
     "source": "<h2>Week 3</h2><p>Good morning {{ first_name|everybody }},</p><p>the notes are "
               '<a href="https://campus.example/notes">on the page of the course</a>.</p><ul><li>Means</li></ul>'},
    {"language": "ar", "subject": "ملاحظات الأسبوع الثالث", "source": "<p>صباح الخير {{ first_name }}</p>"},
]
def make(name, **fields):
    given = {"variants": texts, "parts": [{"audience": "learners"}], "from_name": "Ingrid Solheim", **fields}
    return editing.create(ingrid, scope="course:statistics-for-the-curious", name=name, **given)
def schedule(campaign, accept=("missing_language", "insecure_link", "missing_value", "no_unsubscribe")):
    from edx_ace.campaigns.forecasting import forecast
    forecast(ingrid, campaign)
    return operations.schedule(ingrid, campaign, version=campaign.version, accept=accept)
sent = schedule(make("Notes of week 3"))
Worker(once=True).run()
sweep()
reactions.happen(sent.uuid)
sweep()
paused = schedule(make("A reminder to everybody", rate="6/min"))
sweep()
operations.pause(ingrid, Campaign.objects.get(pk=paused.pk), "A date is wrong.")
later = schedule(make("Before the course ends", timing="at", wall_time="2095-05-05T10:00", zone="Europe/Dublin"))
sending = schedule(make("Still on its way", rate="6/min"))
sweep()
draft = make("Office hours", variants=[{**texts[0], "source": '<p><a href="http://a.example/">Here</a></p>'}, texts[1]],
             parts=[{"audience": "learners"}, {"audience": "myself", "is_excluded": True}])
found = {"sent": sent, "paused": paused, "scheduled": later, "sending": sending, "draft": draft}
answer = {name: str(one.uuid) for name, one in found.items()}
"""


@pytest.fixture(scope="module")
def sink() -> Iterator[SmtpSink]:
    """Takes the mail of the site."""
    with SmtpSink() as sink:
        yield sink


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, sink: SmtpSink) -> Iterator[RunningSite]:
    """The demo site, whose mail arrives."""
    with RunningSite(tmp_path_factory.mktemp("site"), smtp_port=sink.port) as site:
        yield site


@pytest.fixture(scope="module")
def made(site: RunningSite) -> dict[str, str]:
    """Campaigns in every state."""
    found: dict[str, str] = site.run(MAKE)
    return found


@pytest.fixture
def log_in(site: RunningSite, open_page: Callable[..., Page]) -> Callable[..., Page]:
    """Return a function that opens a page as its keyword arguments say, with somebody who teaches logged in."""

    def make(**options: Any) -> Page:
        page = open_page(**options)
        # What the policy of a page forbids is said on the console alone.
        page.on("console", lambda message: forbidden(message.text))
        page.goto(f"{site.url}/staff/campaigns/")
        page.locator("#id_username").fill("instructor")
        page.locator("#id_password").fill("instructor")
        page.locator("#id_password").press("Enter")
        page.wait_for_url("**/staff/campaigns/")
        return page

    return make


def forbidden(text: str) -> None:
    assert "Content Security Policy" not in text, text


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_is_accessible(
    site: RunningSite, made: dict[str, str], log_in: Callable[..., Page], look: str
) -> None:
    """
    In light and dark, on a telephone, from right to left; in each state of a campaign.
    """
    page = log_in(**LOOKS[look])
    assert page.locator("html").get_attribute("dir") == ("rtl" if "arabic" in look else "ltr")
    pages = {
        "list": "",
        "list-nothing": "?state=failed",
        "new": "new/",
        **{f"detail-{state}": f"{uuid}/" for state, uuid in made.items()},
        "write": f"{made['draft']}/write/",
        "preview": f"{made['draft']}/preview/",
        "send": f"{made['draft']}/send/",
        "send-scheduled": f"{made['scheduled']}/send/",
        "recipients": f"{made['sent']}/recipients/",
        "recipients-nobody": f"{made['sent']}/recipients/?search=nobody@example.com",
        "cancel": f"{made['sending']}/cancel/",
        "conflict": f"{made['sent']}/write/",
    }
    for name, path in pages.items():
        page.goto(f"{site.url}/staff/campaigns/{path}")
        check(page, f"campaigns-{look}-{name}")
