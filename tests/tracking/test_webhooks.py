"""
Internal: what mail providers post to the webhooks of a live server.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
import requests
from django.core.exceptions import SuspiciousOperation
from django.urls import reverse

from edx_ace import Recipient
from edx_ace.outbox import State, counts, enqueue
from edx_ace.outbox.models import Delivery
from edx_ace.tracking import Reason
from edx_ace.tracking.checks import check_tracking
from edx_ace.tracking.models import ProviderEvent, Suppression, SuppressionChange
from edx_ace.tracking.webhooks import MAX_BODY_BYTES
from tests.outbox.test_worker import work
from tests.pipeline import Recorder, welcome
from tests.tracking import vendors

pytest.importorskip("anymail")
pytestmark = [
    pytest.mark.django_db(transaction=True),
    # Its webhook works as before.
    pytest.mark.filterwarnings("ignore:django-anymail has dropped official support for SendGrid"),
]

ANN = "Ann@example.com"


class Numbered(Recorder):
    """Gives ids as providers do."""

    def __init__(self, provider_id: str) -> None:
        super().__init__()
        self.provider_id = provider_id

    def deliver(self, message: Any, rendered_message: Any) -> str:
        return self.provider_id


@pytest.fixture(autouse=True)
def secrets(settings) -> None:
    """What the site and its providers know."""
    settings.ANYMAIL = {"WEBHOOK_SECRET": vendors.SECRET, "MAILGUN_WEBHOOK_SIGNING_KEY": vendors.SIGNING_KEY}


@pytest.fixture
def post(live_server) -> Callable[..., int]:
    """Return a function that posts a provider's request and returns the status of the answer."""

    def send(request: vendors.Request, headers: dict[str, str] | None = None, **changes: Any) -> int:
        path, own, body = request
        headers = {**vendors.authorization(), **own, **(headers or {})}
        answer = requests.post(f"{live_server.url}/mail/{path}", changes.get("body", body), headers=headers, timeout=99)
        return answer.status_code

    return send


@pytest.fixture
def sent(use_channels) -> Callable[[str], Delivery]:
    """Return a function that sends a message that the provider calls *provider_id*."""

    def send(provider_id: str) -> Delivery:
        use_channels(mail=Numbered(provider_id))
        enqueue(welcome(recipient=Recipient(7, ANN)))
        work()
        return Delivery.objects.get()

    return send


def nothing_is_kept() -> bool:
    return not ProviderEvent.objects.exists() and not Suppression.objects.exists()


@pytest.mark.parametrize("vendor", vendors.ALL, ids=lambda vendor: vendor.__name__)
@pytest.mark.parametrize(
    ("what", "state", "kind", "reason"),
    [
        ("delivered", State.DELIVERED, "delivered", None),
        ("hard", State.BOUNCED, "hard_bounce", Reason.HARD_BOUNCE),
        ("soft", State.BOUNCED, "soft_bounce", None),
        ("complained", State.COMPLAINED, "complained", Reason.COMPLAINT),
    ],
)
def test_a_provider_says_what_became_of_a_message(sent, post, vendor, what, state, kind, reason):
    """
    The delivery moves on, the address is suppressed where it has to be, and a repeat changes nothing.
    """
    sent("123456")
    if vendor is vendors.mailgun:
        Delivery.objects.update(provider_id="<123456>")
    request = vendor(what, "123456", ANN)

    assert [post(request), post(request)] == [200, 200]

    assert Delivery.objects.get().state == state
    event = ProviderEvent.objects.get()
    assert (event.kind, event.delivery_id, event.address) == (kind, Delivery.objects.get().pk, None)
    assert ANN.lower() not in event.detail.lower()
    assert list(Suppression.objects.values_list("reason", flat=True)) == ([reason] if reason else [])


def test_an_event_that_comes_many_times_at_once_counts_once(sent, post, at_once):
    """
    Whatever the answers, the provider is told to come again until it is kept.
    """
    sent("1")
    request = vendors.postmark("hard", "1", ANN)

    answers = at_once(lambda: post(request), 8)

    assert 200 in answers
    assert post(request) == 200
    assert ProviderEvent.objects.count() == Suppression.objects.count() == SuppressionChange.objects.count() == 1
    assert Delivery.objects.get().state == State.BOUNCED
    assert counts.check().differences == []


def test_a_thousand_events_with_broken_ones_among_them(sent, post):
    """
    The others are kept.
    """
    sent("one")
    events: list[Any] = [
        vendors.sendgrid_event("delivered", f"of-somebody-{number}", f"ann{number}@example.com", str(number))
        for number in range(1000)
    ]
    events[3] = "not even an object"
    events[4] = {"event": "bounce"}
    events[5]["email"] = "no address"
    events[6]["anymail_id"] = {"nested": True}
    events[7]["timestamp"] = 10**30
    events[8] = None
    # A moment that no clock has, and half of a character.
    events[9]["timestamp"] = 10**18
    events[10]["sg_event_id"] = "\ud800"
    # The first moment that Python knows.
    events[11]["timestamp"] = -62135596800
    events.append(vendors.sendgrid_event("hard", "one", ANN, "last"))

    assert post(("sendgrid/tracking/", {}, json.dumps(events).encode())) == 200

    assert ProviderEvent.objects.count() == 1001 - 8
    assert Delivery.objects.get().state == State.BOUNCED


