"""
Public: push notifications through Firebase Cloud Messaging, to the devices that django-push-notifications knows.

Needs the extra ``push``, ``push_notifications`` in INSTALLED_APPS, and the settings FCM_APP_NAME and
PUSH_NOTIFICATIONS_SETTINGS of that package. A device that Firebase reports as gone is set inactive by that package.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from django.apps import apps
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured, ValidationError

from edx_ace.errors import (
    ChannelDownError,
    ChannelError,
    ConfigurationError,
    FatalChannelDeliveryError,
    InvalidMessageError,
    MissingExtraError,
    RecoverableChannelDeliveryError,
)

try:
    from firebase_admin import exceptions as firebase
    from firebase_admin import messaging
    from google.auth.exceptions import GoogleAuthError, TransportError
    from push_notifications.gcm import dict_to_fcm_message, send_message
    from requests import RequestException
except ImportError as error:
    raise MissingExtraError("The push notification channel", "push") from error

from edx_ace.channel.base import Channel, ChannelType
from edx_ace.channel.providers import is_ambiguous, retry_time
from edx_ace.report import Skipped
from edx_ace.text import check_text, one_line

if TYPE_CHECKING:
    from edx_ace.message import Message
    from edx_ace.renderers import RenderedPushNotification

LOG = logging.getLogger(__name__)

#: Largest notification, in bytes. Source: Firebase Cloud Messaging, "About FCM messages".
MAX_PAYLOAD_BYTES = 4096

#: What Firebase's client raises for a passing trouble, with the code that our error gets.
_PASSING = (
    (firebase.ResourceExhaustedError, "http_429"),
    (firebase.DeadlineExceededError, "timeout"),
    (firebase.UnavailableError, "http_503"),
    (firebase.InternalError, "http_500"),
    (TransportError, "connection"),
)

#: What it raises for one device: the token is of another sender or of nobody, whatever the class that these specialise.
_DEAD_TOKEN = (messaging.SenderIdMismatchError, messaging.UnregisteredError)

#: What it raises when the site's own credentials or configuration are at fault.
_DOWN = (firebase.UnauthenticatedError, firebase.PermissionDeniedError, GoogleAuthError, ImproperlyConfigured)


class PushNotificationChannel(Channel):
    """Hands a notification to Firebase once for each of the recipient's devices."""

    channel_type: ClassVar[ChannelType] = ChannelType.PUSH

    @classmethod
    def enabled(cls) -> bool:
        """Whether FCM_APP_NAME and PUSH_NOTIFICATIONS_SETTINGS are set."""
        return bool(
            getattr(django_settings, "FCM_APP_NAME", None)
            and getattr(django_settings, "PUSH_NOTIFICATIONS_SETTINGS", None)
        )

    def deliver(self, message: Message, rendered_message: RenderedPushNotification) -> str | Skipped | None:
        """
        Send to every device of the recipient and return Firebase's id for the first that took it.

        Without a device there is nothing to send to, and the message is skipped.

        Raises:
            ChannelError: If no device took it: what the last one failed with.
        """
        user_id = None if message.recipient is None else message.recipient.lms_user_id
        tokens = self.get_user_device_tokens(user_id)
        if not tokens:
            LOG.info("Recipient with ID %s has no push token. Skipping push notification.", user_id)
            return Skipped("no_device", "The recipient has no device to push to.")
        provider_ids: list[str | None] = []
        failures: list[ChannelError] = []
        for token in tokens:
            try:
                provider_ids.append(self.send_message(message, token, rendered_message))
            except ChannelError as failure:
                failures.append(failure)
        if failures:
            message.report("push_devices_failed", len(failures))
        if not provider_ids:
            raise failures[-1]
        return next(filter(None, provider_ids), None)

    def send_message(self, message: Message, token: str, rendered_message: RenderedPushNotification) -> str | None:
        """
        Send to the device with *token* and return Firebase's id of the notification, if it gives one.

        Raises:
            InvalidMessageError: If the notification can go to no device.
            ChannelError: If it could not be sent to this one.
        """
        data = {
            "title": self.compress_spaces(rendered_message.title),
            "body": self.compress_spaces(rendered_message.body),
            "notification_key": token,
            **(message.context.get("push_notification_extra_context") or {}),
        }
        _check_size(data)
        try:
            notification = dict_to_fcm_message(data)
            notification.apns = self.collect_apns_config(data)
            answer = send_message(token, notification, getattr(django_settings, "FCM_APP_NAME", None))
            return _provider_id(answer)
        except Exception as failure:
            LOG.exception("Failed to send push notification to %s", token)
            raise _error_for(failure) from failure

    @staticmethod
    def get_user_device_tokens(user_id: Any) -> list[str]:
        """Return the registration ids of the active FCM devices of the user with *user_id*."""
        if user_id is None:
            # Would find the devices that belong to nobody.
            return []
        try:
            devices = apps.get_model("push_notifications", "GCMDevice")._default_manager
        except LookupError as error:
            raise ConfigurationError(
                "The push notification channel expected 'push_notifications' in INSTALLED_APPS, where it is missing. "
                "Add it and run migrate."
            ) from error
        try:
            tokens = devices.filter(user_id=user_id, active=True, cloud_message_type="FCM").order_by("pk")
            # Unless the site says otherwise, several rows may hold the same token.
            return list(dict.fromkeys(tokens.values_list("registration_id", flat=True)))
        except (ValueError, ValidationError):
            # Not an id of a user of this site: nobody's devices.
            return []

    @staticmethod
    def compress_spaces(html_str: str) -> str:
        """Return *html_str* on one line, with one space where there are several."""
        return one_line(html_str)

    @staticmethod
    def collect_apns_config(notification_data: Mapping[str, Any]) -> messaging.APNSConfig:
        """Return how Apple's devices show the notification: an alert with the default sound, sparing the battery."""
        alert = messaging.ApsAlert(title=notification_data["title"], body=notification_data["body"])
        return messaging.APNSConfig(
            headers={"apns-priority": "5", "apns-push-type": "alert"},
            payload=messaging.APNSPayload(aps=messaging.Aps(alert=alert, sound="default")),
        )


