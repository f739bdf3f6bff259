"""
Internal: the pages for recipients in a browser, as ``make test-browser`` runs them.

With ``ACE_SCREENSHOTS=folder`` in the environment a picture of each page is left there, to be looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.pages import check
from tests.running_site import RunningSite

#: How a page is looked at: the options of a browser, and the language of the message that links to it.
LOOKS: dict[str, tuple[dict[str, Any], str]] = {
    "light": ({"color_scheme": "light"}, "en"),
    "dark": ({"color_scheme": "dark"}, "en"),
    "narrow": ({"viewport": {"width": 360, "height": 740}}, "de"),
    "arabic": ({}, "ar"),
    "arabic-narrow-dark": ({"viewport": {"width": 360, "height": 740}, "color_scheme": "dark"}, "ar"),
    "japanese": ({}, "ja"),
}

#: Puts a welcome into the outbox for a learner of a language and returns the paths of its links.
ENQUEUE = """
from courses.messages import Welcome
from courses.models import Learner
from edx_ace import ChannelType, outbox
from edx_ace.preferences import links
from django.utils import translation
learner = Learner.objects.filter(language={language!r}).order_by("pk")[{number}]
courses = [enrolment.course for enrolment in learner.enrolments.select_related("course")]
message = Welcome().for_learner(learner, courses)
message.options.update({options!r})
outbox.enqueue(message)
with translation.override(message.language):
    mandate = links.Mandate.of(message, ChannelType.EMAIL)
answer = {{purpose: mandate.path(purpose) for purpose in (links.UNSUBSCRIBE, links.PREFERENCES, links.VIEW)}}
"""

#: Puts a mail with a link among those that the demo shows.
RECEIVE = """
from django.utils import timezone
from received.models import ReceivedMessage
html = b"<html><head></head><body><a href='{url}'>Leave</a></body></html>"
mail = b"Subject: Hi\\r\\nContent-Type: text/html\\r\\n\\r\\n" + html
about = {{"envelope_from": "a@example.com", "envelope_to": "b@example.com", "received_at": timezone.now()}}
ReceivedMessage.parse(mail, pk=1, **about).save()
"""


@pytest.fixture
def links(site: RunningSite) -> Callable[..., dict[str, str]]:
    """Return a function that returns the URLs of the links in a new message."""

    def make(language: str = "en", number: int = 3, **options: object) -> dict[str, str]:
        paths = site.run(ENQUEUE.format(language=language, number=number, options=options))
        return {purpose: site.url + path for purpose, path in paths.items()}

    return make


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_is_accessible(
    site: RunningSite, links: Callable[..., dict[str, str]], open_page: Callable[..., Page], look: str
) -> None:
    """
    In light and dark, on a telephone, from right to left; each page of the way through.
    """
    options, language = LOOKS[look]
    urls = links(language)
    page = open_page(**options)

    page.goto(urls["unsubscribe"])
    check(page, f"{look}-1-unsubscribe")
    assert page.locator("html").get_attribute("lang") == language
    page.locator("main button").click()
    check(page, f"{look}-2-unsubscribed")
    page.locator("main button").click()
    check(page, f"{look}-3-subscribed-again")
    page.locator("main a").click()
    check(page, f"{look}-4-preferences")
    page.locator("input[name='deadlines:email'][value=weekly]").check()
    start, end = page.locator("input[type=time]").all()
    page.locator("input[name=quiet][value=none]").check()
    assert not start.is_visible()
    page.locator("input[name=quiet][value=own]").check()
    start.fill("22:00")
    end.fill("22:00")
    page.locator("button[value=save]").last.click()
    check(page, f"{look}-5-wrong-hours")
    end.fill("06:30")
    page.locator("button[value=save]").last.click()
    check(page, f"{look}-5-saved")
    assert (start.input_value(), end.input_value()) == ("22:00", "06:30")
    page.locator("button[value=nothing]").click()
    check(page, f"{look}-6-nothing")
    page.goto(urls["preferences"])
    check(page, f"{look}-7-nothing-again")
    # In the sandbox that it is served in nothing can run, and so nothing can be checked.
    html = page.context.request.get(urls["view"]).text()
    page.goto("about:blank")
    page.set_content(html)
    check(page, f"{look}-8-message")
    for name, url in {
        "9-bad-link": f"{site.url}/choices/unsubscribe/none/",
        "10-test": links(language, is_test=True)["unsubscribe"],
    }.items():
        page.goto(url)
        check(page, f"{look}-{name}")


def test_all_of_it_works_without_scripts(
    site: RunningSite, links: Callable[..., dict[str, str]], open_page: Callable[..., Page]
) -> None:
    """
    In two clicks from the mail.
    """
    urls = links(number=4)
    page = open_page(java_script_enabled=False)

    page.goto(urls["unsubscribe"])
    page.get_by_role("button", name="Unsubscribe").click()
    assert page.get_by_role("heading", level=1).inner_text() == "You are unsubscribed"
    page.goto(urls["preferences"])
    courses = page.get_by_role("group", name="Your courses")
    assert courses.get_by_role("radio", name="Off").is_checked()
    courses.get_by_role("radio", name="As they come").check(force=True)
    page.get_by_role("button", name="Save your choices").click()
    assert page.get_by_role("status").inner_text().startswith("Your choices are saved.")
    page.goto(urls["unsubscribe"])
    assert page.get_by_role("heading", level=1).inner_text() == "Unsubscribe from “Your courses”?"


def test_all_of_it_works_with_the_keyboard(
    site: RunningSite, links: Callable[..., dict[str, str]], open_page: Callable[..., Page]
) -> None:
    """
    The arrows choose among the ways to take a category, and the one that has the focus shows it.
    """
    page = open_page()
    page.goto(links(number=5)["preferences"])

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "ace-skip"
    deadlines = page.locator("input[name='deadlines:email']:checked")
    deadlines.focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("input[name='deadlines:email']:checked").get_attribute("value") == "daily"
    outline = "getComputedStyle(document.activeElement.nextElementSibling).outlineStyle"
    assert page.evaluate(outline) == "solid"


def test_whoever_is_logged_in_chooses_without_a_link(site: RunningSite, open_page: Callable[..., Page]) -> None:
    """
    They are asked to log in first.
    """
    page = open_page(locale="en-GB")
    page.goto(f"{site.url}/choices/preferences/")
    page.get_by_label("Username").fill("staff")
    page.get_by_label("Password").fill("staff")
    page.get_by_role("button", name="Log in").click()

    assert page.get_by_role("heading", level=1).inner_text() == "Choose what reaches you"
    page.get_by_role("button", name="Unsubscribe from everything").click()
    check(page, "logged-in")
    page.get_by_role("button", name="Undo").click()
    assert page.get_by_role("status").inner_text() == "Everything is as it was before."


def test_a_received_message_leads_to_the_page(
    site: RunningSite, links: Callable[..., dict[str, str]], open_page: Callable[..., Page]
) -> None:
    """
    From the frame in which the demo shows a mail, in a tab of its own where its form works.
    """
    url = links(number=6)["unsubscribe"]
    site.run(RECEIVE.format(url=url))
    page = open_page()
    page.goto(f"{site.url}/messages/1/")

    with page.context.expect_page() as opened:
        page.frame_locator("iframe").get_by_role("link", name="Leave").click()
    opened.value.get_by_role("button", name="Unsubscribe").click()

    assert opened.value.get_by_role("heading", level=1).inner_text() == "You are unsubscribed"
