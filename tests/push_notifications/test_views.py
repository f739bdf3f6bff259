"""
The view at which an app registers its device.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from django.contrib.auth.models import User
from push_notifications.models import GCMDevice
from rest_framework.test import APIRequestFactory, force_authenticate

from edx_ace.errors import MissingExtraError
from edx_ace.push_notifications.views import GCMDeviceViewSet

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    """A person with an account."""
    return User.objects.create(username="zoe")


def ask(user: User | None, method: str, data: Any = None) -> Any:
    """Return the view's answer to *user*."""
    request = getattr(APIRequestFactory(), method)("/devices/", data, format="json")
    if user is not None:
        force_authenticate(request, user)
    return GCMDeviceViewSet.as_view({"post": "create", "get": "list"})(request)


def test_a_device_is_registered_for_whoever_asks(user: User) -> None:
    """
    A registered device belongs to the person who asked and is active.
    """
    answer = ask(user, "post", {"registration_id": "token-1", "cloud_message_type": "FCM"})

    assert answer.status_code == 201
    device = GCMDevice.objects.get()
    assert (device.registration_id, device.user, device.active) == ("token-1", user, True)


def test_nobody_sees_the_devices_of_others(user: User) -> None:
    """
    Only one's own devices are listed.
    """
    other = User.objects.create(username="other")
    GCMDevice.objects.create(registration_id="mine", user=user)
    GCMDevice.objects.create(registration_id="theirs", user=other)

    assert [device["registration_id"] for device in ask(user, "get").data] == ["mine"]


def test_registering_asks_for_a_login() -> None:
    """
    Somebody who is not logged in can register nothing.
    """
    answer = ask(None, "post", {"registration_id": "token-1"})

    assert answer.status_code in (401, 403)
    assert not GCMDevice.objects.exists()


def test_the_view_is_imported_by_nobody_else() -> None:
    """
    A site that pushes but serves no view does without Django REST framework.
    """
    code = (
        "import sys, django\n"
        "from django.conf import settings\n"
        "served = {'edx_ace.api', 'drf_spectacular'}\n"
        "settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app not in served]\n"
        "django.setup()\n"
        "import edx_ace.push_notifications, edx_ace.channel.push_notification\n"
        "assert 'rest_framework' not in sys.modules and 'edx_ace.push_notifications.views' not in sys.modules"
    )

    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_without_rest_framework_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Importing the view without its dependencies names the extras that bring them.
    """
    monkeypatch.delitem(sys.modules, "edx_ace.push_notifications.views")
    monkeypatch.setitem(sys.modules, "push_notifications.api.rest_framework", None)

    with pytest.raises(MissingExtraError, match=r'pip install "edx-ace\[push\]"'):
        import edx_ace.push_notifications.views  # noqa: F401
