"""Internal: which learner a user of the site is (``ACE_RECIPIENT_OF_USER``)."""

from __future__ import annotations

from django.contrib.auth.models import User

from courses.models import Learner
from edx_ace import Recipient


def recipient_of(user: User) -> Recipient | None:
    """Return where messages for *user* go; None for somebody who takes no courses."""
    learner = Learner.objects.filter(user=user).first()
    return learner and learner.recipient
