"""
The push channel: which devices it sends to, what it asks of Firebase, and what it makes of each answer.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import firebase_admin
import pytest
from django.contrib.auth.models import User
from firebase_admin import credentials
from firebase_admin.exceptions import FirebaseError
from google.auth.credentials import AnonymousCredentials
from push_notifications.conf import AppConfig
from push_notifications.models import GCMDevice
from pytest_django import DjangoAssertNumQueries

from edx_ace.channel import push_notification
from edx_ace.channel.push_notification import PushNotificationChannel
from edx_ace.errors import (
    ChannelDownError,
    ChannelError,
    ConfigurationError,
    FatalChannelDeliveryError,
    InvalidMessageError,
    MissingExtraError,
    RecoverableChannelDeliveryError,
)
from edx_ace.message import Message
from edx_ace.recipient import Recipient
from edx_ace.renderers import RenderedPushNotification
from edx_ace.report import Skipped
from tests.http_twin import Answer, HttpTwin

pytestmark = pytest.mark.django_db

RENDERED = RenderedPushNotification(title=" Olá \n Zoë", body="Your course\n\n  starts ")

ACCEPTED = Answer(200, {"name": "projects/site/messages/0:1"})
DEAD = Answer(
    404,
    {
        "error": {
            "code": 404,
            "message": "Requested entity was not found.",
            "status": "NOT_FOUND",
            "details": [
                {"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": "UNREGISTERED"},
            ],
        }
    },
)


class _Anonymous(credentials.Base):  # type: ignore[misc]  # the package ships no types
    """Credentials that ask no server for a token."""

    def get_credential(self) -> AnonymousCredentials:
        return AnonymousCredentials()


@pytest.fixture(autouse=True)
def configured(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A site that uses Firebase."""
    app = firebase_admin.initialize_app(_Anonymous(), {"projectId": "site"}, name="tests")
    settings.FCM_APP_NAME = "site-app"
    settings.PUSH_NOTIFICATIONS_SETTINGS = {
        "CONFIG": "push_notifications.conf.AppConfig",
        "APPLICATIONS": {"site-app": {"PLATFORM": "FCM", "FIREBASE_APP": app}},
    }
    # That package reads its settings once, when it is imported.
    monkeypatch.setattr("push_notifications.conf.manager", AppConfig(settings.PUSH_NOTIFICATIONS_SETTINGS))
    yield
    firebase_admin.delete_app(app)


@pytest.fixture
def user() -> User:
    """A person with an account."""
    return User.objects.create(username="zoe")


def a_message(user: User | None, **fields: Any) -> Message:
    """A message to *user*."""
    recipient = None if user is None else Recipient(user.pk)
    return Message(app_label="courses", name="welcome", **{"recipient": recipient, **fields})


def add_devices(user: User | None, *tokens: str, **fields: Any) -> None:
    """Register a device with each of *tokens*."""
    for token in tokens:
        GCMDevice.objects.create(registration_id=token, user=user, **{"cloud_message_type": "FCM", **fields})


class TestDevices:
    """Which devices are sent to."""

    def test_active_fcm_devices_of_the_user(
        self, user: User, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        """
        One query finds the tokens of the user's active FCM devices, each token once, in the order of registration.
        """
        add_devices(user, "b", "a", "b")
        add_devices(user, "inactive", active=False)
        add_devices(user, "legacy", cloud_message_type="GCM")
        add_devices(User.objects.create(username="other"), "of another")

        with django_assert_num_queries(1):
            assert PushNotificationChannel.get_user_device_tokens(user.pk) == ["b", "a"]

    @pytest.mark.parametrize("user_id", [None, 0, "name", ""])
    def test_an_id_of_nobody_has_no_devices(self, user_id: Any) -> None:
        """
        Devices that belong to nobody are never sent to, and an id that no user can have is no error.
        """
        add_devices(None, "of nobody")

        assert PushNotificationChannel.get_user_device_tokens(user_id) == []

    @pytest.mark.parametrize("recipient", [None, Recipient(None, "zoe@example.com"), Recipient(0), Recipient("name")])
    def test_without_devices_nothing_is_sent(
        self, provider: HttpTwin, caplog: pytest.LogCaptureFixture, recipient: Recipient | None
    ) -> None:
        """
        A recipient without devices is logged, and Firebase is not asked.
        """
        add_devices(None, "of nobody")

        with caplog.at_level(logging.INFO, logger="edx_ace.channel.push_notification"):
            result = PushNotificationChannel().deliver(a_message(None, recipient=recipient), RENDERED)

        user_id = recipient and recipient.lms_user_id
        assert result == Skipped("no_device", "The recipient has no device to push to.")
        assert caplog.messages == [
            f"Recipient with ID {user_id} has no push token. Skipping push notification.",
        ]
        assert provider.requests == []

    def test_the_app_must_be_installed(self, settings: Any) -> None:
        """
        Without push_notifications in INSTALLED_APPS the error says so.
        """
        settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "push_notifications"]

        with pytest.raises(ConfigurationError, match="expected 'push_notifications' in INSTALLED_APPS"):
            PushNotificationChannel.get_user_device_tokens(1)


