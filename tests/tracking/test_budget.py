"""
Internal: what messages cost, and what a channel may cost in a month.
"""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import uuid4

import pytest
from django.core import checks
from django.db import connection
from django.test.utils import CaptureQueriesContext

from edx_ace import Recipient, ace
from edx_ace.channel import ChannelType
from edx_ace.errors import RecoverableChannelDeliveryError
from edx_ace.outbox import State, costs, enqueue, purge
from edx_ace.outbox.models import Attempt, Delivery, Expense
from edx_ace.outbox.worker import sweep
from edx_ace.policy import channels_for_many
from edx_ace.report import Accepted
from tests.channel.mail import use_backend
from tests.outbox.test_worker import make_due, work
from tests.pipeline import Recorder, Scripted, welcome

pytestmark = pytest.mark.django_db

TODAY = datetime.now(UTC).date()


class Segmented(Recorder):
    """Says how many units a message had, and where it went."""

    def __init__(self, *said: Accepted) -> None:
        super().__init__()
        self.said = list(said)

    def deliver(self, message, rendered_message):
        super().deliver(message, rendered_message)
        return self.said.pop(0)


def people(number):
    return [welcome(recipient=Recipient(n, f"p{n}@example.com")) for n in range(1, number + 1)]


def spent():
    return costs.spent(["mail"], TODAY.replace(day=1))["mail"]


def spend(price, day=TODAY):
    Expense.objects.create(channel="mail", day=day, units=1, price=Decimal(price))


def test_each_attempt_keeps_units_and_price(use_channels, settings):
    """
    As the channel says, by provider; what was not accepted costs nothing.
    """
    settings.ACE_PRICES = {"mail": {"one": "0.01", "two": "0.002"}}
    use_channels(
        mail=Segmented(Accepted("a", units=3, provider="one"), Accepted("b", provider="two"), Accepted("c", units=9))
    )
    enqueue(people(3))
    work()

    rows = Attempt.objects.order_by("delivery").values_list("delivery__provider_id", "units", "price")
    assert list(rows) == [("a", 3, Decimal("0.03")), ("b", 1, Decimal("0.002")), ("c", 9, 0)]
    assert spent() == Decimal("0.032")


def test_what_fails_costs_nothing(use_channels, settings):
    """
    And what goes at last costs once.
    """
    settings.ACE_PRICES = {"mail": "0.5"}
    use_channels(mail=Scripted(RecoverableChannelDeliveryError("busy")))
    enqueue(welcome())
    work()
    assert spent() == 0
    make_due()
    work()

    attempts = Attempt.objects.order_by("pk").values_list("outcome", "price")
    assert list(attempts) == [("retry", 0), ("sent", Decimal("0.5"))]
    assert spent() == Decimal("0.5")


@pytest.mark.parametrize("prices", [{"mail": "much"}, {"mail": None}, {"mail": "-1"}, {"mail": {"": "NaN"}}, ["mail"]])
def test_a_price_that_cannot_be_read_does_not_make_a_message_go_twice(channel, settings, prices):
    """
    It was sent, and is recorded as that.
    """
    settings.ACE_PRICES = prices
    enqueue(welcome())

    work()

    assert Delivery.objects.get().state == State.SENT
    assert len(channel.delivered) == 1


def test_the_sweep_adds_expenses_up(channel, settings):
    """
    A row for each channel and day is left, and the sum stays.
    """
    settings.ACE_PRICES, settings.ACE_OUTBOX_WINDOW = {"mail": "0.1"}, 1
    spend("7", date(2020, 1, 1))
    enqueue(people(3))
    work()
    before = spent()
    for _ in range(2):
        costs.fold()
        sweep()

    assert before == spent() == Decimal("0.3")
    assert sorted(Expense.objects.values_list("units", "price", "is_sum")) == [(1, 7, True), (3, Decimal("0.3"), True)]


