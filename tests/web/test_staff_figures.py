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
HALF_A_YEAR = timedelta(days=180)
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


def expense(price: str, days_ago: int = 0, **fields) -> None:
    given = {"channel": "mail", "message_type": "shop.news", "category": "news", "channel_type": "email", **fields}
    Expense.objects.create(day=TODAY - timedelta(days=days_ago), units=1, price=Decimal(price), **given)


@pytest.fixture
def expenses(settings) -> None:
    settings.ACE_PRICES = {"mail": "0.001", "push": "0.01"}
    expense("1.50", batch=SEND)
    expense("2.25", days_ago=1)
    expense("100", days_ago=40)
    expense("0.5", channel="push", channel_type="push", message_type="shop.offer", category="offers")
    sweep()


def test_what_it_cost_is_shown_of_the_same_days(client, expenses):
    """
    By channel, day, message type, category and send.
    """
    page = html.fromstring(client.get("/staff/figures/").content)
    tiles = {
        " ".join(tile.xpath("dt")[0].text_content().split()): tile.xpath("dd")[0].text_content()
        for tile in page.xpath("//dl/div")
    }
    assert (tiles["cost of mail"], tiles["cost of push"]) == ("3.75", "0.50")

    def last_column(section):
        rows = page.xpath(f"//section[@aria-labelledby='{section}']//tr")
        assert rows[0][-1].text_content() == "cost"
        return {row[0].text_content().strip(): row[-1].text_content() for row in rows[1:]}

    assert list(last_column("by-day").values()) == ["2.00", "2.25"]
    assert last_column("by-type") == {"shop.news": "3.75", "shop.offer": "0.50"}
    assert last_column("by-category") == {"News": "3.75", "Offers": "0.50"}
    assert list(last_column("sends").values()) == ["1.50"]


@pytest.mark.parametrize(
    ("price", "shown"),
    [
        ("0", "0.00"),
        ("1234.5", "1,234.50"),
        ("0.05", "0.05"),
        # What would say little, or nothing, with two digits behind the point has as many as it needs.
        ("0.0149", "0.015"),
        ("0.00012", "0.00012"),
        ("0.000001", "0.000001"),
    ],
)
def test_a_small_cost_is_not_shown_as_none(client, settings, price, shown):
    """
    A few messages for a tenth of a cent each have cost something.
    """
    settings.ACE_PRICES = {"mail": "0.001"}
    expense(price)
    sweep()
    page = html.fromstring(client.get("/staff/figures/").content)

    assert page.xpath("(//dl/div)[last()]/dd")[0].text_content() == shown
    assert page.xpath("//section[@aria-labelledby='by-type']//tbody/tr[1]/td[last()]")[0].text_content() == shown


@pytest.mark.parametrize(
    ("query", "mail", "push"),
    [
        ({}, "3.75", "0.5"),
        ({"category": "offers"}, "0", "0.5"),
        ({"message_type": "shop.news"}, "3.75", "0"),
        ({"channel_type": "push"}, "0", "0.5"),
        ({"batch": str(SEND)}, "1.5", "0"),
    ],
)
def test_costs_are_narrowed_as_figures_are(client, expenses, query, mail, push):
    """
    In the JSON, in total and in each row.
    """
    answer = client.get("/staff/figures.json", query).json()

    assert {name: Decimal(price) for name, price in answer["costs"].items()} == {
        "mail": Decimal(mail),
        "push": Decimal(push),
    }
    assert sum(Decimal(row["cost"]) for row in answer["rows"]) == Decimal(mail) + Decimal(push)


def test_a_spreadsheet_gets_the_cost_of_each_group(client, expenses):
    """
    To the last digit.
    """
    expense("0.000123", message_type="shop.offer", category="offers", channel_type="push", channel="push")
    sweep()
    rows = csv.DictReader(io.StringIO(client.get("/staff/figures.csv").text))

    assert [(row["message_type"], row["cost"]) for row in rows] == [
        ("shop.news", "2.250000"),
        ("shop.news", "1.500000"),
        ("shop.offer", "0.500123"),
    ]


def test_where_nothing_has_a_price_no_cost_is_shown(client):
    """
    A column of zeros would say nothing.
    """
    assert "cost" not in client.get("/staff/figures/").text
    assert client.get("/staff/figures.json").json()["rows"][0]["cost"] is None


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


