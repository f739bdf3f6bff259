"""
Internal: runs every example in the README, the docs and the docstrings (``make docs-test``).

The examples of one page share their names and run in order, on the site of `tests.settings`, whose mail lands in
``django.core.mail.outbox``. A block whose caption is a path below a ``templates/`` folder is written there and can be
rendered from then on::

    .. code-block:: text
       :caption: shop/templates/shop/edx_ace/welcome/email/subject.txt

       Welcome, {{ name }}

The README has to render without Sphinx, which alone knows captions; there the path is a comment in the first line::

    .. code-block:: text

       {# shop/templates/shop/edx_ace/welcome/email/subject.txt #}
       Welcome, {{ name }}
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import mail
from django.test import override_settings
from sybil import Document, Example, Region, Sybil
from sybil.document import PythonDocStringDocument
from sybil.parsers.rest import DocTestParser, PythonCodeBlockParser, SkipParser
from sybil.parsers.rest.lexers import DirectiveLexer

_page = ExitStack()


def _enter_page(namespace: dict[str, Any]) -> None:
    """Give the examples of a page a folder for their templates and an empty mailbox."""
    templates = _page.enter_context(tempfile.TemporaryDirectory())
    engines = [{**engine, "DIRS": [templates]} for engine in settings.TEMPLATES]
    _page.enter_context(override_settings(TEMPLATES=engines))
    mail.outbox = []
    namespace["_templates"] = Path(templates)
    # Classes of an example need a module; those in `tests` are in an app.
    namespace["__name__"] = "tests.examples"


def _leave_page(namespace: dict[str, Any]) -> None:
    _page.close()


_comment = re.compile(r"{# (\S+) #}\n")


def _templates(document: Document) -> Iterator[Region]:
    """Find the blocks that are templates."""
    for region in DirectiveLexer("code-block")(document):
        first_line = _comment.match(region.lexemes["source"])
        named = first_line[1] if first_line else region.lexemes["options"].get("caption", "")
        _, is_template, path = named.rpartition("templates/")
        if is_template:
            yield Region(region.start, region.end, (path, region.lexemes["source"]), _write_template)


def _write_template(example: Example) -> None:
    path, source = example.parsed
    file = example.namespace["_templates"] / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(source.rstrip("\n"), encoding="utf-8")


_flags = ELLIPSIS | NORMALIZE_WHITESPACE

_pages = Sybil(
    parsers=[DocTestParser(_flags), PythonCodeBlockParser(), SkipParser(), _templates],
    patterns=["*.rst"],
    # Tests follow these (tests/journeys/tutorial.py and celery_howto.py, tests/outbox/test_howto.py,
    # tests/preferences/test_howto.py), as they need a database.
    excludes=[
        "docs/tutorial/*",
        "docs/howto/limit-what-people-get.rst",
        "docs/howto/run-on-celery.rst",
        "docs/howto/use-the-outbox.rst",
    ],
    setup=_enter_page,
    teardown=_leave_page,
)
_docstrings = Sybil(
    parsers=[DocTestParser(_flags), PythonCodeBlockParser(), SkipParser()],
    patterns=["edx_ace/**/*.py", "edx_ace/*.py"],
    document_types={".py": PythonDocStringDocument},
)

pytest_collect_file = (_pages + _docstrings).pytest()