def test_what_it_cost_is_known_by_message_type_category_and_send(channel, settings):
    """
    The sums of all and those of a send stand beside each other, and neither is counted as the other.
    """
    settings.ACE_PRICES = {"mail": "0.5"}
    settings.ACE_MESSAGE_TYPES = {"tests.welcome": {"category": "news"}}
    settings.ACE_CATEGORIES = {"news": {"label": "News"}}
    send = uuid4()
    enqueue([welcome(recipient=Recipient(n, f"p{n}@example.com"), send_uuid=send) for n in range(1, 4)])
    enqueue(welcome(recipient=Recipient(9, "p9@example.com")))
    work()
    assert (spent(), costs.read(["category"])) == (2, {})
    costs.fold()
    enqueue(welcome(recipient=Recipient(10, "p10@example.com"), send_uuid=send))
    work()
    costs.fold()

    group = ("mail", TODAY, "tests.welcome", "news", "email")
    assert costs.read(costs.DIMENSIONS[:-1], since=TODAY, until=TODAY) == {group: Decimal("2.5")}
    assert costs.read(["batch"], batches=[send]) == {(send,): 2}
    assert costs.read(["message_type"], category="other") == {}
    assert spent() == Decimal("2.5")


def test_a_window_of_one_send_writes_one_row(channel, settings):
    """
    However many messages it has.
    """
    settings.ACE_PRICES = {"mail": "0.5"}
    send = uuid4()
    enqueue([welcome(recipient=Recipient(n, f"p{n}@example.com"), send_uuid=send) for n in range(1, 6)])
    work()

    assert list(Expense.objects.values_list("units", "price", "batch")) == [(5, Decimal("2.5"), send)]


def test_what_single_sends_cost_is_deleted_at_last(settings):
    """
    What all of them did stays.
    """
    old, young = date(2020, 1, 1), TODAY
    for day, batch in ((old, uuid4()), (old, None), (young, uuid4()), (young, None)):
        Expense.objects.create(channel="mail", day=day, batch=batch, units=1, price=1, is_sum=True)

    assert "1 costs of sends" in str(purge())
    left = {(row.day, row.batch is None) for row in Expense.objects.all()}
    assert left == {(old, True), (young, False), (young, True)}


@pytest.mark.parametrize(("then", "state"), [("deny", State.SKIPPED), ("defer", State.QUEUED)])
def test_what_exceeds_the_budget_is_skipped_or_waits_for_the_next_month(channel, settings, then, state):
    """
    To the message, as one worker sends.
    """
    settings.ACE_ENABLED_POLICIES = ["budget"]
    settings.ACE_PRICES = {"mail": "0.1"}
    settings.ACE_BUDGETS = {"mail": {"amount": "1", "then": then}}
    spend("0.7")
    spend("100", date(2020, 1, 1))
    enqueue(people(5))

    work()

    assert len(channel.delivered) == 3 and spent() == 1
    rows = Delivery.objects.exclude(state=State.SENT)
    assert set(rows.values_list("state", "code")) == {(state, "budget_spent")}
    if then == "defer":
        due = rows[0].due_at
        assert (due.day, due.hour) == (1, 0) and due > datetime.now(UTC)


def test_essential_messages_go_all_the_same(channel, settings):
    """
    And cost what they cost.
    """
    settings.ACE_ENABLED_POLICIES = ["budget"]
    settings.ACE_MESSAGE_TYPES = {"tests.welcome": {"essential": True}}
    settings.ACE_BUDGETS = {"mail": {"amount": "0"}}

    assert ace.send(welcome())


def test_a_budget_is_for_its_channel(use_channels, settings):
    """
    Another of the same type, and another type, are not meant.
    """
    settings.ACE_ENABLED_POLICIES = ["budget"]
    settings.ACE_BUDGETS = {"other": {"amount": "0"}, "text": {"amount": "0"}}
    use_channels(mail=Recorder(), other=Recorder(), text=Recorder(ChannelType.SMS))
    settings.ACE_CHANNEL_DEFAULT_EMAIL = "mail"

    [allowed] = channels_for_many([welcome()])

    assert ChannelType.EMAIL in allowed and ChannelType.SMS not in allowed


