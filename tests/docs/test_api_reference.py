"""
Internal: that the reference has the modules that say they are public.
"""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
REFERENCE = "\n".join(page.read_text() for page in (ROOT / "docs/reference").glob("*.rst"))


def public_modules():
    """Return the names of the modules whose docstring begins with "Public"."""
    for path in (ROOT / "edx_ace").rglob("*.py"):
        if path.read_text().startswith('"""\nPublic: '):
            yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_what_says_that_it_is_public_is_in_the_reference():
    """
    Whoever reads it knows what stays as it is.
    """
    assert [name for name in public_modules() if not re.search(rf"\b{re.escape(name)}\b", REFERENCE)] == []
