"""
Public: what a campaign looks like to one of its recipients, and tests of it.

A preview is made as the message will be, but for what counts or changes something: no link is tracked, none
unsubscribes. A test is really sent, to whoever asks for it or to ACE_CAMPAIGN_TEST_ADDRESSES. It says that it is one,
belongs to no send, so that no count has it, and its links change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import attrs
from django.utils.translation import gettext as _

from edx_ace import ace
from edx_ace import preview as message_preview
from edx_ace.campaigns import calls, content, looking
from edx_ace.campaigns.access import note, require
from edx_ace.campaigns.audiences import Person
from edx_ace.campaigns.conf import settings
from edx_ace.campaigns.errors import CampaignError, Problem, RefusedError
from edx_ace.campaigns.host import Action, host
from edx_ace.campaigns.looking import Seen
from edx_ace.campaigns.models import Campaign, Variant
from edx_ace.channel import ChannelType, get_channel_for_message
from edx_ace.channel.django_email import DjangoEmailChannel
from edx_ace.channel.mixins import EmailChannelMixin
from edx_ace.errors import InvalidMessageError
from edx_ace.message import Message
from edx_ace.outbox.people import canonical
from edx_ace.outbox.redaction import redacted
from edx_ace.preview import SAMPLE_RECIPIENT
from edx_ace.recipient import Recipient
from edx_ace.renderers import RenderedEmail
from edx_ace.report import Delivery, Outcome, SendReport
from edx_ace.text import one_line
from edx_ace.utils.date import get_current_time

#: How long a test is tried while the mail server is down: whoever sends it waits for the page that says so.
TEST_PATIENCE = timedelta(seconds=10)


@attrs.frozen
class Preview:
    """
    What somebody gets over one channel type.

    Attributes:
        language: Of the variant that is theirs.

        subject: Of an email; of other channel types, the title.

        text: The text part; of other channel types, all there is.

        html: The document, for a frame without scripts; empty where there is none.

        sender, to: Mailboxes, where there are any.
    """

    language: str
    subject: str
    text: str
    html: str = ""
    sender: str = ""
    to: str = ""


def find_people(user: Any, campaign: Campaign, search: str = "", *, start: int = 0, limit: int = 20) -> list[Seen]:
    """
    Return people of *campaign* for whom it can be previewed; exclusions are left out of account.

    Args:
        user: Who asks.

        campaign: Its audiences are asked now.

        search: A part of what the audiences look for people by; empty: all, in their order.

        start, limit: Which of them; nobody comes after the first 10,000.

    Raises:
        ForbiddenError: If the user may not see recipients.
        CampaignError: If an audience cannot be read.
    """
    require(user, Action.SEE_PEOPLE, campaign.scope, campaign)
    return looking.look(campaign, min(max(limit, 0), 100), search.strip(), max(start, 0))


def preview(
    user: Any, campaign: Campaign, *, reference: str = "", language: str | None = None, channel_type: str = "email"
) -> Preview:
    """
    Return what *campaign* looks like.

    Args:
        user: Who asks.

        campaign: In whatever state.

        reference: Of one of its people, as `find_people` gives it. Empty: nobody's; keywords become samples.

        language: In place of the person's own.

        channel_type: What it goes over.

    Raises:
        ForbiddenError: If the user may not see it, or not see recipients.
        CampaignError: If nobody is *reference*, or there is nothing for *channel_type*.
        Exception: Whatever would keep it from being sent.
    """
    require(user, Action.VIEW, campaign.scope, campaign)
    person = _person(user, campaign, reference)
    return shown(campaign, _variant(campaign, language or person.language, channel_type), person)


def send_test(
    user: Any,
    campaign: Campaign,
    *,
    address: str = "",
    reference: str = "",
    language: str | None = None,
    channel_type: str = "email",
    idempotency_key: str | None = None,
) -> SendReport:
    """
    Send a test of *campaign* and return what came of it.

    Args:
        user: Who asks.

        campaign: In whatever state.

        address: Where to: the user's own or one of ACE_CAMPAIGN_TEST_ADDRESSES. Empty: the user's own.

        reference, language, channel_type: As for `preview`.

        idempotency_key: As for `edx_ace.campaigns.create`, for a week; the report has no addresses then.

    Raises:
        ForbiddenError: If the user may not write it, or not see recipients.
        RefusedError: If tests may not go to *address*.
        CampaignError: As for `preview`.
        ConflictError: If the same test is being sent, or whoever sent it ended in the middle.
    """
    require(user, Action.WRITE, campaign.scope, campaign)
    to = _tester(user, address, channel_type)
    person = attrs.evolve(_person(user, campaign, reference), recipient=to)
    variant = _variant(campaign, language or person.language, channel_type)
    message = _message(campaign, variant, person, is_test=True)
    message.expiration_time = get_current_time() + TEST_PATIENCE

    def do() -> SendReport:
        report = ace.send(message, limit_to_channels=[channel_type])
        note(campaign, user, "tested", why=to.email_address or "")
        return report

    return calls.once(user, f"send_test:{campaign.pk}", idempotency_key, do, _kept, _found)


def shown(campaign: Campaign, variant: Variant, person: Person) -> Preview:
    """
    Return what *person* gets of *variant*.

    Raises:
        Exception: Whatever would keep it from being sent.
    """
    message = _message(campaign, variant, person)
    kind = ChannelType(variant.channel_type)
    channel = get_channel_for_message(kind, message)
    parcel = message_preview.render(message, kind, channel)
    rendered, to = parcel.rendered, parcel.envelope.to or ""
    if not isinstance(rendered, RenderedEmail):
        written = message.context[variant.channel_type]
        return Preview(variant.language, written["title"], written["text"], to=to)
    sender = ""
    if isinstance(channel, DjangoEmailChannel):
        sender = channel.compose(message, rendered, parcel.envelope).from_email
    html = EmailChannelMixin.make_simple_html_template(rendered.head_html, rendered.body_html)
    return Preview(variant.language, one_line(rendered.subject), rendered.body, html, sender, to)


def sample_person(campaign: Campaign) -> Person:
    """Return nobody, with whom keywords become what the host says they may look like, or else their own names."""
    given = host().scope_values(campaign.scope, campaign.language)
    keywords = [keyword for keyword in host().keywords(campaign.scope) if not given.get(keyword.name)]
    return Person(SAMPLE_RECIPIENT, values={keyword.name: keyword.sample or keyword.name for keyword in keywords})


def _variant(campaign: Campaign, language: str | None, channel_type: str) -> Variant:
    return content.variant_for(list(campaign.variants.filter(channel_type=channel_type)), language)


def _message(campaign: Campaign, variant: Variant, person: Person, *, is_test: bool = False) -> Message:
    """Return the message to *person*, as no send has it."""
    values = host().scope_values(campaign.scope, variant.language)
    return content.message_for(campaign, variant, person, uuid4(), values, is_test=is_test)


def _person(user: Any, campaign: Campaign, reference: str) -> Person:
    if not reference:
        return sample_person(campaign)
    require(user, Action.SEE_PEOPLE, campaign.scope, campaign)
    return looking.seen(campaign, reference)


def _tester(user: Any, address: str, channel_type: str) -> Recipient:
    """Return the recipient of a test: by their address alone, so that none of their limits count it."""
    if channel_type != ChannelType.EMAIL.value:
        if user is None:
            raise CampaignError("A test over any channel type but email goes to a user, and there is none.")
        return Recipient(user.pk, user.email)
    own = getattr(user, "email", "")
    for one in (own, *settings.CAMPAIGN_TEST_ADDRESSES):
        if one and _is_same(one, address or own):
            return Recipient(None, one)
    text = _("Tests go to your own address or to one of: %(addresses)s.")
    addresses = ", ".join(settings.CAMPAIGN_TEST_ADDRESSES) or "–"
    raise RefusedError([Problem("bad_test_address", text % {"addresses": addresses}, "address")])


def _kept(report: SendReport) -> dict[str, Any]:
    return {
        "log_id": report.log_id,
        "uuid": str(report.uuid),
        "deliveries": [
            {
                **attrs.asdict(one),
                "channel_type": str(one.channel_type),
                "outcome": str(one.outcome),
                "reason": redacted(one.reason),
                "until": one.until and one.until.isoformat(),
            }
            for one in report.deliveries
        ],
    }


def _found(kept: Mapping[str, Any]) -> SendReport:
    deliveries = [
        Delivery(
            **{
                **one,
                "channel_type": ChannelType(one["channel_type"]),
                "outcome": Outcome(one["outcome"]),
                "until": one["until"] and datetime.fromisoformat(one["until"]),
            }
        )
        for one in kept["deliveries"]
    ]
    return SendReport(kept["log_id"], UUID(kept["uuid"]), tuple(deliveries))


def _is_same(one: str, other: str) -> bool:
    try:
        return canonical(ChannelType.EMAIL, one) == canonical(ChannelType.EMAIL, other)
    except InvalidMessageError:
        return False