def _check_size(data: Mapping[str, Any]) -> None:
    """
    Refuse what Firebase would refuse: a refusal there sets the devices inactive, as if their tokens were at fault.

    Raises:
        InvalidMessageError: If *data* is not sendable, or is larger than `MAX_PAYLOAD_BYTES`.
    """
    texts = [check_text(str(part), "push notification") for item in data.items() for part in item]
    size = sum(len(text.encode()) for text in texts)
    if size > MAX_PAYLOAD_BYTES:
        raise InvalidMessageError(
            f"The push notification has {size:,} bytes with context['push_notification_extra_context']; expected at "
            f"most {MAX_PAYLOAD_BYTES:,}. Shorten it.",
            code="too_large",
        )


def _provider_id(answer: object) -> str | None:
    """Return Firebase's id in the *answer* for one device, or raise the exception that it holds instead."""
    if not isinstance(answer, messaging.BatchResponse):
        return None
    for response in answer.responses:
        if response.exception:
            raise response.exception
        return str(response.message_id)
    return None


def _error_for(failure: Exception) -> ChannelError:
    """Return the error that *failure*, raised by Firebase's client, stands for."""
    # What its client does not know it wraps.
    cause = getattr(failure, "cause", None)
    known = cause if isinstance(failure, firebase.UnknownError) and isinstance(cause, GoogleAuthError) else failure
    text = f"Firebase did not take the push notification ({type(known).__name__})."
    if isinstance(known, _DEAD_TOKEN):
        return FatalChannelDeliveryError(f"{text} The device's token is no longer valid.", code="dead_token")
    answer = getattr(failure, "http_response", None)
    for kind, code in _PASSING:
        if isinstance(known, kind):
            retry_at = retry_time(getattr(answer, "headers", {}))
            is_lost = answer is None and _is_lost(failure)
            return RecoverableChannelDeliveryError(text, retry_at, code=code, is_ambiguous=is_lost)
    if answer is not None and answer.status_code >= 500:
        return RecoverableChannelDeliveryError(text, retry_time(answer.headers), code=f"http_{answer.status_code}")
    if isinstance(known, _DOWN):
        return ChannelDownError(f"{text} Check FCM_APP_NAME and Firebase's credentials.", code="credentials")
    return FatalChannelDeliveryError(text, code="refused", is_ambiguous=answer is None and _is_lost(failure))


def _is_lost(failure: Exception) -> bool:
    """Whether *failure* came in place of an answer to a request that was written."""
    return isinstance(getattr(failure, "cause", None), RequestException) and is_ambiguous(failure)
