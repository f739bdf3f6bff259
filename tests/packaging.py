"""
Internal: the built wheel, installed and used from outside the tree.

Not collected with the rest, because it builds and installs for some twenty seconds: ``make wheel-test`` runs it.
"""

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = ["CHANGELOG.rst", "LICENSE", "MANIFEST.in", "README.rst", "edx_ace", "pyproject.toml", "setup.py"]

#: A whole site in one file: what somebody has who installed the wheel and nothing else.
SITE = """
import json, sys
from importlib.metadata import distribution, entry_points
from pathlib import Path

import django
from django.conf import settings

templates = Path("templates/shop/edx_ace/welcome/email")
templates.mkdir(parents=True)
for name, text in {
    "from_name.txt": "Shop",
    "subject.txt": "Welcome, {{ name }}",
    "head.html": "",
    "body.html": "{% extends 'edx_ace/email/base.html' %}{% block content %}<p>Hello {{ name }}</p>{% endblock %}",
    "body.txt": "Hello {{ name }}",
}.items():
    (templates / name).write_text(text)

settings.configure(
    SECRET_KEY="x",
    USE_TZ=True,
    INSTALLED_APPS=["edx_ace"],
    TEMPLATES=[
        {"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": ["templates"], "APP_DIRS": True}
    ],
    ACE_ENABLED_CHANNELS=["file_email"],
    ACE_CHANNEL_DEFAULT_EMAIL="file_email",
    ACE_CONTENT_STEPS=["inline_css"],
)
django.setup()

import edx_ace
from edx_ace import Message, Recipient, ace

message = Message(
    app_label="shop",
    name="welcome",
    recipient=Recipient(1, "ada@example.com"),
    context={"name": "Ada"},
    options={"output_file_path": "sent.txt"},
)
report = ace.send(message)
print(json.dumps({
    "file": edx_ace.__file__,
    "version": distribution("edx-ace").version,
    "report": str(report),
    "sent": Path("sent.txt").read_text() if report else "",
    "entry_points": {
        group: [point.name for point in entry_points(group=group) if point.dist.name == "edx-ace"]
        for group in ("openedx.ace.channel", "openedx.ace.content_step", "pytest11")
    },
}))
"""


def run(*command, cwd):
    """Run *command* in *cwd* and return its output; fail with it on an error."""
    ours = ("DJANGO_", "PYTEST", "PYTHON")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    finished = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, f"{command}\n{finished.stdout}\n{finished.stderr}"
    return finished.stdout


def shipped_files(folder):
    """Return the paths below *folder* that belong into a wheel, relative to its parent."""
    return {
        path.relative_to(folder.parent).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built by way of the source distribution, from a copy so that the tree stays as it is."""
    tree = tmp_path_factory.mktemp("tree")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tree / name)
    run(sys.executable, "-m", "build", "--no-isolation", cwd=tree)
    (built,) = (tree / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory):
    """What the one-file site printed, in a new environment that holds the wheel and its base dependencies alone."""
    folder = tmp_path_factory.mktemp("site")
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    pins = ROOT / "requirements" / "dev.txt"
    run(python, "-m", "pip", "install", "-qq", wheel, "--constraint", pins, cwd=folder)
    (folder / "first_message.py").write_text(SITE, encoding="utf-8")
    return json.loads(run(python, "-W", "error", "-I", "first_message.py", cwd=folder))


def test_the_wheel_holds_every_file_of_the_package(wheel):
    """
    Templates, catalogues, static files and py.typed are in it: whatever lies in the tree.
    """
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if name.startswith("edx_ace/")}

    assert names == shipped_files(ROOT / "edx_ace")
    assert "edx_ace/py.typed" in names
    assert "edx_ace/templates/edx_ace/email/base.html" in names


def test_the_wheel_holds_nothing_beside_the_package(wheel):
    """
    A package called tests or docs in site-packages would shadow the host's own.
    """
    with zipfile.ZipFile(wheel) as archive:
        top = {name.split("/")[0] for name in archive.namelist()}

    assert top == {"edx_ace", f"{'-'.join(wheel.name.split('-')[:2])}.dist-info"}


def test_a_site_outside_the_tree_sends_its_first_message(site):
    """
    The base dependencies suffice, and the templates of the wheel are found.
    """
    assert "venv" in Path(site["file"]).parts
    assert "Welcome, Ada" in site["sent"], site["report"]
    assert "Hello Ada" in site["sent"]


def test_the_entry_points_of_the_wheel_are_found(site):
    """
    Existing settings name channels by these names.
    """
    assert sorted(site["entry_points"]["openedx.ace.channel"]) == [
        "braze_email",
        "django_email",
        "file_email",
        "push_notification",
        "sailthru_email",
    ]
    assert sorted(site["entry_points"]["openedx.ace.content_step"]) == [
        "absolute_urls",
        "inline_css",
        "keep_copy",
        "plain_text",
        "track",
        "unsubscribe",
    ]
    assert site["entry_points"]["pytest11"] == ["edx_ace"]


def test_the_version_of_the_wheel_is_that_of_the_package(site, wheel):
    """
    It is written down once, in edx_ace/__init__.py.
    """
    assert wheel.name.startswith(f"edx_ace-{site['version']}-")
