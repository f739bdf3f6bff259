"""
Internal: what the tests of the content steps share.
"""

from collections.abc import Callable
from typing import Any

import pytest

from edx_ace.channel import ChannelType
from edx_ace.channel.django_email import DjangoEmailChannel
from edx_ace.envelope import Parcel, seal
from edx_ace.message import Message
from edx_ace.recipient import Recipient
from edx_ace.renderers import RenderedEmail, RenderedPushNotification

MakeParcel = Callable[..., Parcel]


def parcel_of(rendered: Any) -> Parcel:
    message = Message(app_label="shop", name="welcome", recipient=Recipient(1, "amina@example.com"))
    return Parcel(message, DjangoEmailChannel(), rendered, seal(message, ChannelType.EMAIL))


@pytest.fixture
def email() -> MakeParcel:
    """Makes a parcel of an email with the fields given; the others are empty."""

    def make(**fields: str) -> Parcel:
        return parcel_of(
            RenderedEmail(**{"from_name": "", "subject": "", "body_html": "", "head_html": "", "body": "", **fields})
        )

    return make


@pytest.fixture
def push() -> Parcel:
    """A parcel that is no email."""
    return parcel_of(RenderedPushNotification(title="Hello", body='<a href="/x"><style>p{}</style>'))
