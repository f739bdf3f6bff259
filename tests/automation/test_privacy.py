"""
Internal: what automation keeps of a person, exported and erased.
"""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from edx_ace import Recipient
from edx_ace.automation.models import ScheduledMessage
from edx_ace.automation.states import State
from edx_ace.outbox import privacy
from edx_ace.outbox.privacy import Person

pytestmark = pytest.mark.django_db

LATER = timedelta(days=1)


def exported(who):
    """What automation keeps of *who*."""
    return privacy.export(Person.find(who))["ace_automation"]


def test_a_person_is_told_what_they_got_and_will_get(schedule, work):
    """
    By their account, or by their address.
    """
    user = User.objects.create(username="ann", email="ann@example.com")
    schedule(recipients=[user])
    work()
    schedule(recipients=[user, "bert@example.com"], scheduled_at=timezone.now() + LATER)

    for who in (str(user.pk), "ann@example.com"):
        found = exported(who)
        [letter] = found["letters"]
        assert (letter["subject"], letter["state"]) == ("Painting is near", "succeeded")
        assert "Bring your slides" in letter["text"]
    [waiting] = exported(str(user.pk))["messages"][1:]
    assert (waiting["state"], waiting["recipient"]["pk"]) == ("scheduled", str(user.pk))
    assert [one["recipient"] for one in exported("BERT@example.com")["messages"]] == ["bert@example.com"]


def test_an_erased_person_stands_nowhere_any_more(schedule, work):
    """
    What was only for them is cancelled.
    """
    user = User.objects.create(username="ann", email="ann@example.com")
    sent = schedule(recipients=[user])
    work()
    alone = schedule(recipients=[Recipient(user.pk, "ann@example.com")], scheduled_at=timezone.now() + LATER)
    shared = schedule(recipients=["bert@example.com", user], scheduled_at=timezone.now() + LATER)

    numbers = privacy.erase(Person.find(str(user.pk)))["ace_automation"]

    assert numbers == {"messages": 3, "letters": 1}
    assert exported(str(user.pk)) == exported("ann@example.com") == {"letters": [], "messages": []}
    for one in (sent, alone, shared):
        one.refresh_from_db()
    letter = sent.letters.get()
    assert (letter.subject, letter.body_html, letter.address, letter.recipient) == ("", "", None, [])
    assert (sent.state, alone.state, shared.state) == (State.SUCCEEDED, State.CANCELLED, State.SCHEDULED)
    assert shared.recipients == ["bert@example.com"]
    assert "ann" not in str(ScheduledMessage.objects.values_list("recipients", flat=True))
