"""
Internal: the page of the figures, its CSV and its JSON.
"""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import translation
from lxml import html

from edx_ace.outbox.models import Expense
from edx_ace.outbox.worker import sweep
from edx_ace.tracking.models import Figure
from edx_ace.web.staff.charts import chart

pytestmark = pytest.mark.django_db

TODAY = datetime.now(UTC).date()
SEND = uuid4()


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("staff"))
    return client


def figure(measure: str, number: int, days_ago: int = 0, **fields) -> None:
    given = {"message_type": "shop.news", "category": "news", "channel_type": "email", **fields}
    Figure.objects.create(day=TODAY - timedelta(days=days_ago), measure=measure, number=number, **given)


@pytest.fixture(autouse=True)
def figures(site) -> None:
    figure("sent", 1200, batch=SEND)
    figure("sent", 300, days_ago=1)
    figure("opened", 600, batch=SEND)
    figure("opened_by_machine", 250)
    figure("bounced", 3)
    figure("sent", 40, message_type="shop.offer", category="offers", channel_type="push")
    sweep()


def test_what_channels_cost_is_shown_of_the_same_days(client, settings):
    """
    Of those that have a price; a send and a category have no costs of their own.
    """
    settings.ACE_PRICES = {"sms": "0.01", "mail": "0.001"}
    for days_ago, price in (0, "1.50"), (1, "2.25"), (40, "100"):
        Expense.objects.create(channel="sms", day=TODAY - timedelta(days=days_ago), units=1, price=Decimal(price))

    assert "3.75" in client.get("/staff/figures/").text.split("cost of")[1]
    costs = client.get("/staff/figures.json").json()["costs"]
    assert {name: Decimal(price) for name, price in costs.items()} == {"sms": Decimal("3.75"), "mail": 0}
    assert "costs" not in client.get("/staff/figures.json?category=news").json()


def test_what_was_asked_for_is_shown(client):
    """
    Sums, shares, groups and sends.
    """
    text = client.get("/staff/figures/").text

    for expected in (
        "1,540",
        "600",
        "39.0 %",
        "250 by machines",
        "shop.news",
        "shop.offer",
        "Offers",
        f"batch={SEND}",
    ):
        assert expected in text


def test_the_chart_has_a_title_a_description_and_a_table(client):
    """
    Whoever does not see it has the same figures.
    """
    page = html.fromstring(client.get("/staff/figures/").content)
    [svg] = page.xpath("//svg[@role='img']")
    named = [page.get_element_by_id(one).text_content() for one in svg.get("aria-labelledby").split()]

    assert "Messages sent, opened and clicked, day by day" in named[0]
    assert "1,540 messages were sent." in named[1]
    rows = [[cell.text_content() for cell in row] for row in page.xpath("//table[1]/tbody/tr")]
    assert [row[1] for row in rows[:2]] == ["1,240", "300"]


def test_numbers_of_a_drawing_are_the_same_in_every_language(client):
    """
    A comma would end it.
    """
    with translation.override("de"):
        text = client.get("/staff/figures/").text
    assert "Tag für Tag" in text
    page = html.fromstring(text)
    for bar in page.xpath("//rect"):
        assert all(float(bar.get(name)) >= 0 for name in ("x", "y", "width", "height"))


def test_one_send_is_shown_by_itself(client):
    """
    With its own days.
    """
    text = client.get("/staff/figures/", {"batch": SEND}).text

    assert "One send" in text
    assert "1,200" in text
    assert "1,540" not in text


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ({"category": "offers"}, "40"),
        ({"channel_type": "push"}, "40"),
        ({"message_type": "shop.news"}, "1,500"),
        ({"until": str(TODAY - timedelta(days=1))}, "300"),
        ({"category": "nothing"}, "0"),
        # Before which there is no day.
        ({"until": "0001-01-01"}, "0"),
    ],
)
def test_figures_are_narrowed(client, query, sent):
    """
    As the form says.
    """
    page = html.fromstring(client.get("/staff/figures/", query).content)

    assert page.xpath("//dl//dd[1]")[0].text_content().strip() == sent


@pytest.mark.parametrize(
    "query",
    [
        {"since": "yesterday"},
        {"since": "2026-02-01", "until": "2026-01-01"},
        {"since": "2000-01-01"},
        {"batch": "x"},
        {"since": "2026-01-01\0"},
    ],
)
def test_what_cannot_be_asked_is_refused_kindly(client, query):
    """
    On the page, in the CSV and in the JSON.
    """
    assert client.get("/staff/figures/", query).status_code == 400
    assert client.get("/staff/figures.csv", query).status_code == 400
    assert client.get("/staff/figures.json", query).status_code == 400


def test_a_spreadsheet_gets_each_group_of_each_day(client):
    """
    Every measure is a column; what looks like a formula is text.
    """
    figure("sent", 1, message_type="=1+1", is_sum=True)
    response = client.get("/staff/figures.csv")
    rows = list(csv.DictReader(io.StringIO(response.text)))

    assert response["Content-Disposition"] == 'attachment; filename="figures.csv"'
    assert {(row["day"], row["message_type"], row["sent"], row["bounced"]) for row in rows} == {
        (str(TODAY), "shop.news", "1200", "3"),
        (str(TODAY - timedelta(days=1)), "shop.news", "300", "0"),
        (str(TODAY), "shop.offer", "40", "0"),
        (str(TODAY), "'=1+1", "1", "0"),
    }


def test_programs_get_json(client):
    """
    Grouped as they ask.
    """
    answer = client.get("/staff/figures.json", {"by": "category,channel_type"}).json()

    assert answer["since"] == str(TODAY - timedelta(days=29))
    assert [(row["category"], row["channel_type"], row["sent"]) for row in answer["rows"]] == [
        ("news", "email", 1500),
        ("offers", "push", 40),
    ]
    assert client.get("/staff/figures.json", {"by": ""}).json()["rows"][0]["sent"] == 1540
    assert client.get("/staff/figures.json", {"by": "batch"}).status_code == 400
    assert client.get("/staff/figures.json", {"by": "nothing"}).json()["errors"]["by"]


def test_the_page_asks_the_same_number_of_questions_whatever_there_is(client, django_assert_max_num_queries):
    """
    Two of them are for the session.
    """
    with django_assert_max_num_queries(12):
        client.get("/staff/figures/")


@pytest.mark.parametrize(
    ("highest", "levels"),
    [
        (0, ["0", "1"]),
        (2, ["0", "1", "2"]),
        (3, ["0", "1", "2", "3", "4"]),
        (5, ["0", "1", "2", "3", "4", "5"]),
        (7_001, ["0", "2,500", "5,000", "7,500", "10,000"]),
    ],
)
def test_an_axis_ends_at_a_round_number(highest, levels):
    """
    At the highest or just above it.
    """
    assert [tick.text for tick in chart([TODAY], [highest], {}).levels] == levels
