"""
Internal: a browser, the Chromium of the system, which a test that misses it asks for; and the site that it looks at.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from edx_ace.testing.smtp import SmtpSink
from tests.running_site import RunningSite

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A browser without a window."""
    path = os.environ.get("ACE_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not path:
        missing = "Chromium is not installed: apt install chromium, or say where it is with ACE_TEST_CHROMIUM=/path"
        if os.environ.get("ACE_TEST_SERVICES") == "required":
            pytest.fail(f"{missing} (ACE_TEST_SERVICES=required)", pytrace=False)
        pytest.skip(missing)
    # Here, since every run of tests reads this file, and not every environment has it.
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Its sandbox needs rights that containers do not give; what is opened here is our own.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


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


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a page as its keyword arguments say; what it complains about fails the test."""
    contexts, complaints = [], []

    def make(**options: Any) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", failed)
        return page

    def failed(request: Request) -> None:
        # Chromium ends the navigation of what it downloads, and what a page asks for that is left.
        is_left = request.is_navigation_request() or request.resource_type == "xhr"
        if request.failure != "net::ERR_ABORTED" or not is_left:
            complaints.append(f"{request.url}: {request.failure}")

    yield make
    for context in contexts:
        context.close()
    assert complaints == []
