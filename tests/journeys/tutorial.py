"""
Internal: the tutorial, followed to the letter in a folder of its own.

Files are written and commands run in the order of the page. Only what needs an index of packages is done another way:
the environment is that of the tests, and the project's metadata is written by setuptools without installing it.
"""

import os
import re
import shutil
import subprocess
import sys
from doctest import DocTestParser
from pathlib import Path

import django
import pytest
from sybil.document import Document
from sybil.parsers.rest.lexers import DirectiveLexer

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorial" / "first-message.rst"

#: Runs the statements that the page types into a shell and compares what they print with what it shows.
SHELL = """
import doctest, sys
from pathlib import Path
source = Path({path!r}).read_text(encoding="utf-8")
test = doctest.DocTestParser().get_doctest(source, {{}}, {path!r}, {path!r}, 0)
for example in test.examples:
    example.want = example.want.replace("[…]", "...")  # A line of three dots cannot come first: it would be source.
sys.exit(doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE).run(test).failed)
"""

#: What takes the place of a command, or nothing for one whose work is done.
INSTEAD = {
    "python3 -m venv .venv": "",
    "source .venv/bin/activate": "",
    'pip install "edx-ace>=2"': "",
    "pip install --editable .": "python -c 'import setuptools; setuptools.setup()' --quiet egg_info",
}


class Reader:
    """Somebody at a keyboard, in *folder*."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, path: str, source: str) -> None:
        """Write a file; what belongs to the settings goes to their end."""
        path, _, condition = path.partition(" (")
        if condition and django.VERSION >= (6, 1):
            return
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.name == "settings.py":
            source = f"{file.read_text(encoding='utf-8')}\n{source}"
        file.write_text(source, encoding="utf-8")

    def run(self, line: str) -> None:
        """Run one line of a console."""
        if line.startswith("cd "):
            self.folder /= line.removeprefix("cd ")
            return
        environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
        environment |= {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        }
        command = INSTEAD.get(line, line)
        done = subprocess.run(
            command, check=False, shell=True, cwd=self.folder, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"$ {line}\n{done.stdout}\n{done.stderr}"

    def type_in(self, session: str) -> None:
        """Type *session* into the project's shell."""
        file = self.folder.parent / "session.txt"
        file.write_text(session, encoding="utf-8")
        script = self.folder.parent / "session.py"
        script.write_text(SHELL.format(path=str(file)), encoding="utf-8")
        self.run(f"python manage.py shell < {script}")


def steps() -> list[tuple[str, str, str]]:
    """Return what the page asks for, in order: its kind (console, a path, or a session) and its text."""
    text = PAGE.read_text(encoding="utf-8")
    found = []
    for region in DirectiveLexer("code-block")(Document(text, str(PAGE))):
        caption = region.lexemes["options"].get("caption", "")
        kind = region.lexemes["arguments"] if not caption else "file"
        found.append((region.start, kind, caption, region.lexemes["source"]))
    # One heading, one session: its names last until the reader leaves the shell.
    for section in re.finditer(r"^(?:.+\n-{3,}\n)((?:(?!^.+\n-{3,}\n).*\n)*)", text, re.M):
        session = [example.source for example in DocTestParser().get_examples(section[1])]
        if session:
            found.append((section.end() - 1, "session", "", section[1]))
    return [(kind, caption, source) for _, kind, caption, source in sorted(found)]


@pytest.mark.skipif(not shutil.which("msgfmt"), reason="Translations are compiled by GNU gettext: apt install gettext")
def test_a_reader_who_follows_the_tutorial_gets_what_it_shows(tmp_path: Path) -> None:
    """
    Every command of the tutorial succeeds and every session prints what the page says.
    """
    reader = Reader(tmp_path)
    for kind, path, text in steps():
        match kind:
            case "file":
                reader.write(path, text)
            case "console":
                for line in text.splitlines():
                    reader.run(line.removeprefix("$ "))
            case "session":
                reader.type_in(text)