def test_a_broken_event_of_sparkpost_does_not_spoil_the_others(sent, post):
    """
    They are wrapped.
    """
    sent("one")
    _, _, body = vendors.sparkpost("hard", "one", ANN)
    events = [{}, {"msys": {"a": {}, "b": {}}}, {"msys": {}}, *json.loads(body)]

    assert post(("sparkpost/tracking/", {}, json.dumps(events).encode())) == 200

    assert Delivery.objects.get().state == State.BOUNCED


@pytest.mark.parametrize("provider", ["sendgrid", "postmark", "amazon_ses", "sparkpost"])
def test_a_body_that_is_none_of_the_provider_s_is_refused(post, provider):
    """
    Nothing is kept, and the server goes on.
    """
    headers = {"X-Amz-Sns-Message-Type": "Notification"} if provider == "amazon_ses" else {}
    bodies = [
        b"",
        b"not json",
        b'["\xff\xfe"]',
        # Deeper than Python can follow, and a number with more digits than it reads.
        b"[" * 200_000 + b"]" * 200_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b"9" * 10_000,
        b"null",
        b'"text"',
    ]
    large = [b"[" + b" " * length + b"]" for length in (MAX_BODY_BYTES, 3 * MAX_BODY_BYTES)]

    assert [post((f"{provider}/tracking/", headers, body)) for body in bodies] == [400] * len(bodies)
    assert [post((f"{provider}/tracking/", headers, body)) for body in large] == [413, 413]
    assert nothing_is_kept()


def test_nothing_is_unpacked(post):
    """
    A few bytes may come to gigabytes.
    """
    bomb = gzip.compress(b" " * 50_000_000)

    for encoding in ("gzip", "br", "deflate, gzip"):
        assert post(("sendgrid/tracking/", {"Content-Encoding": encoding}, bomb)) == 415
    # Without the header it is no JSON.
    assert post(("sendgrid/tracking/", {}, bomb)) == 400
    assert nothing_is_kept()


@pytest.mark.parametrize(
    "headers",
    [{"Authorization": ""}, vendors.authorization("provider:guess"), {"Authorization": "Basic \u00e4"}],
    ids=["none", "wrong", "malformed"],
)
def test_who_does_not_know_the_secret_is_refused(sent, post, headers):
    """
    Nothing changes.
    """
    sent("1")

    assert post(vendors.postmark("hard", "1", ANN), headers) == 400

    assert Delivery.objects.get().state == State.SENT
    assert nothing_is_kept()


def test_an_altered_body_does_not_fit_its_signature(sent, post):
    """
    Mailgun signs.
    """
    sent("<1>")
    path, headers, body = vendors.mailgun("hard", "1", ANN)

    assert post((path, headers, body.replace(b'"signature": "', b'"signature": "0'))) == 400

    assert nothing_is_kept()


@pytest.mark.parametrize("vendor", vendors.ALL, ids=lambda vendor: vendor.__name__)
def test_a_webhook_without_a_secret_is_refused(post, settings, vendor):
    """
    Whoever knows the address could suppress anybody.
    """
    settings.ANYMAIL = {}

    assert post(vendor("hard", "1", ANN)) == 403

    assert nothing_is_kept()


@pytest.mark.parametrize(
    ("vendor", "given"),
    [
        # As by os.environ.get() of what is not set: django-anymail takes a request without a password for one with it.
        (vendors.postmark, {"WEBHOOK_SECRET": [None]}),
        (vendors.postmark, {"WEBHOOK_SECRET": [vendors.SECRET, ""]}),
        # What anybody can sign.
        (vendors.mailgun, {"MAILGUN_WEBHOOK_SIGNING_KEY": ""}),
        (vendors.mailgun, {"MAILGUN_API_KEY": ""}),
    ],
)
def test_an_empty_secret_is_none(post, settings, monkeypatch, vendor, given):
    """
    Whoever guesses that is refused.
    """
    monkeypatch.setattr(vendors, "SIGNING_KEY", "")
    settings.ANYMAIL = given

    assert post(vendor("hard", "1", ANN), {"Authorization": ""}) == 403

    assert nothing_is_kept()
    assert [message.id for message in check_tracking()] == ["ace_tracking.W002"]


def test_a_site_that_includes_django_anymail_s_own_addresses_is_no_less_careful(settings, rf):
    """
    What comes by the signal is refused, too.
    """
    from anymail.webhooks.postmark import PostmarkTrackingWebhookView

    path, _, body = vendors.postmark("hard", "1", ANN)
    headers = {"HTTP_AUTHORIZATION": vendors.authorization()["Authorization"]}
    request = rf.post(f"/{path}", body, content_type="application/json", **headers)
    view = PostmarkTrackingWebhookView.as_view()
    assert view(request).status_code == 200
    assert Suppression.objects.count() == 1

    settings.ANYMAIL = {}
    with pytest.warns(match="insecure"), pytest.raises(SuspiciousOperation, match="has no secret"):
        view(rf.post(f"/{path}", body, content_type="application/json"))


def test_other_requests(live_server):
    """
    Some providers ask with HEAD first; nobody else has business here.
    """
    address = live_server.url + reverse("ace_tracking:webhook", args=["postmark"])

    assert requests.head(address, timeout=30).status_code == 200
    assert requests.get(address, timeout=30).status_code == 405
    assert requests.post(live_server.url + "/mail/pigeon/tracking/", timeout=30).status_code == 404


def test_without_django_anymail_there_is_no_webhook(client, monkeypatch):
    """
    The addresses are there for links alone, and whoever posts to them fails nothing.
    """
    monkeypatch.setitem(sys.modules, "anymail", None)

    assert client.post("/mail/postmark/tracking/").status_code == 404
