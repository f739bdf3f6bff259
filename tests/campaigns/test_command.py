"""
Internal: ``manage.py ace_campaign``.
"""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from edx_ace.campaigns import preflight
from edx_ace.campaigns.models import Campaign, Variant
from edx_ace.outbox.worker import Worker, sweep
from tests.pipeline import Recorder

pytestmark = pytest.mark.django_db


class Terminal(StringIO):
    """What a command takes for a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def channel(use_channels):
    """An email channel that accepts everything."""
    channel = Recorder()
    use_channels(mail=channel)
    return channel


@pytest.fixture
def news(campaign, accounts):
    """A draft for three people."""
    accounts(3)
    made = campaign("accounts", state="draft", scope="course:7")
    Variant.objects.create(campaign=made, language="en", subject="News", source="<p>Hi</p>", body="<p>Hi</p>")
    return made


def ask(*arguments, out=None):
    """Call the command and return what it writes."""
    out = out or StringIO()
    call_command("ace_campaign", *map(str, arguments), stdout=out, no_color=True)
    return out.getvalue()


def finish():
    Worker(once=True).run()
    sweep()


def test_a_campaign_is_started_paused_resumed_and_shown(news, monkeypatch):
    """
    With what was done to it.
    """
    problems = [preflight.Problem("large", "It is large.", is_error=False)]
    monkeypatch.setattr(preflight, "problems", lambda campaign, now=None: problems)
    with pytest.raises(CommandError, match=r"large: It is large\."):
        ask("start", news.uuid)
    assert "large: It is large." in ask("start", news.uuid, "--accept-warnings")
    while sweep()[1]:
        pass

    assert ask("pause", news.uuid, "--why", "Wait.") == "News is paused.\n"
    assert ask("resume", news.uuid) == "News goes on.\n"
    finish()
    finish()

    shown = ask("show", news.uuid)
    assert "News (course:7)" in shown
    assert "paused, by itself  Wait." in shown
    assert f"sent  [{'#' * 40}] 100.0 % of 3" in shown


def test_what_is_cancelled_is_said(news):
    """
    And cannot be cancelled again; nor is there any other.
    """
    Campaign.objects.update(state="scheduled")
    while sweep()[1]:
        pass

    assert ask("cancel", news.uuid) == "News is cancelled: 3 deliveries are stopped.\n"
    with pytest.raises(CommandError, match="This campaign is cancelled: there is nothing to cancel"):
        ask("cancel", news.uuid)
    with pytest.raises(CommandError, match="There is no campaign 00000000-0000-0000-0000-000000000000"):
        ask("pause", "00000000-0000-0000-0000-000000000000")


def test_campaigns_are_listed(news, campaign):
    """
    The latest first, of a state or a scope, as text or JSON.
    """
    other = campaign("accounts", name="Other", state="scheduled")

    assert [line.split()[0] for line in ask("list").splitlines()] == [str(other.uuid), str(news.uuid)]
    assert ask("list", "--state", "scheduled").split()[0] == str(other.uuid)
    [found] = json.loads(ask("list", "--scope", "course:7", "--json"))
    assert (found["uuid"], found["state"], found["total"]) == (str(news.uuid), "draft", 0)


def test_a_progress_bar_is_drawn_until_the_end(news):
    """
    On a terminal; as JSON, everything is there at once.
    """
    Campaign.objects.update(state="scheduled")
    finish()
    finish()

    drawn = ask("show", news.uuid, out=Terminal())
    figures = json.loads(ask("show", news.uuid, "--json"))

    assert drawn.rstrip().endswith("100.0 % of 3")
    assert (figures["numbers"], figures["percent"]) == ({"sent": 3}, 100)
    assert [entry["action"] for entry in figures["trail"]] == ["started", "finished"]


def test_a_terminal_gets_no_commands_from_a_name(campaign):
    """
    What somebody wrote is shown on one line, without its control characters.
    """
    made = campaign(name="News\x1b[2J\nall is well\u202e", state="draft")
    made.entries.create(action="paused", who="ann", why="\x1b]0;title\x07")

    for told in (ask("list"), ask("show", made.uuid)):
        assert "News\ufffd[2J all is well\ufffd" in told
        assert not set(told) & set("\x1b\x07\u202e")
