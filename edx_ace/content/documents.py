"""
Internal: where the body of an HTML document ends, for the content steps that add something to it.
"""

from __future__ import annotations

import re

_is_end_of_body = re.compile(r"</body\s*>", re.I).match


def appended(html: str, added: str) -> str:
    """Return *html* with *added* at the end of its body: before the last end tag of one, or at the very end."""
    at = html.rfind("</")
    while at >= 0 and not _is_end_of_body(html, at):
        at = html.rfind("</", 0, at)
    return html + added if at < 0 else html[:at] + added + html[at:]
