"""
Internal: the README, which package indexes render without Sphinx.
"""

import re
from pathlib import Path

import pytest

docutils = pytest.importorskip("docutils.core", reason="Comes with Sphinx: requirements/docs.in")

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.rst").read_text(encoding="utf-8")

#: docutils' number for a warning.
WARNING = 2


def test_the_readme_renders_without_sphinx() -> None:
    """
    Plain docutils finds nothing to warn of, so that the page of a release is not raw text.
    """
    html = docutils.publish_string(README, writer="html5", settings_overrides={"halt_level": WARNING})

    assert b"<h1" in html


@pytest.mark.parametrize("target", re.findall(r"<(\S+)>`__", README))
def test_links_of_the_readme_lead_somewhere(target: str) -> None:
    """
    What the README links to is in the repository.
    """
    assert (ROOT / target).exists()
