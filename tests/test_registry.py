"""
Internal: which channel a message goes over, and plug-ins.
"""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.test import override_settings
from stevedore.extension import Extension

from edx_ace import ChannelType
from edx_ace.channel import ChannelMap, get_channel_for_message
from edx_ace.errors import UnsupportedChannelError
from edx_ace.utils.plugins import check_plugin, get_plugins
from tests.pipeline import Recorder, welcome

EMAIL, PUSH = ChannelType.EMAIL, ChannelType.PUSH


@pytest.mark.parametrize(
    ("options", "site", "chosen"),
    [
        ({}, {}, "first"),
        ({}, {"ACE_CHANNEL_DEFAULT_EMAIL": "second"}, "second"),
        ({"override_default_channel": "third"}, {"ACE_CHANNEL_DEFAULT_EMAIL": "second"}, "third"),
        ({"transactional": True}, {"ACE_CHANNEL_TRANSACTIONAL_EMAIL": "third"}, "third"),
        ({}, {"ACE_CHANNEL_DEFAULT_EMAIL": "second", "ACE_CHANNEL_TRANSACTIONAL_EMAIL": "third"}, "second"),
        # One that claims the message wins over the order of candidates.
        (
            {"transactional": True},
            {"ACE_CHANNEL_TRANSACTIONAL_EMAIL": "third", "ACE_CHANNEL_DEFAULT_EMAIL": "claims"},
            "claims",
        ),
        # One that claims it but is no candidate does not.
        ({}, {"ACE_CHANNEL_DEFAULT_EMAIL": "second", "ACE_CHANNEL_TRANSACTIONAL_EMAIL": "claims"}, "second"),
    ],
)
def test_the_email_channel_of_a_message(use_channels, options, site, chosen):
    """
    Option, then settings, then the first registered.
    """
    channels = {"first": Recorder(), "second": Recorder(), "third": Recorder(), "claims": Recorder(claims=True)}
    use_channels(**channels)

    with override_settings(**site):
        assert get_channel_for_message(EMAIL, welcome(options=options)) is channels[chosen]


@pytest.mark.parametrize(
    ("site", "chosen"),
    [
        ({}, "first"),
        ({"ACE_PUSH_CHANNELS": ["second", "first"]}, "second"),
        ({"ACE_PUSH_CHANNELS": ["second", "claims"]}, "claims"),
        ({"ACE_CHANNEL_DEFAULT_PUSH": "second", "ACE_PUSH_CHANNELS": ["claims"]}, "second"),
    ],
)
def test_the_push_channel_of_a_message(use_channels, site, chosen):
    """
    The default, else the first of the list that claims it.
    """
    channels = {"first": Recorder(PUSH), "second": Recorder(PUSH), "claims": Recorder(PUSH, claims=True)}
    use_channels(**channels)

    with override_settings(**site):
        assert get_channel_for_message(PUSH, welcome()) is channels[chosen]


def test_a_map_of_channels_answers_as_it_always_did():
    """
    By name KeyError, by type UnsupportedChannelError with what there is.
    """
    mailer = Recorder()
    channels = ChannelMap([["mailer", mailer]])

    assert channels.get_channel_by_name(EMAIL, "mailer") is channels.get_default_channel(EMAIL) is mailer
    with pytest.raises(KeyError):
        channels.get_channel_by_name(EMAIL, "other")
    with pytest.raises(UnsupportedChannelError, match=r"No channel for push is registered \(registered: mailer\)"):
        channels.get_default_channel(PUSH)
    assert set(ChannelType) == {EMAIL, PUSH}


def test_an_unknown_name_is_logged_with_the_nearest_and_the_others_load(caplog):
    """
    One mistyped name leaves an email site with its mail.
    """
    found = get_plugins("openedx.ace.channel", ["djnago_email", "django_email"])

    assert [plugin.name for plugin in found] == ["django_email"]
    assert "Did you mean 'django_email'?" in caplog.text


@pytest.mark.parametrize(("name", "logged"), [("push_notification", 0), ("push_notfication", 1)])
def test_a_site_may_name_a_channel_that_it_does_not_enable(settings, caplog, name, logged):
    """
    Where nothing is to be chosen, an installed channel that is named is no error at every send; a mistyped name is.
    """
    settings.ACE_ENABLED_CHANNELS = ["django_email"]
    settings.ACE_PUSH_CHANNELS = [name]

    with pytest.raises(UnsupportedChannelError):
        get_channel_for_message(ChannelType.PUSH, welcome())

    assert len(caplog.records) == logged


def test_plug_ins_are_constructed_once_however_many_threads_ask():
    """
    A channel is known by its identity, so that there must not be two.
    """

    class Slow(Recorder):
        def __init__(self):
            super().__init__()
            time.sleep(0.01)

    extension = Extension("slow", None, Slow, None)
    with ThreadPoolExecutor(4) as threads:
        seen = list(threads.map(lambda _: check_plugin(extension, "x") and extension.obj, range(4)))

    assert {id(one) for one in seen} == {id(extension.obj)}


def test_plug_ins_keep_their_instance():
    """
    A channel is constructed once a process.
    """
    (first,), (second,) = (get_plugins("openedx.ace.channel", ["django_email"]) for _ in range(2))

    assert first.obj is second.obj
