"""
Internal: tests of the catalogues of the package and of the demo site.
"""

import io
import re
from pathlib import Path

import pytest
from babel.messages.extract import extract
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from django.utils.translation.template import templatize

ROOT = Path(__file__).parent.parent
PACKAGED, OF_THE_DEMO = (sorted((ROOT / folder).rglob("django.po")) for folder in ("edx_ace", "test_project"))

#: What marks a text, and which of its arguments are the text and its context.
KEYWORDS = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
}

APPS = sorted(module.parent for module in (ROOT / "edx_ace").rglob("apps.py"))


def texts(catalogue):
    """Return what *catalogue* translates, by context and original; singular and plural, each a tuple."""

    def forms(text):
        return (text,) if isinstance(text, str) else tuple(text)

    def context(text):
        # As bytes from a compiled catalogue.
        return text.decode() if isinstance(text, bytes) else text

    return {
        (context(message.context), forms(message.id)): forms(message.string)
        for message in catalogue
        if message.id and any(forms(message.string)) and not message.fuzzy
    }


def marked(folder):
    """
    Return what the modules and templates below *folder* mark for translation, without those of apps below it.

    By context and original, as `texts` does.
    """
    inner = [module.parent for module in folder.rglob("apps.py") if module.parent != folder]
    found = set()
    for path in [*folder.rglob("*.py"), *folder.rglob("*.html"), *folder.rglob("templates/**/*.txt")]:
        if not any(path.is_relative_to(app) for app in inner):
            text = path.read_text()
            code = text if path.suffix == ".py" else templatize(text)
            for _, words, _, context in extract("python", io.BytesIO(code.encode()), keywords=KEYWORDS):
                found.add((context, (words,) if isinstance(words, str) else tuple(words)))
    return found


def placeholders(text):
    """Return the placeholders of *text*: languages put those that have names into an order of their own."""
    return sorted(re.findall(r"%\(\w+\)[ds]", text)), re.findall(r"%[ds]", text)


@pytest.mark.parametrize("po", PACKAGED, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_catalogue_has_what_its_app_says(po):
    """
    All of it and nothing else, with the same placeholders; `django-admin makemessages` says what changed.
    """
    with po.open("rb") as source:
        found = texts(read_po(source))

    assert set(found) == marked(po.parents[3])
    for (_, words), translated in found.items():
        for one in translated:
            assert placeholders(one) == placeholders(words[0])


def test_what_one_app_calls_so_is_what_another_does():
    """
    Django looks texts up in all catalogues together: the same text with other words in another app would be lost.
    """
    said = {}
    for po in PACKAGED:
        with po.open("rb") as source:
            for text, translated in texts(read_po(source)).items():
                said.setdefault((po.parents[1].name, text), set()).add(translated)

    assert {text: words for text, words in said.items() if len(words) > 1} == {}


@pytest.mark.parametrize("app", APPS, ids=lambda path: path.name)
def test_an_app_that_says_something_says_it_in_every_language(app):
    """
    Each has catalogues of its own.
    """
    if marked(app):
        assert {path.name for path in app.glob("locale/*")} == {"ar", "de", "es", "fr", "ja"}


@pytest.mark.parametrize("po", PACKAGED + OF_THE_DEMO, ids=lambda path: path.relative_to(ROOT).as_posix())
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
