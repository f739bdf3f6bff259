"""
Internal: the directive ``ace-settings``, which makes the reference of the settings in a module's class ``Settings``.

Each setting is an annotated assignment; the ``#:`` lines above it say what it means.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from importlib import import_module
from typing import Any, NamedTuple

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class Setting(NamedTuple):
    """One setting as its module writes it."""

    name: str
    type: str
    default: str
    text: str


def settings_of(source: str) -> Iterator[Setting]:
    """
    Yield the settings of the class ``Settings`` in *source*, in its order.

    Raises:
        ValueError: If a setting has no ``#:`` lines: it would be in the reference without a meaning.
    """
    lines = source.splitlines()
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == "Settings"]
    for node in (statement for one in classes for statement in one.body):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name) or node.value is None:
            continue
        first = node.lineno - 1
        while lines[first - 1].lstrip().startswith("#:"):
            first -= 1
        text = "\n".join(line.strip().removeprefix("#:").strip() for line in lines[first : node.lineno - 1])
        if not text:
            raise ValueError(f"The setting {node.target.id} has no `#:` line above it. Say what it means.")
        default = ast.get_source_segment(source, node.value) or ""
        yield Setting(f"ACE_{node.target.id}", ast.unparse(node.annotation), default, text)


class AceSettings(SphinxDirective):
    """``.. ace-settings:: edx_ace.conf``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return a definition for each setting, which links can point to by its name."""
        module = import_module(self.arguments[0])
        self.env.note_dependency(inspect.getsourcefile(module) or "")
        names = [setting.name for setting in settings_of(inspect.getsource(module))]
        blocks = []
        for setting in settings_of(inspect.getsource(module)):
            text = setting.text
            # Settings name one another without the prefix there; here they read as they are written by a site.
            for name in names:
                text = text.replace(f"`{name.removeprefix('ACE_')}`", f"``{name}``")
            body = "\n".join(f"   {line}" for line in text.splitlines())
            blocks.append(
                f".. py:data:: {setting.name}\n   :type: {setting.type}\n   :value: {setting.default}\n\n{body}\n"
            )
        return self.parse_text_to_nodes("\n".join(blocks))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("ace-settings", AceSettings)
    return {"parallel_read_safe": True}