def test_a_drawing_runs_as_its_readers_read(client):
    """
    From the right in Arabic: the axis stands there, and the last day at the left.
    """
    days = [TODAY - timedelta(days=1), TODAY]
    drawn, mirrored = (
        chart(days, [1, 2], {"opened": [1, 2]}, is_mirrored=is_mirrored) for is_mirrored in (False, True)
    )

    for bar, other in zip(drawn.bars, mirrored.bars, strict=True):
        assert other.x + other.width == pytest.approx(drawn.width - bar.x, abs=0.2)
    assert (mirrored.axis, mirrored.anchor) == (drawn.width - drawn.axis, "start")
    with translation.override("ar"):
        page = html.fromstring(client.get("/staff/figures/", HTTP_ACCEPT_LANGUAGE="ar").text)
    xs = [float(bar.get("x")) for bar in page.xpath("//svg[@role='img']//rect")]
    assert xs == sorted(xs, reverse=True)


@pytest.mark.parametrize(
    ("query", "number"), [({"batch": SEND}, 7), ({"since": TODAY - timedelta(days=2), "until": TODAY + HALF_A_YEAR}, 3)]
)
def test_a_drawing_ends_today_at_the_latest(client, query, number):
    """
    Where it is wider than the window its end is what is seen, and days to come are no zeros. A send has a whole week.
    """
    page = html.fromstring(client.get("/staff/figures/", query).content)

    bars = page.xpath("//svg[@role='img']//rect")
    assert len(bars) == number
    assert bars[-1].text_content() == f"{TODAY:%m/%d/%Y}: {1200 if 'batch' in query else 1240}"


def test_a_send_of_long_ago_begins_on_its_first_day(client):
    """
    What came after it is seen with it.
    """
    send = uuid4()
    figure("sent", 5, days_ago=100, batch=send)
    figure("opened", 2, days_ago=99, batch=send)
    sweep()
    page = html.fromstring(client.get("/staff/figures/", {"batch": send}).content)

    bars = [bar.text_content() for bar in page.xpath("//svg[@role='img']//rect")]
    assert len(bars) == 7
    assert bars[0] == f"{TODAY - timedelta(days=100):%m/%d/%Y}: 5"


def test_days_without_anything_have_no_drawing(client):
    """
    They say so.
    """
    text = client.get("/staff/figures/", {"until": "2020-01-01"}).text

    assert "Nothing was sent in these days." in text
    assert 'role="img"' not in text


def test_a_question_that_is_refused_can_be_mended(client):
    """
    It stands in the form as it was asked.
    """
    query = {"since": "2026-02-01", "until": "2026-01-01", "category": "news", "channel_type": "push"}
    page = html.fromstring(client.get("/staff/figures/", query).content)

    assert [field.get("value") for field in page.xpath("//input[@type='date']")] == ["2026-02-01", "2026-01-01"]
    assert page.xpath("//option[@selected]/@value") == ["news", "push"]
    [wrong] = page.xpath("//input[@aria-invalid]")
    assert "before the first" in page.get_element_by_id(wrong.get("aria-describedby")).text_content()


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
    of_send = client.get("/staff/figures.json", {"batch": str(SEND), "by": ""}).json()
    assert (of_send["batch"], of_send["rows"][0]["sent"]) == (str(SEND), 1200)
    assert client.get("/staff/figures.json", {"by": "batch"}).status_code == 400
    assert client.get("/staff/figures.json", {"by": "nothing"}).json()["errors"]["by"]


def test_the_page_asks_the_same_number_of_questions_whatever_there_is(client, django_assert_max_num_queries):
    """
    Two of them are for the session, and each send needs none of its own.
    """
    for _ in range(12):
        figure("sent", 3, batch=uuid4())
    sweep()

    with django_assert_max_num_queries(12):
        client.get("/staff/figures/")


@pytest.mark.parametrize(
    ("highest", "levels"),
    [
        (0, [0, 1]),
        (2, [0, 1, 2]),
        (3, [0, 1, 2, 3, 4]),
        (5, [0, 1, 2, 3, 4, 5]),
        (7_001, [0, 2_500, 5_000, 7_500, 10_000]),
    ],
)
def test_an_axis_ends_at_a_round_number(highest, levels):
    """
    At the highest or just above it.
    """
    assert [tick.text for tick in chart([TODAY], [highest], {}).levels] == levels
