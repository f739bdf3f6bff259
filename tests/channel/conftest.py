"""
Internal: what the tests of the channels have in common.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from pytest_django import Settings

from edx_ace.channel import smtp
from edx_ace.renderers import RenderedEmail
from edx_ace.testing.smtp import SmtpSink
from tests.channel.mail import SMTP, use_backend


@pytest.fixture
def rendered_email() -> RenderedEmail:
    """An email as the renderer makes it, with text that is not ASCII and a subject on two lines."""
    return RenderedEmail(
        from_name="Courses",
        subject="Olá,\n  Zoë ",
        body_html="<p>Grüße</p>",
        head_html="<title>Hi</title>",
        body="Grüße",
    )


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
