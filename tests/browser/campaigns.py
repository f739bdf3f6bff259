"""
Internal: the pages of campaigns in a browser, as ``make test-browser`` runs them.

With ``ACE_SCREENSHOTS=folder`` in the environment a picture of each page is left there, to be looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from edx_ace.testing.smtp import SmtpSink
from tests.browser.pages import LOOKS, check
from tests.running_site import RunningSite

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


#: A picture of one red dot.
DOT = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"><circle cx="20" cy="15" r="9" fill="#c00"/></svg>'


def test_pictures_are_put_in_by_their_address(site: RunningSite, log_in: Callable[..., Page]) -> None:
    """
    From hosts that are allowed; what they show in words stays when the text is changed, and in Markdown.
    """
    page = log_in(locale="en-GB")
    address = "https://pictures.campus.example/dot.svg"
    page.route(
        "https://pictures.campus.example/**", lambda route: route.fulfill(body=DOT, content_type="image/svg+xml")
    )
    page.goto(f"{site.url}/staff/campaigns/new/")
    page.get_by_label("Name").fill("A picture")
    page.get_by_role("button", name="Write it").click()
    page.get_by_label("Subject").fill("Look")
    editor = page.locator("trix-editor")
    editor.click()
    page.keyboard.type("Before")

    page.get_by_role("button", name="Picture").click()
    page.get_by_label("Address of the picture").fill("https://elsewhere.example/dot.svg")
    page.get_by_role("button", name="Insert").click()
    expect(editor.locator("img")).to_have_count(0)
    page.get_by_label("Address of the picture").fill(address)
    page.get_by_label("What it shows, in words").fill('A "red" dot')
    check(page, "campaigns-picture")
    page.keyboard.press("Enter")
    expect(editor.locator("img")).to_have_attribute("src", address)
    page.keyboard.type(" and after")

    for _ in range(2):
        page.get_by_role("button", name="Save and preview").click()
        seen = page.frame_locator("iframe.ace-in-light")
        expect(seen.locator("img")).to_have_attribute("alt", 'A "red" dot')
        expect(seen.locator("img")).to_have_attribute("src", address)
        expect(seen.locator("body")).to_contain_text("Before and after")
        page.get_by_role("link", name="Write", exact=True).click()
        expect(editor.locator("img")).to_have_attribute("alt", 'A "red" dot')
    page.get_by_role("radio", name="Markdown").check(force=True)
    in_markdown = re.compile(rf'Before\s*!\[A "red" dot\]\({re.escape(address)}\)\s+and after\s*')
    expect(page.get_by_label("Text", exact=True)).to_have_value(in_markdown)


def test_from_log_in_to_a_finished_campaign(
    site: RunningSite, made: dict[str, str], sink: SmtpSink, log_in: Callable[..., Page]
) -> None:
    """
    Written with the editor, looked at, tried out, checked, sent by a worker, and followed while it goes.
    """
    page = log_in(locale="en-GB")
    page.get_by_role("link", name="New campaign").click()
    page.get_by_label("Name").fill("Welcome to the course")
    page.get_by_label("Belongs to").select_option(label="Statistics for the Curious")
    page.get_by_role("button", name="Write it").click()

    page.get_by_label("Subject").fill("Welcome, ")
    page.get_by_role("group", name="Keywords").first.get_by_role("button", name="First name").click()
    expect(page.get_by_label("Subject")).to_have_value("Welcome, {{ first_name }}")
    page.get_by_label("Add a group").select_option(label="All learners")
    page.get_by_role("button", name="Include").click()
    expect(page.locator(".ace-part h3")).to_have_text("All learners")
    editor = page.locator("trix-editor")
    editor.click()
    page.keyboard.type("The course begins on Monday.")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Bullets").click()
    page.keyboard.type("Bring a pencil")
    check(page, "journey-1-write")

    page.get_by_role("button", name="Save and preview").click()
    frame = page.frame_locator("iframe.ace-in-light")
    expect(frame.locator("li")).to_have_text("Bring a pencil")
    page.get_by_label("Look for a recipient").fill("rohan")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("link", name=re.compile("rohan")).first.click()
    expect(page.locator(".ace-envelope strong")).to_have_text("Welcome, रोहन")
    page.get_by_label("Telephone").check(force=True)
    page.get_by_label("Dark").check(force=True)
    expect(page.frame_locator("iframe.ace-in-dark").locator("li")).to_be_visible()
    check(page, "journey-2-preview")
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_role("status")).to_have_text("A test is on its way to you.")

    page.get_by_role("link", name="Check and send").click()
    page.get_by_role("button", name="Count them").click()
    expect(page.locator("#count strong")).to_have_text("56 recipients")
    expect(page.locator("#count dl")).to_contain_text("turned this category off")
    for tick in page.get_by_role("checkbox").all():
        tick.check()
    check(page, "journey-3-send")
    page.get_by_role("button", name="Send it").click()
    expect(page.locator("h1")).to_have_text("Welcome to the course")
    check(page, "journey-4-waits")

    # The second finds that nothing is left to do.
    site.manage("ace_worker", "--once")
    site.manage("ace_worker", "--once")
    # The page goes on by itself.
    expect(page.locator(".ace-heading .ace-badge")).to_have_text("sent", timeout=30_000)
    expect(page.locator("#progress")).to_contain_text("58 of 58")
    check(page, "journey-5-sent")
    subjects = [one.email["Subject"] for one in sink.messages]
    assert sum(subject.startswith("Welcome,") for subject in subjects) == 56
    expect(page.frame_locator("iframe").locator("li")).to_have_text("Bring a pencil")
    page.locator("iframe").scroll_into_view_if_needed()
    page.get_by_role("link", name="Recipients").click()
    expect(page.get_by_role("row")).to_have_count(51)


def test_paragraphs_stay_paragraphs(site: RunningSite, made: dict[str, str], log_in: Callable[..., Page]) -> None:
    """
    What was written comes out of the editor as it went in, and the return key begins another.
    """
    page = log_in(locale="en-GB")
    page.goto(f"{site.url}/staff/campaigns/{made['scheduled']}/write/")
    source = page.locator("textarea[data-editor]").first
    expect(source).to_be_hidden()
    before = source.input_value()
    assert before.startswith("<h2>Week 3</h2><p>Good morning {{ first_name|everybody }},</p><p>the notes are <a href=")

    page.locator("trix-editor").first.click()
    page.keyboard.press("Control+End")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.keyboard.type("One")
    page.keyboard.press("Enter")
    page.keyboard.type("Two")
    assert source.input_value() == f"{before}<p>One</p><p>Two</p>"
    page.get_by_role("button", name="Save", exact=True).last.click()


def test_all_of_it_works_without_scripts(site: RunningSite, made: dict[str, str], log_in: Callable[..., Page]) -> None:
    """
    A form with text areas does the same.
    """
    page = log_in(locale="en-GB", java_script_enabled=False)
    page.get_by_role("link", name="New campaign").click()
    page.get_by_label("Name").fill("By hand")
    page.get_by_role("button", name="Write it").click()
    page.get_by_label("Add a group").select_option(label="Myself")
    page.get_by_role("button", name="Include").click()
    page.get_by_label("Subject").fill("Hello")
    page.get_by_label("Markdown").check(force=True)
    page.get_by_label("Text", exact=True).fill("It is **easy**.")
    page.get_by_role("button", name="Save and check").click()
    page.get_by_role("button", name="Count them").click()
    page.get_by_role("button", name="Send it").click()

    expect(page.get_by_role("status").first).to_have_text("It is on its way.")
    site.manage("ace_worker", "--once")
    page.reload()
    expect(page.locator("#progress")).to_contain_text("1 of 1")


def test_all_of_it_works_with_the_keyboard(
    site: RunningSite, made: dict[str, str], log_in: Callable[..., Page]
) -> None:
    """
    Arrows change the language; the Tab key leaves the editor.
    """
    page = log_in(locale="en-GB")
    page.goto(f"{site.url}/staff/campaigns/{made['draft']}/write/")
    english, arabic = page.get_by_role("tab").all()

    english.focus()
    page.keyboard.press("ArrowRight")
    expect(arabic).to_be_focused()
    expect(page.get_by_label("Subject").locator("visible=true")).to_have_attribute("dir", "rtl")
    page.keyboard.press("ArrowLeft")
    page.locator("trix-editor").first.focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "BUTTON"
