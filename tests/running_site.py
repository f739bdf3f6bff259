"""
Internal: the test project as a site that runs: a process that serves its pages, and others that work in it.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[1]
#: How long the server may take until it answers, in seconds.
PATIENCE_SECONDS = 60


class RunningSite:
    """
    The demo's learners and courses, and a server for their pages.

    Args:
        var: Where its database lives.

        smtp_port: Where its workers deliver.
    """

    def __init__(self, var: Path, smtp_port: int = 9) -> None:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = int(found.getsockname()[1])
        self.url = f"http://localhost:{self.port}"
        kept = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
        self._environment = {
            **kept,
            "ACE_DEMO_VAR": str(var),
            "ACE_DEMO_BASE_URL": self.url,
            "ACE_DEMO_SMTP_PORT": str(smtp_port),
            "DJANGO_SETTINGS_MODULE": "campus.settings",
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "test_project")]),
        }
        self._log = var / "server.log"

    def __enter__(self) -> Self:
        self.manage("migrate", "--verbosity=0")
        self.run("from django.utils import timezone\nfrom courses import demo_site\ndemo_site.load(timezone.now())")
        with self._log.open("wb") as log:
            self._server = subprocess.Popen(
                [sys.executable, "test_project/manage.py", "runserver", "--noreload", f"127.0.0.1:{self.port}"],
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
            )
        give_up = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                if self._server.poll() is not None or time.monotonic() > give_up:
                    self.__exit__(None, None, None)
                    raise AssertionError(self._log.read_text()) from None
                time.sleep(0.05)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.terminate()
        self._server.wait()

    def manage(self, *arguments: str) -> str:
        """Run a command of the site and return what it printed."""
        return self._done([sys.executable, "test_project/manage.py", *arguments])

    def run(self, program: str) -> Any:
        """Run *program* in a process of the site; return what it calls ``answer``, as JSON brings it here."""
        whole = f"import django\ndjango.setup()\n{program}\nimport json\nprint(json.dumps(globals().get('answer')))"
        return json.loads(self._done([sys.executable, "-c", whole]))

    def _done(self, command: list[str]) -> str:
        done = subprocess.run(command, cwd=ROOT, env=self._environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout
