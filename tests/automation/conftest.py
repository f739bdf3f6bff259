"""
Internal: what the tests of automation share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from django.core.files.storage import InMemoryStorage, Storage, storages
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from edx_ace.automation import actions, controller, sending
from edx_ace.automation.actions import Action
from edx_ace.automation.models import Attachment, ScheduledMessage
from edx_ace.outbox.worker import Worker
from tests.automation_site.models import Host, Workshop


class Reminder(Action):
    """Says which workshop is near."""

    template = {
        "en": {"subject": "{{ workshop.title }} is near", "body": "Bring your slides to {{ workshop.title }}."},
        "de": {"subject": "{{ workshop.title }} naht", "body": "Bring Folien zu {{ workshop.title }} mit."},
    }


@pytest.fixture
def action() -> Iterator[Callable[..., Action]]:
    """Return a function that registers an action, a reminder with what it is given as attributes."""
    names: list[str] = []

    def make(signal: str = "reminder", base: type[Action] = Reminder, **attributes: Any) -> Action:
        names.append(signal)
        type(base.__name__, (base,), {"signal": signal, "__module__": __name__, **attributes})
        return actions.get(signal)

    yield make
    for name in {*names} & actions.all_actions().keys():
        actions.unregister(name)


@pytest.fixture
def host() -> Callable[..., Host]:
    """Return a function that makes somebody who teaches."""

    def make(name: str = "ann", **fields: Any) -> Host:
        return Host.objects.create(name=name, **{"email": f"{name}@example.com", **fields})

    return make


@pytest.fixture
def workshop() -> Callable[..., Workshop]:
    """Return a function that makes a workshop in a month."""

    def make(title: str = "Painting", **fields: Any) -> Workshop:
        starts_at = timezone.now() + timedelta(days=30)
        return Workshop.objects.create(
            title=title, **{"starts_at": starts_at, "ends_at": starts_at + timedelta(hours=2), **fields}
        )

    return make


@pytest.fixture
def schedule(action: Any, workshop: Any, host: Any) -> Callable[..., ScheduledMessage]:
    """Return a function that schedules a message of an action, by default one that is due about a new workshop."""

    def make(of: Action | None = None, **fields: Any) -> ScheduledMessage:
        chosen = of or (actions.get("reminder") if "reminder" in actions.all_actions() else action())
        about = fields["about"] if "about" in fields else workshop()
        given = {
            "scheduled_at": timezone.now() - timedelta(minutes=1),
            "context": {"workshop": about},
            "recipients": fields["recipients"] if "recipients" in fields else [host()],
            **fields,
            "about": about,
        }
        message = controller.schedule(chosen, **given)
        assert message is not None
        return message

    return make


@pytest.fixture
def storage(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """Where attachments are kept: in memory."""
    backend = f"{InMemoryStorage.__module__}.{InMemoryStorage.__qualname__}"
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": backend}}
    found = storages["default"]
    monkeypatch.setattr(Attachment._meta.get_field("file"), "storage", found)
    return found


@pytest.fixture
def work() -> Callable[[], None]:
    """Return a function that does what is due, as a worker does, until nothing is."""

    def do() -> None:
        sending.bring_back()
        sending.tick()
        Worker(once=True).run()
        ScheduledMessage.objects.filter(state="enqueued").update(due_at=timezone.now() - timedelta(seconds=1))
        sending.tick()

    return do


@pytest.fixture
def client_with() -> Callable[..., APIClient]:
    """Return a function that gives the client of a user who has these permissions of automation, and no others."""
    numbers = count()
    # How often each has asked is kept there.
    cache.clear()

    def make(*permissions: str, email: str = "staff@example.com") -> APIClient:
        user = User.objects.create(username=f"staff{next(numbers)}", email=email)
        user.user_permissions.set(
            Permission.objects.filter(content_type__app_label="ace_automation", codename__in=permissions)
        )
        client = APIClient(raise_request_exception=True)
        client.force_authenticate(user)
        return client

    return make
