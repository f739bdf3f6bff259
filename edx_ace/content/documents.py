"""
Internal: where the body of an HTML document ends, for the content steps that add something to it.
"""

from __future__ import annotations

import re

_END_OF_BODY = re.compile(r"</body\s*>", re.I)


def appended(html: str, added: str) -> str:
    """Return *html* with *added* at the end of its body: before the last end tag of one, or at the very end."""
    ends = [found.start() for found in _END_OF_BODY.finditer(html)]
    at = ends[-1] if ends else len(html)
    return html[:at] + added + html[at:]
