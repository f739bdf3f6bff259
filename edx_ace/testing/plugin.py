"""
Internal: the pytest plug-in; pytest finds it by itself once edx-ace is installed.

Everything is imported inside the fixtures, so that a project which uses none of them pays nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from edx_ace.testing import Clock, Outbox


@pytest.fixture
def ace_outbox() -> Iterator[Outbox]:
    """What the test sends, recorded instead of transmitted: see `edx_ace.testing.capture`."""
    from edx_ace.testing import capture

    with capture() as outbox:
        yield outbox


@pytest.fixture
def ace_clock() -> Iterator[Clock]:
    """A clock that stands still and on which waiting takes no time: see `edx_ace.testing.frozen_clock`."""
    from edx_ace.testing import frozen_clock

    with frozen_clock() as clock:
        yield clock
