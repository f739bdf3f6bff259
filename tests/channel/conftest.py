"""
Internal: fixtures for tests of channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from pytest_django import Settings

from edx_ace.channel import smtp
from edx_ace.testing.smtp import SmtpSink
from tests.channel.mail import SMTP, use_backend


@pytest.fixture
def run_sink(settings: Settings) -> Iterator[Callable[..., SmtpSink]]:
    """Return a function that starts a mail server, which takes its arguments, and makes it the site's."""
    with ExitStack() as stack:

        def run(*, backend: dict[str, Any] | None = None, **arguments: Any) -> SmtpSink:
            sink = stack.enter_context(SmtpSink(**arguments))
            use_backend(settings, SMTP, **{"host": sink.host, "port": sink.port, "timeout": 5, **(backend or {})})
            return sink

        yield run
        smtp.forget_connections()