class TestRequest:
    """What goes to Firebase."""

    def test_the_notification(self, provider: HttpTwin, user: User) -> None:
        """
        The notification has title and body on one line each, for Android and Apple, and the message's extra data.
        """
        provider.answer_in_turn(ACCEPTED)
        add_devices(user, "token-1")
        message = a_message(user, context={"push_notification_extra_context": {"course_id": "course-v1:a+b+c"}})

        provider_id = PushNotificationChannel().deliver(message, RENDERED)

        (request,) = provider.requests
        assert request.url == "https://fcm.googleapis.com/v1/projects/site/messages:send"
        assert request.json["message"] == {
            "token": "token-1",
            "data": {"course_id": "course-v1:a+b+c"},
            "android": {
                "data": {"course_id": "course-v1:a+b+c"},
                "notification": {"title": "Olá Zoë", "body": "Your course starts"},
            },
            "apns": {
                "headers": {"apns-priority": "5", "apns-push-type": "alert"},
                "payload": {
                    "aps": {"alert": {"title": "Olá Zoë", "body": "Your course starts"}, "sound": "default"},
                },
            },
        }
        assert provider_id == "projects/site/messages/0:1"

    @pytest.mark.parametrize(
        ("extra", "text"),
        [({"article": "x" * 5000}, "expected at most 4,096"), ({"name": "half: \ud83d"}, "surrogate")],
    )
    def test_what_firebase_would_refuse_costs_no_device(
        self, provider: HttpTwin, user: User, extra: dict[str, str], text: str
    ) -> None:
        """
        A notification that no device could get is refused before Firebase can blame the devices for it.
        """
        add_devices(user, "token-1")

        with pytest.raises(InvalidMessageError, match=text):
            PushNotificationChannel().deliver(
                a_message(user, context={"push_notification_extra_context": extra}), RENDERED
            )

        assert provider.requests == []
        assert GCMDevice.objects.get().active

    def test_the_functions_are_looked_up_when_they_are_needed(
        self, user: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        Code that replaces send_message and dict_to_fcm_message in the module is heard, with these arguments.
        """
        add_devices(user, "token-1")
        calls: list[Any] = []

        class Notification:
            apns = None

        def dict_to_fcm_message(data: dict[str, Any]) -> Notification:
            calls.append(data)
            return Notification()

        def send_message(token: str, notification: Notification, app_name: str) -> None:
            calls.append((token, type(notification), app_name))

        monkeypatch.setattr(push_notification, "dict_to_fcm_message", dict_to_fcm_message)
        monkeypatch.setattr(push_notification, "send_message", send_message)

        assert PushNotificationChannel().deliver(a_message(user), RENDERED) is None
        assert calls == [
            {"title": "Olá Zoë", "body": "Your course starts", "notification_key": "token-1"},
            ("token-1", Notification, "site-app"),
        ]


class TestAnswer:
    """What the channel makes of Firebase's answers."""

    def test_a_dead_token_never_stops_the_others(
        self, provider: HttpTwin, user: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """
        Every device is tried; one that took it makes the message sent; the failures are counted and logged.
        """
        add_devices(user, "dead", "alive", "dead too")
        provider.answer_in_turn(DEAD, ACCEPTED, DEAD)
        message = a_message(user)
        reported: dict[str, Any] = {}
        monkeypatch.setattr(message, "report", reported.__setitem__)

        assert PushNotificationChannel().deliver(message, RENDERED) == "projects/site/messages/0:1"

        assert [request.json["message"]["token"] for request in provider.requests] == ["dead", "alive", "dead too"]
        assert reported == {"push_devices_failed": 2}
        assert caplog.messages == [
            "Failed to send push notification to dead",
            "Failed to send push notification to dead too",
        ]
        assert list(GCMDevice.objects.filter(active=True).values_list("registration_id", flat=True)) == ["alive"]

    def test_no_device_took_it(self, provider: HttpTwin, user: User) -> None:
        """
        When every device failed the message failed, with the last error, which does not repeat the token.
        """
        add_devices(user, "dead", "dead too")
        provider.answer_in_turn(DEAD)

        with pytest.raises(FatalChannelDeliveryError, match="The device's token is no longer valid") as caught:
            PushNotificationChannel().deliver(a_message(user), RENDERED)

        assert caught.value.code == "dead_token"
        assert "dead too" not in str(caught.value)
        assert len(provider.requests) == 2

    @pytest.mark.parametrize(
        ("status", "name", "kind", "code"),
        [
            (429, "RESOURCE_EXHAUSTED", RecoverableChannelDeliveryError, "http_429"),
            (502, "", RecoverableChannelDeliveryError, "http_502"),
            (401, "UNAUTHENTICATED", ChannelDownError, "credentials"),
            (403, "PERMISSION_DENIED", ChannelDownError, "credentials"),
            (400, "INVALID_ARGUMENT", FatalChannelDeliveryError, "refused"),
            # A token of another sender.
            (403, "SENDER_ID_MISMATCH", FatalChannelDeliveryError, "dead_token"),
        ],
    )
    def test_refused(
        self, provider: HttpTwin, user: User, status: int, name: str, kind: type[ChannelError], code: str
    ) -> None:
        """
        Passing trouble is worth another attempt, refused credentials concern the channel, and the rest the message.
        """
        add_devices(user, "token-1")
        error = {
            "code": status,
            "message": "No",
            "status": "PERMISSION_DENIED" if name == "SENDER_ID_MISMATCH" else name,
            "details": [{"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": name}],
        }
        provider.answer(status, {"error": error} if name else "<html>Bad gateway</html>")

        with pytest.raises(kind, match="Firebase did not take the push notification") as caught:
            PushNotificationChannel().deliver(a_message(user), RENDERED)

        assert caught.value.code == code
        if isinstance(caught.value, RecoverableChannelDeliveryError):
            assert caught.value.next_attempt_time is not None
            assert 7 < (caught.value.next_attempt_time - datetime.now(UTC)).total_seconds() <= 12

    def test_nobody_listens(self, provider: HttpTwin, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        A connection that cannot be made is a passing trouble.
        """
        monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
        add_devices(user, "token-1")

        with pytest.raises(RecoverableChannelDeliveryError, match="UnavailableError") as caught:
            PushNotificationChannel().deliver(a_message(user), RENDERED)

        assert not caught.value.is_ambiguous

    def test_a_lost_answer(self, provider: HttpTwin, user: User) -> None:
        """
        A notification whose answer breaks off may have arrived.
        """
        provider.answer(200, {"name": "projects/p/messages/1"}, cut="body")
        add_devices(user, "token-1")

        with pytest.raises(FatalChannelDeliveryError, match="UnknownError") as caught:
            PushNotificationChannel().deliver(a_message(user), RENDERED)

        assert caught.value.is_ambiguous

    @pytest.mark.parametrize(
        "failure", [FirebaseError("UNKNOWN", "something new"), ValueError("bad data"), RuntimeError("token-1")]
    )
    def test_an_exception_of_the_client_is_logged_and_fatal(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, user: User, failure: Exception
    ) -> None:
        """
        What Firebase's client raises is logged with the traceback and becomes a fatal error of this delivery.
        """

        def send_message(*args: Any) -> None:
            raise failure

        monkeypatch.setattr(push_notification, "send_message", send_message)

        with pytest.raises(FatalChannelDeliveryError) as caught:
            PushNotificationChannel().send_message(a_message(user), "token-1", RENDERED)

        assert caplog.messages == ["Failed to send push notification to token-1"]
        assert caplog.records[0].exc_info is not None
        assert "token-1" not in str(caught.value)

    def test_an_app_that_is_not_configured(self, user: User, settings: Any) -> None:
        """
        An FCM_APP_NAME that PUSH_NOTIFICATIONS_SETTINGS does not know brings the channel down.
        """
        settings.FCM_APP_NAME = "another-app"
        add_devices(user, "token-1")

        with pytest.raises(ChannelDownError, match="Check FCM_APP_NAME"):
            PushNotificationChannel().deliver(a_message(user), RENDERED)


class TestChannel:
    """What the pipeline asks of the channel."""

    @pytest.mark.parametrize("missing", ["FCM_APP_NAME", "PUSH_NOTIFICATIONS_SETTINGS"])
    def test_disabled_without_a_setting(self, settings: Any, missing: str, caplog: pytest.LogCaptureFixture) -> None:
        """
        Without one of the two settings the channel is not enabled, which is no error; it can be constructed.
        """
        assert PushNotificationChannel.enabled()

        delattr(settings, missing)

        assert not PushNotificationChannel.enabled()
        assert PushNotificationChannel()
        assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []

    def test_compress_spaces(self) -> None:
        """
        A text ends up on one line with single spaces.
        """
        assert PushNotificationChannel.compress_spaces("  a  b\n\n c \u2028") == "a b c"

    def test_without_firebase_the_error_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        Importing the channel without its dependency names the extra that brings it.
        """
        monkeypatch.delitem(sys.modules, "edx_ace.channel.push_notification")
        monkeypatch.setitem(sys.modules, "push_notifications.gcm", None)

        with pytest.raises(MissingExtraError, match=r'The push notification channel .* pip install "edx-ace\[push\]"'):
            import edx_ace.channel.push_notification  # noqa: F401
