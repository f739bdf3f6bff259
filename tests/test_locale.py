"""
Internal: tests of the catalogues of the package and of the demo site.
"""

from pathlib import Path

import pytest
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

ROOT = Path(__file__).parent.parent
CATALOGUES = sorted(path for folder in ("edx_ace", "test_project") for path in (ROOT / folder).rglob("django.po"))


def texts(catalogue):
    """Return what *catalogue* translates, by context and original; singular and plural, each a tuple."""

    def forms(text):
        return (text,) if isinstance(text, str) else tuple(text)

    return {
        (message.context, forms(message.id)): forms(message.string)
        for message in catalogue
        if message.id and any(forms(message.string)) and not message.fuzzy
    }


@pytest.mark.parametrize("po", CATALOGUES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_catalogue_is_compiled_as_it_stands(po):
    """
    The .mo files are in the repository, so that nobody needs gettext to install or to run the demo.
    """
    mo = po.with_suffix(".mo")
    assert mo.exists(), "expected it beside the .po file; run: django-admin compilemessages"
    with po.open("rb") as source, mo.open("rb") as compiled:
        assert texts(read_mo(compiled)) == texts(read_po(source)), (
            "it is older than the .po file; run: django-admin compilemessages"
        )
