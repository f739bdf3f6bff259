"""
Internal: scenes that are played on the demo site, in a process that has its settings, on the database that the tests
run on; what came of them is printed as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

from edx_ace.testing.smtp import SmtpSink
from tests import databases

ROOT = Path(__file__).resolve().parents[2]

#: What was taken over SMTP; the settings read its port.
SINK = SmtpSink()

Scene = Callable[[], Any]
_scenes: dict[str, Scene] = {}


def scene(play: Scene) -> Scene:
    """Play it with the others of its module; a decorator."""
    _scenes[play.__name__] = play
    return play


def played(module: str, folder: Path) -> Callable[[str], Any]:
    """
    Play the scenes of *module* in a process of its own; return a function that returns what came of one.

    Args:
        module: In this package.

        folder: For the files of the site.
    """
    databases.require()
    path = [str(ROOT), str(ROOT / "test_project"), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "campus.settings",
        "ACE_DEMO_VAR": str(folder),
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
    }
    command = [sys.executable, "-m", f"tests.journeys.{module}"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)

    def came_of(name: str) -> Any:
        assert "error" not in found[name], found[name]["error"]
        return found[name]["answer"]

    return came_of


def received(domain: str) -> list[EmailMessage]:
    """Return what has come in for people of *domain*, in the order of their addresses."""
    found = [taken for taken in SINK.messages if taken.recipients[0].endswith(f"@{domain}")]
    return [
        cast(EmailMessage, message_from_bytes(taken.content, policy=policy.default))
        for taken in sorted(found, key=lambda taken: taken.recipients)
    ]


def text(message: EmailMessage) -> str:
    """Return the text part."""
    part = message.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def play() -> None:
    """Play all scenes of the module that runs, and print what came of each, or how it failed."""
    import django
    from django.conf import settings
    from django.db import connection

    with SINK:
        os.environ["ACE_DEMO_SMTP_PORT"] = str(SINK.port)
        database = databases.settings()
        database["TEST"]["NAME"] += f"_{os.getpid()}"
        settings.DATABASES = {"default": database}
        settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, "testserver"]
        django.setup()
        before = connection.settings_dict["NAME"]
        connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        try:
            print(json.dumps(_play_all(), default=str))
        finally:
            connection.creation.destroy_test_db(before, verbosity=0)


def _play_all() -> dict[str, Any]:
    found = {}
    for name, one in _scenes.items():
        try:
            found[name] = {"answer": one()}
        except Exception:
            found[name] = {"error": traceback.format_exc()}
    return found
