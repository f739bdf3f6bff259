"""
Internal: events of mail providers over HTTP, through django-anymail's webhooks for all its providers.

`webhook` is the view that `edx_ace.tracking.urls` has an address for: it refuses what is not secured, too large or no
JSON, and lets one event that cannot be read not spoil the others. Each event then comes here by django-anymail's signal
``tracking``, as it does for sites that include ``anymail.urls`` themselves.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import BadRequest, ImproperlyConfigured, PermissionDenied, RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from edx_ace.tracking.errors import BadEventError
from edx_ace.tracking.events import record_event
from edx_ace.tracking.models import Kind
from edx_ace.tracking.smtp_codes import is_hard, status_in

LOG = logging.getLogger(__name__)

#: Largest body that is read, in bytes.
MAX_BODY_BYTES = 1024 * 1024

#: What django-anymail's views raise for a body that is none of the provider's: they take its shape for granted.
_UNREADABLE = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RecursionError,
    OverflowError,
    # A moment that the system's clock cannot have.
    OSError,
    AssertionError,
)

_KINDS = {
    "delivered": Kind.DELIVERED,
    "deferred": Kind.DEFERRED,
    "complained": Kind.COMPLAINED,
    "unsubscribed": Kind.UNSUBSCRIBED,
    "rejected": Kind.REJECTED,
    "failed": Kind.REJECTED,
}


@csrf_exempt
@login_not_required
def webhook(request: HttpRequest, provider: str) -> HttpResponseBase:
    """Take the events of *provider*, called as in django-anymail's own addresses: ``postmark``, ``amazon_ses``."""
    view_class = _view_class(provider)
    if view_class is None:
        raise Http404(f"django-anymail is not installed, or has no webhook for {provider!r}.")
    if request.method == "POST":
        if not is_secured(view_class):
            raise PermissionDenied("The webhook has no secret.")
        if request.headers.get("Content-Encoding", "identity") != "identity":
            # Nothing here unpacks anything.
            return HttpResponse("Expected a body without Content-Encoding.", status=415, content_type="text/plain")
        if _is_too_large(request):
            return HttpResponse("Expected at most 1 MB.", status=413, content_type="text/plain")
    response: HttpResponseBase = _forgiving(view_class).as_view()(request)
    return response


def is_secured(view_class: Any) -> bool:
    """Return whether a webhook of django-anymail has a secret to know its provider by: passwords, or a signing key."""
    from anymail.exceptions import AnymailImproperlyInstalled

    try:
        with warnings.catch_warnings():
            # Among them that it has none.
            warnings.simplefilter("ignore")
            view = view_class()
    except AnymailImproperlyInstalled:
        raise
    except ImproperlyConfigured:
        return False
    if view.basic_auth:
        return all(view.basic_auth)
    # It does without a password only where it checks a signature, for which it has its keys as bytes.
    return not view.warn_if_no_basic_auth and b"" not in vars(view).values()


def receive(sender: Any, event: Any, esp_name: str, **kwargs: object) -> None:
    """Record one event of django-anymail's signal ``tracking``."""
    from anymail.exceptions import AnymailWebhookValidationFailure

    if not is_secured(sender):
        raise AnymailWebhookValidationFailure(f"The webhook of {esp_name} has no secret.")
    kind = _kind_of(event, esp_name)
    if kind is None:
        return
    try:
        record_event(
            esp_name,
            kind,
            address=event.recipient,
            provider_id=event.message_id,
            event_id=str(event.event_id or ""),
            at=event.timestamp,
            code=status_in(_said(event)) or event.reject_reason or "",
            detail=_said(event),
        )
    except BadEventError as error:
        LOG.warning("An event of %s is not recorded: %s", esp_name, error)


def _kind_of(event: Any, esp_name: str) -> Kind | None:
    """Return what *event* says about a delivery; None: nothing."""
    if event.event_type == "bounced":
        return Kind.SOFT_BOUNCE if _is_soft(event, esp_name) else Kind.HARD_BOUNCE
    if event.event_type in ("rejected", "failed") and event.reject_reason in ("invalid", "bounced"):
        # The provider does not even try: it knows the address from before.
        return Kind.HARD_BOUNCE
    return _KINDS.get(event.event_type)


#: How providers say themselves whether a bounce is for good, which django-anymail leaves out; None: they do not say.
_SAYS_SOFT: Mapping[str, Callable[[Any], bool | None]] = {
    "Amazon SES": lambda said: said["bounce"]["bounceType"] != "Permanent",
    "Brevo": lambda said: said["event"] == "soft_bounce",
    "MailerSend": lambda said: said["data"]["type"] == "soft_bounced",
    "Mailjet": lambda said: not said["hard_bounce"],
    "Mandrill": lambda said: said["event"] == "soft_bounce",
    "Postmark": lambda said: said["Type"] != "HardBounce",
    "SendGrid": lambda said: True if said.get("type") == "blocked" else None,
    # 10: there is no such recipient; 30: nor is one named.
    "SparkPost": lambda said: str(said["msys"]["message_event"]["bounce_class"]) not in ("10", "30"),
}


def _is_soft(event: Any, esp_name: str) -> bool:
    try:
        soft = _SAYS_SOFT.get(esp_name, lambda said: None)(event.esp_event)
    except (LookupError, TypeError, AttributeError):
        soft = None
    if soft is None:
        status = status_in(_said(event))
        soft = bool(status) and not is_hard(status)
    return soft


def _said(event: Any) -> str:
    return str(event.mta_response or event.description or "")


def listen() -> None:
    """Record what django-anymail's webhooks tell from now on; once, however often it is called."""
    from anymail.signals import tracking

    tracking.connect(receive, dispatch_uid="ace_tracking.receive")


def _view_class(provider: str) -> Any:
    try:
        from anymail import urls
    except ImportError:
        return None
    listen()
    names = (f"{provider}_tracking_webhook", f"{provider}_webhook")
    return next((pattern.callback.view_class for pattern in urls.urlpatterns if pattern.name in names), None)


def _is_too_large(request: HttpRequest) -> bool:
    try:
        if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BODY_BYTES:
            return True
        return len(request.body) > MAX_BODY_BYTES
    except RequestDataTooBig:
        return True


def _forgiving(view_class: Any) -> Any:
    """Return *view_class* with events that cannot be read left out; a body of which nothing can be read is refused."""
    from anymail.exceptions import AnymailAPIError

    class Forgiving(view_class):  # type: ignore[misc]  # django-anymail has no types
        def run_validators(self, request: HttpRequest) -> None:
            try:
                super().run_validators(request)
            except (*_UNREADABLE, AnymailAPIError) as error:
                raise BadRequest(f"The body cannot be read: {type(error).__name__}.") from None

        def parse_events(self, request: HttpRequest) -> list[Any]:
            self.unread = 0
            try:
                events = [event for event in super().parse_events(request) if event is not None]
            except (*_UNREADABLE, AnymailAPIError) as error:
                raise BadRequest(f"The body cannot be read: {type(error).__name__}.") from None
            if self.unread:
                LOG.warning("%d events of %s cannot be read; %d can.", self.unread, self.esp_name, len(events))
                if not events:
                    raise BadRequest("No event can be read.")
            return events

        def esp_to_anymail_event(self, *args: Any) -> Any:
            try:
                return super().esp_to_anymail_event(*args)
            except _UNREADABLE:
                self.unread += 1
                return None

        def unwrap_event(self, raw_event: Any) -> Any:
            # SparkPost's are wrapped.
            try:
                return super().unwrap_event(raw_event)
            except _UNREADABLE:
                self.unread += 1
                return None, None, raw_event

    return Forgiving
