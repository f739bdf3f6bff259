"""
Internal: the pages of the staff in a browser, as ``make test-browser`` runs them.

With ``ACE_SCREENSHOTS=folder`` in the environment a picture of each page is left there, to be looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.pages import LOOKS, check
from tests.running_site import RunningSite

#: Sends a welcome to each of a dozen learners, of whom one turned it off, one bounces and one cannot be reached;
#: returns the message of each, by what became of it.
SEND = """
from courses import reactions
from courses.messages import Welcome
from courses.models import Learner
from edx_ace import outbox
from edx_ace.outbox.models import Delivery
from edx_ace.outbox.states import State
from edx_ace.outbox.worker import Worker, sweep
from edx_ace.preferences import choose
from edx_ace.tracking import Kind, record_event, suppress
learners = Learner.objects.filter(language="en").order_by("pk")[10:22]
choose(learners[0].recipient, "courses", "email", "off")
suppress(learners[1].email, "complaint", who="test")
welcome = Welcome()
messages = [welcome.for_learner(learner, list(learner.courses.all())) for learner in learners]
outbox.enqueue(messages)
Worker(once=True).run()
rows = {row.payload_id: row for row in Delivery.objects.filter(payload__in=[message.uuid for message in messages])}
reactions.happen(messages[0].send_uuid)
bounced = messages[2]
record_event("campus-mail", Kind.HARD_BOUNCE, address=learners[2].email, message=bounced.uuid, event_id="bounced",
             code="5.1.1", detail="550 5.1.1 The mailbox does not exist.")
failed = rows[messages[3].uuid]
Delivery.objects.filter(pk=failed.pk).update(state=State.FAILED, code="smtp_554", reason="554 5.7.1 Refused by policy.")
waiting = Delivery.objects.filter(pk=rows[messages[4].uuid].pk)
waiting.update(state=State.QUEUED, code="quiet_hours", reason="The person has quiet hours.", finished_at=None)
sweep()
names = ["skipped", "suppressed", "bounced", "failed", "waiting", "sent"]
answer = {name: str(message.uuid) for name, message in zip(names, messages)}
answer["send"] = str(messages[0].send_uuid)
answer["address"] = learners[2].email
"""


@pytest.fixture(scope="module")
def sent(site: RunningSite) -> dict[str, str]:
    """The messages of one send, by what became of them."""
    found: dict[str, str] = site.run(SEND)
    return found


@pytest.fixture
def log_in(site: RunningSite, open_page: Callable[..., Page]) -> Callable[..., Page]:
    """Return a function that opens a page as its keyword arguments say, with the staff logged in."""

    def make(**options: Any) -> Page:
        page = open_page(**options)
        page.goto(f"{site.url}/admin/login/?next=/staff/")
        page.locator("#id_username").fill("staff")
        page.locator("#id_password").fill("staff")
        page.locator("#id_password").press("Enter")
        page.wait_for_url("**/staff/")
        return page

    return make


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_is_accessible(
    site: RunningSite, sent: dict[str, str], log_in: Callable[..., Page], look: str
) -> None:
    """
    In light and dark, on a telephone, from right to left; with much, with little and with nothing on it.
    """
    page = log_in(**LOOKS[look])
    assert page.locator("html").get_attribute("dir") == ("rtl" if "arabic" in look else "ltr")
    pages = {
        "search": "",
        "found-person": f"?q={sent['address']}",
        "found-send": f"?q={sent['send']}",
        "found-nothing": f"?q=nobody-of-{'a-very-long-name' * 5}@example.com",
        **{f"message-{name}": f"{sent[name]}/" for name in ("skipped", "suppressed", "bounced", "failed", "waiting")},
        "copy": f"{sent['sent']}/copy/email/",
        "figures": "figures/",
        "figures-category": "figures/?category=courses&message_type=courses.welcome",
        "figures-send": f"figures/?batch={sent['send']}",
        "figures-empty": "figures/?since=2020-01-01&until=2020-01-30",
        "figures-wrong": "figures/?since=2020-02-01&until=2020-01-30&category=courses",
    }
    for name, path in pages.items():
        page.goto(f"{site.url}/staff/{path}")
        check(page, f"staff-{look}-{name}")


@pytest.mark.parametrize("look", ["light", "arabic-narrow-dark"])
def test_a_drawing_begins_with_its_latest_days(
    site: RunningSite, sent: dict[str, str], log_in: Callable[..., Page], look: str
) -> None:
    """
    Where it is wider than the window, these are what is seen of it, on the side at which its readers end.
    """
    page = log_in(**LOOKS[look])
    page.goto(f"{site.url}/staff/figures/")
    last = page.locator(".ace-chart .ace-bars rect").last.bounding_box()
    first = page.locator(".ace-chart .ace-bars rect").first.bounding_box()
    room = page.locator(".ace-chart-room").bounding_box()
    assert last and first and room

    assert room["x"] <= last["x"] and last["x"] + last["width"] <= room["x"] + room["width"]
    assert (first["x"] < last["x"]) == (look == "light")


def test_what_happened_is_told_from_top_to_bottom(
    site: RunningSite, sent: dict[str, str], log_in: Callable[..., Page]
) -> None:
    """
    Each step below the one before.
    """
    page = log_in()
    page.goto(f"{site.url}/staff/{sent['bounced']}/")
    boxes = [step.bounding_box() for step in page.locator(".ace-step").all()]

    assert len(boxes) >= 3
    for box, following in pairwise(boxes):
        assert box and following and box["x"] == following["x"] and box["y"] + box["height"] <= following["y"] + 1


def test_the_way_to_an_answer_needs_a_keyboard_alone(
    site: RunningSite, sent: dict[str, str], log_in: Callable[..., Page]
) -> None:
    """
    The search has the focus; what is found is reached by the tabulator, and sent again by a key.
    """
    page = log_in(locale="en-GB")
    page.keyboard.type(sent["failed"])
    page.keyboard.press("Enter")
    page.wait_for_url("**/staff/?q=*")
    reach(page, "courses.welcome")
    page.keyboard.press("Enter")
    page.wait_for_url("**/staff/*-*/")
    reach(page, "Send again")
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) == "solid"
    page.keyboard.press("Enter")

    page.get_by_text("It is queued again.").wait_for()
    check(page, "staff-sent-again")


def reach(page: Page, text: str) -> None:
    """Press the tabulator until what says *text* has the focus."""
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText") == text:
            return
    raise AssertionError(f"The tabulator does not reach {text!r}.")


def test_all_of_it_works_without_scripts(site: RunningSite, sent: dict[str, str], log_in: Callable[..., Page]) -> None:
    """
    The search, the figures and what they can be narrowed to, and taking them along.
    """
    page = log_in(java_script_enabled=False, locale="en-GB")
    page.get_by_role("searchbox").fill(sent["address"])
    page.get_by_role("button", name="Look up").click()
    assert "bounced" in page.locator(".ace-result").first.inner_text()
    page.get_by_role("link", name="Figures").click()
    page.get_by_label("Category", exact=True).select_option("courses")
    page.get_by_role("button", name="Show").click()
    assert page.get_by_label("Category", exact=True).input_value() == "courses"
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert download.value.suggested_filename == "figures.csv"
    assert "courses.welcome" in download.value.path().read_text()


#: What axe finds on every page of Django's admin: the label of its search is an icon, and a column of its tables has no
#: name.
OF_THE_ADMIN = {"rules": {"label-title-only": {"enabled": False}, "empty-table-header": {"enabled": False}}}

#: Leaves the channel alone, as it fails, and suppresses the longest of addresses by hand.
TROUBLE = """
from datetime import timedelta
from django.utils import timezone
from edx_ace.outbox.models import Circuit, Delivery
from edx_ace.tracking import suppress
from edx_ace.tracking.models import ProviderEvent, Suppression
now = timezone.now()
since, pause = now - timedelta(minutes=12), timedelta(minutes=4)
Circuit.objects.create(channel="django_email", opened_at=since, probe_at=now + pause, pause=pause, code="channel_down")
suppress("a-very-long-name@" + "department." * 5 + "example.com", "manual", who="carol", why="Asked by telephone.",
         category="courses")
