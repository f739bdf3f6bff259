"""Internal: which learner a user is (``ACE_RECIPIENT_OF_USER``), and where learners are (``ACE_PEOPLE``)."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth.models import User

from courses.models import Learner
from edx_ace import Recipient


def recipient_of(user: User) -> Recipient | None:
    """Return where messages for *user* go; None for somebody who takes no courses."""
    learner = Learner.objects.filter(user=user).first()
    return learner and learner.recipient


def places(recipients: Sequence[Recipient]) -> list[tuple[str | None, str | None]]:
    """Return the time zone and the language of each of *recipients*."""
    learners = Learner.objects.in_bulk([one.lms_user_id for one in recipients if one.lms_user_id])
    return [
        (learner.time_zone, learner.language) if (learner := learners.get(one.lms_user_id)) else (None, None)
        for one in recipients
    ]
