"""
Internal: the pages of automation in a browser, as ``make test-browser`` runs them.

With ``ACE_SCREENSHOTS=folder`` in the environment a picture of each page is left there, to be looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from edx_ace.testing.smtp import SmtpSink
from tests.browser.campaigns import forbidden
from tests.browser.pages import LOOKS, check
from tests.running_site import RunningSite

#: Fills the calendar, with messages in every state; returns their UUIDs by state, and what is written about.
MAKE = """
from datetime import timedelta
from django.contrib.auth.models import User
from django.utils import timezone
from edx_ace.automation import controller, sending
from edx_ace.automation.models import ScheduledMessage
from edx_ace.outbox.worker import Worker, sweep
from workshops import demo_workshops
from workshops.models import Workshop
demo_workshops.load(timezone.now())
dean = User.objects.get(username="dean")
waiting = ScheduledMessage.objects.filter(state="scheduled", scheduled_at__gt=timezone.now() + timedelta(days=2))
scheduled, cancelled, failed, sent = waiting.filter(action="follow_up").order_by("scheduled_at")[:4]
controller.cancel(cancelled, author=dean, why="The room is gone, and nobody knows of another.")
controller.send_now(sent, dean)
sending.tick()
Worker(once=True).run()
ScheduledMessage.objects.filter(state="enqueued").update(due_at=timezone.now() - timedelta(seconds=1))
sending.tick()
content = {**failed.content, "variants": {"en": {"subject": "{{ nothing }}", "body": "Hello"}}}
ScheduledMessage.objects.filter(pk=failed.pk).update(content=content)
controller.send_now(ScheduledMessage.objects.get(pk=failed.pk), dean)
sending.tick()
Worker(once=True).run()
ScheduledMessage.objects.filter(state="enqueued").update(due_at=timezone.now() - timedelta(seconds=1))
sending.tick()
controller.add_attachment(scheduled, "programme.pdf", b"%PDF-1.7", author=dean)
found = {"scheduled": scheduled, "cancelled": cancelled, "failed": failed, "sent": sent}
answer = {name: str(one.uuid) for name, one in found.items()}
answer["states"] = {name: ScheduledMessage.objects.get(pk=one.pk).state for name, one in found.items()}
answer["workshop"] = scheduled.object_key
"""


@pytest.fixture(scope="module")
def made(site: RunningSite) -> dict[str, Any]:
    """Messages in every state."""
    found: dict[str, Any] = site.run(MAKE)
    assert found["states"] == {
        "scheduled": "scheduled",
        "cancelled": "cancelled",
        "failed": "failed",
        "sent": "succeeded",
    }
    return found


@pytest.fixture
def log_in(site: RunningSite, made: dict[str, Any], open_page: Callable[..., Page]) -> Callable[..., Page]:
    """Return a function that opens a page as its keyword arguments say, with somebody who may do all logged in."""

    def make(**options: Any) -> Page:
        page = open_page(**options)
        # What the policy of a page forbids is said on the console alone.
        page.on("console", lambda message: forbidden(message.text))
        page.goto(f"{site.url}/staff/automation/")
        page.locator("#id_username").fill("dean")
        page.locator("#id_password").fill("dean")
        page.locator("#id_password").press("Enter")
        page.wait_for_url("**/staff/automation/")
        return page

    return make


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_is_accessible(
    site: RunningSite, made: dict[str, Any], log_in: Callable[..., Page], look: str
) -> None:
    """
    In light and dark, on a telephone, from right to left; in each state of a message.
    """
    page = log_in(**LOOKS[look])
    assert page.locator("html").get_attribute("dir") == ("rtl" if "arabic" in look else "ltr")
    states = ("scheduled", "cancelled", "failed", "sent")
    pages = {
        "list": "",
        "list-all": "?state=all",
        "list-nothing": "?search=nothing-like-it",
        "calendar": "calendar/",
        **{f"detail-{state}": f"{made[state]}/" for state in states},
        "edit": f"{made['scheduled']}/edit/",
        "reschedule": f"{made['cancelled']}/reschedule/",
        "cancel": f"{made['scheduled']}/cancel/",
        "conflict": f"{made['sent']}/edit/",
        "templates": "templates/",
        "write": "templates/write/follow_up",
        "versions": "templates/versions/introduce_hosts",
        "simulate": "simulate/?action=follow_up",
        "simulated": f"simulate/?action=follow_up&object={made['workshop']}",
    }
    for name, path in pages.items():
        page.goto(f"{site.url}/staff/automation/{path}")
        check(page, f"automation-{look}-{name}")


def test_from_the_calendar_to_a_message_that_was_changed_and_sent(
    site: RunningSite, made: dict[str, Any], sink: SmtpSink, log_in: Callable[..., Page]
) -> None:
    """
    Found by its day, changed by hand, tried out, sent now by a worker, and shown as it was sent.
    """
    page = log_in(locale="en-GB")
    page.get_by_role("link", name="Calendar").click()
    expect(page.locator(".ace-day[class*='today'], .ace-today")).to_have_count(1)
    page.get_by_role("link", name="Next month").click()
    page.locator(".ace-mark", has_text="A month before a workshop, scheduled").first.click()
    page.locator(".ace-scheduled h2 a").first.click()
    address = page.url

    page.get_by_role("link", name="Change it").click()
    page.get_by_label("Subject").first.fill("{{ workshop.titel }}")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was saved.")
    expect(page.get_by_label("Subject").first).to_have_attribute("aria-invalid", "true")
    check(page, "automation-journey-1-wrong")
    page.get_by_label("Subject").first.fill("By hand: {{ workshop.title }}")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_have_text("Your changes are saved.")
    page.get_by_label("Attach files").set_input_files(
        {"name": "map.txt", "mimeType": "text/plain", "buffer": b"By the harbour."}
    )
    page.get_by_role("button", name="Attach", exact=True).click()
    expect(page.locator(".ace-files")).to_contain_text("map.txt")
    page.get_by_role("button", name="Send me a test").click()
    expect(page.get_by_role("status")).to_have_text("A test is on its way to you.")
    assert sink.messages[-1].email["Subject"].startswith("[Test] By hand")

    page.get_by_role("button", name="Send now").click()
    site.manage("ace_worker", "--once")
    site.manage("ace_worker", "--once")
    page.goto(address)
    check(page, "automation-journey-2-sent")
    expect(page.locator("#letters")).to_have_text("As it was sent")
    expect(page.get_by_role("heading", name=re.compile("By hand"))).to_have_count(page.locator(".ace-letter").count())
    page.get_by_role("link", name="The way of this message").first.click()
    expect(page.get_by_text("What happened")).to_be_visible()


def test_many_are_cancelled_at_once(site: RunningSite, made: dict[str, Any], log_in: Callable[..., Page]) -> None:
    """
    With the keyboard alone: ticked, confirmed, done while the page grows.
    """
    page = log_in(locale="en-GB")
    page.goto(f"{site.url}/staff/automation/?action=introduce_hosts")
    number = page.locator(".ace-scheduled > li").count()
    for tick in page.get_by_role("checkbox").all()[:3]:
        tick.focus()
        page.keyboard.press("Space")
    page.get_by_role("button", name="Cancel").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Why").fill("Rain")
    check(page, "automation-journey-3-many")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("3 messages are done.")
    check(page, "automation-journey-4-done")
    page.get_by_role("link", name="Back to the list").click()

    expect(page.locator(".ace-scheduled > li")).to_have_count(number - 3)


def test_a_template_is_written_with_its_preview_beside_it(
    site: RunningSite, made: dict[str, Any], log_in: Callable[..., Page]
) -> None:
    """
    Which follows what is typed, with what is wrong and where; an older version is gone back to.
    """
    page = log_in(locale="en-GB")
    page.get_by_role("link", name="Templates").click()
    page.get_by_role("link", name="A week after a workshop").click()
    frame = page.frame_locator("iframe")
    expect(frame.locator("strong")).not_to_be_empty()
    body = page.get_by_label("Text", exact=True).first
    body.fill("Thank you, ")
    page.locator(".ace-variables summary", has_text="recipient").click()
    page.get_by_role("button", name="recipient.name", exact=False).first.click()
    expect(body).to_have_value(re.compile(r"Thank you, {{ recipient.name"))
    expect(frame.locator("body")).to_contain_text("Thank you,")
    body.press_sequentially("\n\n{{ workshop.titel }}")
    expect(page.locator("aside .ace-wrongs")).to_contain_text("titel")
    expect(page.locator("aside .ace-wrongs")).to_contain_text("line 3")
    expect(page.locator("#said")).to_have_text("1 problem.")
    check(page, "automation-journey-5-wrong")
    body.fill("Thank you for **{{ workshop.title }}**.")
    expect(page.locator("aside .ace-wrongs")).to_have_count(0)
    check(page, "automation-journey-6-preview")
    page.get_by_role("button", name="Save").last.click()
    expect(page.get_by_role("status").first).to_have_text("This is version 2.")

    page.get_by_role("link", name="version 2").click()
    page.get_by_role("link", name="version 1").click()
    page.get_by_role("button", name="Go back to it").click()
    expect(page.get_by_role("status")).to_have_text("This is version 3.")


def test_all_of_it_works_without_scripts(site: RunningSite, made: dict[str, Any], log_in: Callable[..., Page]) -> None:
    """
    The preview comes by a button.
    """
    page = log_in(locale="en-GB", java_script_enabled=False)
    page.goto(f"{site.url}/staff/automation/templates/write/remind_hosts")
    page.get_by_label("Subject").first.fill("Soon: {{ workshop.title }}")
    page.get_by_role("button", name="Show it").click()
    expect(page.locator("aside .ace-envelope")).to_contain_text("Soon: ")
    page.get_by_label("Another language").select_option("ar")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_label("Subject")).to_have_count(2)
    page.get_by_role("button", name="Without العربيّة").click()
    expect(page.get_by_label("Subject")).to_have_count(1)
    page.get_by_role("button", name="Save").last.click()

    expect(page.get_by_role("status").first).to_have_text("This is version 2.")


def test_a_page_of_the_host_shows_the_messages_about_its_object(
    site: RunningSite, made: dict[str, Any], log_in: Callable[..., Page]
) -> None:
    """
    Each leads to its page.
    """
    page = log_in(locale="en-GB")
    page.goto(f"{site.url}/workshops/{made['workshop']}/")
    page.locator(".ace-related").get_by_role("link").first.click()

    expect(page.locator("#letters")).to_be_visible()