answer = {
    "failed": Delivery.objects.get(state="failed").pk,
    "suppression": Suppression.objects.latest("pk").pk,
    "event": ProviderEvent.objects.latest("pk").pk,
}
"""


@pytest.fixture(scope="module")
def trouble(site: RunningSite, sent: dict[str, str]) -> dict[str, int]:
    """The keys of what operators look at."""
    found: dict[str, int] = site.run(TROUBLE)
    return found


@pytest.mark.parametrize("look", LOOKS)
def test_what_operators_see_in_the_admin_is_accessible(
    site: RunningSite, trouble: dict[str, int], log_in: Callable[..., Page], look: str
) -> None:
    """
    Deliveries below an open circuit, suppressions and providers' events; each list and each page fits the window.
    """
    page = log_in(**LOOKS[look])
    pages = {
        "outbox": "ace_outbox/delivery/",
        "delivery": f"ace_outbox/delivery/{trouble['failed']}/change/",
        "suppressions": "ace_tracking/suppression/",
        "suppression": f"ace_tracking/suppression/{trouble['suppression']}/change/",
        "suppress": "ace_tracking/suppression/add/",
        "events": "ace_tracking/providerevent/",
        "event": f"ace_tracking/providerevent/{trouble['event']}/change/",
    }
    for name, path in pages.items():
        page.goto(f"{site.url}/admin/{path}")
        check(page, f"staff-{look}-admin-{name}", OF_THE_ADMIN)
        # Whoever has to scroll a table sideways does not see what is at its end.
        assert page.evaluate(
            "[...document.querySelectorAll('.results')].every(room => room.scrollWidth <= room.clientWidth)"
        ), f"The table of {name} is wider than its room."


def test_a_suppression_is_lifted_where_it_is_read(
    site: RunningSite, trouble: dict[str, int], log_in: Callable[..., Page]
) -> None:
    """
    The list says so.
    """
    page = log_in(locale="en-GB")
    page.goto(f"{site.url}/admin/ace_tracking/suppression/{trouble['suppression']}/change/")
    page.get_by_role("button", name="Lift").click()

    page.get_by_text("1 suppression is lifted.").wait_for()
