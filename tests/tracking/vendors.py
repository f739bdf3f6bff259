"""
Internal: what mail providers post, in the formats that they document.

Each function returns path, headers and body of a request that says *what* happened to the message *provider_id* to
*address*.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

#: Of the tests' ANYMAIL settings.
SECRET = "provider:secret"
SIGNING_KEY = "signing-key"

Request = tuple[str, dict[str, str], bytes]


def authorization(secret: str = SECRET) -> dict[str, str]:
    """Return the header by which a provider shows the secret."""
    return {"Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}


def _json(provider: str, body: Any, **headers: str) -> Request:
    return f"{provider}/tracking/", {"Content-Type": "application/json", **headers}, json.dumps(body).encode()


def postmark(what: str, provider_id: str, address: str) -> Request:
    """Return a request of Postmark: one event."""
    about = {
        "delivered": {"RecordType": "Delivery", "Recipient": address, "DeliveredAt": "2026-01-01T00:00:00Z"},
        "hard": {
            "RecordType": "Bounce",
            "ID": 4323372036854775807,
            "Type": "HardBounce",
            "TypeCode": 1,
            "Email": address,
            "BouncedAt": "2026-01-01T00:00:00Z",
            "Description": "The server was unable to deliver your message (ex: unknown user, mailbox not found).",
            "Details": f"smtp;550 5.1.1 The email account {address} does not exist.",
        },
        "soft": {
            "RecordType": "Bounce",
            "ID": 4323372036854775808,
            "Type": "SoftBounce",
            "TypeCode": 4096,
            "Email": address,
            "BouncedAt": "2026-01-01T00:00:00Z",
            "Details": "smtp;552 5.2.2 Mailbox full",
        },
        "complained": {
            "RecordType": "SpamComplaint",
            "ID": 42,
            "Type": "SpamComplaint",
            "Email": address,
            "BouncedAt": "2026-01-01T00:00:00Z",
        },
    }
    return _json(
        "postmark", {**about[what], "MessageID": provider_id, "ServerID": 23, "Tag": "welcome", "Metadata": {}}
    )


def sendgrid(what: str, provider_id: str, address: str) -> Request:
    """Return a request of SendGrid: a list of events."""
    return _json("sendgrid", [sendgrid_event(what, provider_id, address)])


def sendgrid_event(what: str, provider_id: str, address: str, event_id: str = "ZGVsaXZlcmVk") -> dict[str, Any]:
    """Return one event of such a list."""
    about: dict[str, dict[str, Any]] = {
        "delivered": {"event": "delivered", "response": "250 OK"},
        "hard": {"event": "bounce", "type": "bounce", "status": "5.1.1", "reason": "550 5.1.1 No such user"},
        "soft": {"event": "bounce", "type": "blocked", "status": "5.7.1", "reason": "550 5.7.1 Blocked"},
        "complained": {"event": "spamreport"},
    }
    return {
        **about[what],
        "email": address,
        "timestamp": 1767225600,
        "anymail_id": provider_id,
        "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
        "sg_event_id": event_id,
        "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
    }


def mailgun(what: str, provider_id: str, address: str) -> Request:
    """Return a request of Mailgun: one event, signed."""
    about: dict[str, dict[str, Any]] = {
        "delivered": {"event": "delivered", "delivery-status": {"code": 250, "message": "OK"}},
        "hard": {
            "event": "failed",
            "severity": "permanent",
            "reason": "bounce",
            "delivery-status": {"code": 550, "message": "5.1.1 No such user"},
        },
        "soft": {
            "event": "failed",
            "severity": "permanent",
            "reason": "generic",
            "delivery-status": {"code": 552, "message": "5.2.2 The mailbox is full"},
        },
        "complained": {"event": "complained"},
    }
    timestamp, token = "1767225600", "a8ce0edb2dd8301dee6c2405235584e45aa91d1e9f979f3de0"
    signature = hmac.new(SIGNING_KEY.encode(), f"{timestamp}{token}".encode(), hashlib.sha256).hexdigest()
    event = {
        **about[what],
        "id": "G9Bn5sl1TC6nu79C8C0bwg",
        "timestamp": 1767225600.0,
        "recipient": address,
        "message": {"headers": {"message-id": provider_id.strip("<>"), "to": address, "subject": "Hello"}},
    }
    return _json(
        "mailgun",
        {"signature": {"timestamp": timestamp, "token": token, "signature": signature}, "event-data": event},
    )


def amazon_ses(what: str, provider_id: str, address: str) -> Request:
    """Return a request of Amazon SES: an SNS notification with the event as a text."""
    about: dict[str, dict[str, Any]] = {
        "delivered": {"eventType": "Delivery", "delivery": {"recipients": [address], "smtpResponse": "250 ok"}},
        "hard": {"eventType": "Bounce", "bounce": _ses_bounce("Permanent", "General", "5.1.1", address)},
        "soft": {"eventType": "Bounce", "bounce": _ses_bounce("Transient", "MailboxFull", "5.2.2", address)},
        "complained": {
            "eventType": "Complaint",
            "complaint": {
                "complainedRecipients": [{"emailAddress": address}],
                "complaintFeedbackType": "abuse",
                "userAgent": "ExampleFeedback/1.0",
            },
        },
    }
    mail = {"messageId": provider_id, "destination": [address], "headers": [], "source": "sender@example.com"}
    sns = {
        "Type": "Notification",
        "MessageId": "19ba9823-d7f2-53c1-860e-cb10e0d13dfc",
        "TopicArn": "arn:aws:sns:us-east-1:1234567890:SES_Events",
        "Message": json.dumps({**about[what], "mail": mail}),
        "Timestamp": "2026-01-01T00:00:00.000Z",
    }
    headers = {"X-Amz-Sns-Message-Type": "Notification", "X-Amz-Sns-Message-Id": sns["MessageId"]}
    path, _, body = _json("amazon_ses", sns)
    return path, {"Content-Type": "text/plain; charset=UTF-8", **headers}, body


def _ses_bounce(kind: str, subtype: str, status: str, address: str) -> dict[str, Any]:
    said = {"emailAddress": address, "action": "failed", "status": status, "diagnosticCode": f"smtp; 550 {status} no"}
    return {"bounceType": kind, "bounceSubType": subtype, "bouncedRecipients": [said]}


def sparkpost(what: str, provider_id: str, address: str) -> Request:
    """Return a request of SparkPost: a list of wrapped events."""
    about: dict[str, dict[str, Any]] = {
        "delivered": {"type": "delivery"},
        "hard": {"type": "bounce", "bounce_class": "10", "raw_reason": "550 5.1.1 no such user"},
        "soft": {"type": "bounce", "bounce_class": "22", "raw_reason": "552 5.2.2 mailbox full"},
        "complained": {"type": "spam_complaint", "fbtype": "abuse"},
    }
    event = {
        **about[what],
        "event_id": "92356927693813856",
        "raw_rcpt_to": address,
        "rcpt_to": address.lower(),
        "timestamp": "1767225600",
        "transmission_id": provider_id,
        "rcpt_meta": {},
    }
    return _json("sparkpost", [{"msys": {"message_event": event}}])


def brevo(what: str, provider_id: str, address: str) -> Request:
    """Return a request of Brevo: one event, without an id."""
    about = {
        "delivered": {"event": "delivered"},
        "hard": {"event": "hard_bounce", "reason": "550 5.1.1 no such user"},
        "soft": {"event": "soft_bounce", "reason": "452 4.2.2 mailbox full"},
        "complained": {"event": "spam"},
    }
    return _json(
        "brevo", {**about[what], "email": address, "id": 1, "ts_epoch": 1767225600000, "message-id": provider_id}
    )


def mailjet(what: str, provider_id: str, address: str) -> Request:
    """Return a request of Mailjet: a list of events, without ids."""
    about: dict[str, dict[str, Any]] = {
        "delivered": {"event": "sent", "smtp_reply": "250 OK"},
        "hard": {"event": "bounce", "hard_bounce": True, "blocked": False, "error": "user unknown"},
        "soft": {"event": "bounce", "hard_bounce": False, "blocked": False, "error": "mailbox full"},
        "complained": {"event": "spam", "source": "JMRPP"},
    }
    return _json("mailjet", [{**about[what], "time": 1767225600, "MessageID": int(provider_id), "email": address}])


ALL = [postmark, sendgrid, mailgun, amazon_ses, sparkpost, brevo, mailjet]
