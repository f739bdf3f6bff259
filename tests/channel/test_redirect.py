"""
Internal: a site that must not write to people: ACE_REDIRECT_ALL_TO.
"""

from unittest import mock

import pytest
from django.core import mail

from edx_ace import ChannelType, Message, Recipient, ace
from edx_ace.channel.braze import BrazeEmailChannel
from tests.test_checks import check

STAGING = "staging@example.com"


@pytest.fixture(autouse=True)
def redirected(settings):
    """Every email goes to one mailbox."""
    settings.ACE_REDIRECT_ALL_TO = STAGING


def letter(**options):
    """A message to somebody with an account."""
    return Message("tests", "welcome", Recipient(7, "ann@example.com"), options=options)


def test_every_email_goes_there_and_nobody_gets_a_copy():
    """
    Whoever the message is for, and whether they have an address or not.
    """
    for recipient in (Recipient(7, "ann@example.com"), Recipient(8, None)):
        message = letter(cc=["bob@example.com"], bcc=["eve@example.com"])
        message.recipient = recipient
        assert ace.send(message, limit_to_channels=[ChannelType.EMAIL])

    assert [sent.recipients() for sent in mail.outbox] == [[STAGING], [STAGING]]


def test_braze_which_finds_addresses_itself_is_not_asked(monkeypatch):
    """
    Django's mail backend takes the email in its place.
    """
    post = mock.Mock()
    monkeypatch.setattr("requests.post", post)
    channel = BrazeEmailChannel()

    from edx_ace import presentation

    message = letter()
    channel.deliver(message, presentation.render(channel, message))

    assert not post.called
    assert [sent.recipients() for sent in mail.outbox] == [[STAGING]]


def test_a_site_in_production_is_warned():
    """
    With DEBUG off.
    """
    [found] = check("edx_ace.W007", ACE_REDIRECT_ALL_TO=STAGING, DEBUG=False)

    assert "nobody it is for" in found.msg
    assert check("edx_ace.W007", ACE_REDIRECT_ALL_TO=STAGING, DEBUG=True) == []
    assert check("edx_ace.W007", ACE_REDIRECT_ALL_TO=None, DEBUG=False) == []


def test_what_is_no_mailbox_is_an_error():
    """
    Nothing could be sent.
    """
    [found] = check("edx_ace.E012", ACE_REDIRECT_ALL_TO="staging")

    assert "ACE_REDIRECT_ALL_TO" in found.msg
