"""
Internal: what every page is looked at for.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

NARROW = {"width": 375, "height": 740}

#: How the pages are looked at: the options of a browser.
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "locale": "en-GB"},
    "dark": {"color_scheme": "dark", "locale": "en-GB"},
    "narrow": {"viewport": NARROW, "locale": "de"},
    "arabic": {"locale": "ar"},
    "arabic-narrow-dark": {"viewport": NARROW, "color_scheme": "dark", "locale": "ar"},
}


def picture(page: Page, name: str) -> None:
    """Leave a picture of *page* called *name* in the folder ``ACE_SCREENSHOTS``, if that is set."""
    if folder := os.environ.get("ACE_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def check(page: Page, name: str, options: dict[str, Any] | None = None) -> None:
    """Check that *page* is accessible, with *options* of axe, and fits the window; leave a picture called *name*."""
    picture(page, name)
    results = Axe().run(page, options=options)
    assert results.violations_count == 0, f"{name}: {results.generate_report()}"
    assert page.evaluate("document.scrollingElement.scrollWidth <= window.innerWidth"), f"{name} scrolls sideways"