def test_a_batch_shares_one_query(channel, settings):
    """
    However many messages and budgets there are; without a budget there is none.
    """
    settings.ACE_ENABLED_POLICIES = ["budget"]
    settings.ACE_BUDGETS = {"mail": {"amount": "1"}, "other": {"amount": "1"}}
    with CaptureQueriesContext(connection) as queries:
        channels_for_many(people(20))
    assert len(queries) == 1

    settings.ACE_BUDGETS = {}
    with CaptureQueriesContext(connection) as queries:
        channels_for_many(people(20))
    assert len(queries) == 0


def found(tag="edx_ace"):
    ours = ("ace_tracking", "ace_outbox")
    return {message.id: message for message in checks.run_checks(tags=[tag]) if message.id.startswith(ours)}


@pytest.mark.parametrize(
    ("changed", "expected", "text"),
    [
        ({"ACE_PRICES": ["0.1"]}, "ace_outbox.E007", "ACE_PRICES must be a dict"),
        ({"ACE_PRICES": {"djnago_email": "0.1"}}, "ace_outbox.E007", "Did you mean 'django_email'"),
        ({"ACE_PRICES": {"django_email": "much"}}, "ace_outbox.E007", "Expected a price from 0"),
        ({"ACE_PRICES": {"django_email": {"one": -1}}}, "ace_outbox.E007", "Expected a price from 0"),
        ({"ACE_BUDGETS": {"django_email": "500"}}, "ace_tracking.E003", "Expected {'amount'"),
        (
            {"ACE_BUDGETS": {"django_email": {"amount": "5", "then": "?"}}},
            "ace_tracking.E003",
            "Expected {'amount'",
        ),
        ({"ACE_BUDGETS": {"django_email": {"amount": "5"}}}, "ace_tracking.E004", "lacks 'budget'"),
        ({"ACE_SOFT_BOUNCE_LIMIT": 0}, "ace_tracking.E001", "a number above 0"),
        ({"ACE_PROVIDER_EVENTS_KEEP_DAYS": "long"}, "ace_tracking.E001", "a number above 0"),
        ({"ACE_BOUNCE_MAILBOX": {"host": "mail"}}, "ace_tracking.E002", "must name host, user and password"),
        ({"ACE_ENABLED_POLICIES": []}, "ace_tracking.W001", "lacks 'suppression'"),
        ({"ANYMAIL": {}}, "ace_tracking.W002", "webhooks without a secret are refused"),
    ],
)
def test_settings_that_cannot_be_right_are_reported(settings, changed, expected, text):
    """
    By ``manage.py check``.
    """
    settings.ANYMAIL = {"WEBHOOK_SECRET": "a:b"}
    assert found() == {}
    for name, value in changed.items():
        setattr(settings, name, value)

    assert text in found()[expected].msg


def test_right_settings_are_not_reported(settings):
    """
    Whatever there may be of them.
    """
    settings.ANYMAIL = {"MAILGUN_WEBHOOK_SIGNING_KEY": "secret"}
    settings.ACE_ENABLED_POLICIES = ["suppression", "budget"]
    settings.ACE_PRICES = {"django_email": 0.1, "file_email": {"one": "0.2"}}
    settings.ACE_BUDGETS = {"django_email": {"amount": 5, "then": "defer"}}
    settings.ACE_BOUNCE_MAILBOX = {"host": "mail.example.com", "user": "bounces", "password": "secret"}

    assert found() == {}


def test_a_site_that_only_counts_opens_and_clicks_needs_no_provider(settings, monkeypatch):
    """
    Its mail may leave by plain SMTP, without django-anymail.
    """
    del settings.ANYMAIL
    assert found() == {}
    monkeypatch.setitem(sys.modules, "anymail.utils", None)

    assert found() == {}


def test_a_site_that_sends_over_a_provider_needs_a_secret(settings):
    """
    Whether or not it has a setting ANYMAIL: the provider's key may stand in one of its own.
    """
    del settings.ANYMAIL
    use_backend(settings, "anymail.backends.postmark.EmailBackend")

    assert "webhooks without a secret are refused" in found()["ace_tracking.W002"].msg


def test_a_provider_that_is_set_up_needs_its_extra(settings, monkeypatch):
    """
    Nothing would read what it says.
    """
    monkeypatch.setitem(sys.modules, "anymail.utils", None)

    assert found()["ace_tracking.E005"].hint == 'Run: pip install "edx-ace[anymail]".'
