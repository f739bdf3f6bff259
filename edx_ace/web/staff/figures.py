"""
Internal: the page of the figures, its CSV and its JSON.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import attrs
from django import forms
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.formats import number_format
from django.utils.translation import get_language_bidi, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from edx_ace import categories
from edx_ace.channel.base import ALL_TYPES
from edx_ace.outbox import costs
from edx_ace.outbox.conf import settings
from edx_ace.tracking import figures
from edx_ace.tracking.figures import DIMENSIONS, Measure, Row
from edx_ace.web.centre import CHANNEL_LABELS
from edx_ace.web.staff.access import staff_only
from edx_ace.web.staff.charts import Spark, chart, spark

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

#: How many days are shown when nothing is asked for, and the most that can be.
DAYS = 30
MOST_DAYS = 366

#: How many days after its first a send is shown at least, or before its last.
_WEEK = timedelta(days=6)

#: How many sends, and how many message types, the page lists.
_LISTED = 20

#: Measures of machines, and what people did instead.
_MACHINES = {Measure.OPENED: Measure.OPENED_BY_MACHINE, Measure.CLICKED: Measure.CLICKED_BY_MACHINE}

#: What tiles and tables show, in this order.
_SHOWN = (
    Measure.SENT,
    Measure.DELIVERED,
    Measure.BOUNCED,
    Measure.COMPLAINED,
    Measure.OPENED,
    Measure.CLICKED,
    Measure.UNSUBSCRIBED,
)


class Question(forms.Form):
    """What is asked for, as the query of each address has it."""

    since = forms.DateField(required=False, label=_("From"))
    until = forms.DateField(required=False, label=_("To"))
    category = forms.CharField(required=False, label=_("Category"))
    message_type = forms.CharField(required=False, label=_("Message type"))
    channel_type = forms.CharField(required=False, label=_("Channel"))
    batch = forms.UUIDField(required=False, label=pgettext_lazy("noun", "Send"))

    def clean(self) -> dict[str, Any]:
        """Put in the days that are left out, and see that they are in order and not too many."""
        asked = self.cleaned_data
        until = asked.get("until") or datetime.now(UTC).date()
        since = asked.get("since") or date.fromordinal(max(1, until.toordinal() - DAYS + 1))
        if since > until:
            self.add_error("until", _("The last day is before the first."))
        elif (until - since).days >= MOST_DAYS:
            self.add_error("since", _("These are more days than can be shown together."))
        return {**asked, "since": since, "until": until}

    def arguments(self) -> dict[str, Any]:
        """Return what is asked for as `figures.read` takes it."""
        asked = self.cleaned_data
        only = {name: asked[name] for name in ("category", "message_type", "channel_type") if asked[name]}
        if asked["batch"]:
            return {"batches": [asked["batch"]], **only}
        return {"since": asked["since"], "until": asked["until"], **only}


@attrs.frozen
class Tile:
    """One figure of the whole time: its share of what was sent in percent, what machines did, and its days."""

    measure: Measure
    number: int
    share: float | None
    by_machines: int | None
    spark: Spark


@attrs.frozen
class Line:
    """One line of a table: its name, where it leads, and its figures in the order of the columns."""

    name: _StrOrPromise
    query: str
    numbers: list[int]
    opened: float | None
    #: What it cost; None: nothing has a price.
    cost: str | None
    #: Of a send, when it began.
    day: date | None = None


@require_safe
@staff_only()
def page(request: HttpRequest) -> HttpResponse:
    """Show the figures of some days, or of one send."""
    question = Question(request.GET)
    context: dict[str, Any] = {
        "question": question,
        "columns": [measure.label for measure in _SHOWN],
        "section": "figures",
        "categories": [(one.name, one.label) for one in categories.all_categories().values()],
        "channel_types": [(str(kind), CHANNEL_LABELS[kind]) for kind in ALL_TYPES],
    }
    if not question.is_valid():
        return render(request, "edx_ace/web/staff/figures.html", context, status=400)
    asked, arguments = question.cleaned_data, question.arguments()
    by_day = figures.read(by=["day"], **arguments)
    days = _days(by_day, asked)
    of_day = {row.group["day"]: row.numbers for row in by_day}
    total: Counter[Measure] = sum((row.numbers for row in by_day), Counter())
    series = {measure: [of_day.get(day, Counter())[measure] for day in days] for measure in Measure}
    lines = {measure.value: series[measure] for measure in (Measure.OPENED, Measure.CLICKED)}
    is_mirrored = get_language_bidi()
    cost_of_day = _costs(["day"], arguments)
    context |= {
        "asked": asked,
        "days": (days[0], days[-1]),
        "tiles": [_tile(measure, total, days, series[measure], is_mirrored) for measure in _SHOWN],
        "chart": chart(days, series[Measure.SENT], lines, is_mirrored=is_mirrored),
        "by_day": [
            (
                row.group["day"],
                [row.numbers[measure] for measure in _SHOWN],
                _price(_cost(cost_of_day, row.group["day"])),
            )
            for row in reversed(by_day)
        ],
        "by_type": _table(request, "message_type", arguments),
        "by_category": _table(request, "category", arguments, _category_labels()),
        "sends": [] if asked["batch"] else _sends(request, asked),
        "costs": {name: _price(cost) for name, cost in _of_channels(arguments).items()},
        "drawn": [Measure.SENT.value, *(name for name, numbers in lines.items() if any(numbers))],
        "has_costs": bool(settings.PRICES),
        "query": request.GET.urlencode(),
    }
    return render(request, "edx_ace/web/staff/figures.html", context)


@require_safe
@staff_only()
def as_csv(request: HttpRequest) -> HttpResponse:
    """Return the figures by day, message type, category and channel type, for a spreadsheet."""
    question = Question(request.GET)
    if not question.is_valid():
        return HttpResponse(question.errors.as_text(), status=400, content_type="text/plain; charset=utf-8")
    by = ("day", "message_type", "category", "channel_type")
    arguments = question.arguments()
    cost = _costs(by, arguments)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*by, *Measure.values, "cost"])
    for row in figures.read(by=by, **arguments):
        numbers = [row.numbers[measure] for measure in Measure]
        writer.writerow([*map(_for_a_cell, row.group.values()), *numbers, _cost(cost, *row.group.values())])
    headers = {"Content-Disposition": 'attachment; filename="figures.csv"'}
    return HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8", headers=headers)


@require_safe
@staff_only()
def as_json(request: HttpRequest) -> JsonResponse:
    """Return the figures grouped by what ``by`` names (of `DIMENSIONS`, with commas between), else by day."""
    question = Question(request.GET)
    by = [name for name in request.GET.get("by", "day").split(",") if name]
    allowed = [name for name in DIMENSIONS if name != "batch"]
    if not question.is_valid() or not set(by) <= set(allowed):
        unknown = {"by": [f"Expected some of {', '.join(allowed)}."]} if not set(by) <= set(allowed) else {}
        return JsonResponse({"errors": {**question.errors, **unknown}}, status=400)
    arguments = question.arguments()
    cost = _costs(by, arguments)
    rows = figures.read(by=by, **arguments)
    answer: dict[str, Any] = {
        **arguments,
        "rows": [{**row.group, **_by_name(row), "cost": _cost(cost, *row.group.values())} for row in rows],
        "costs": _of_channels(arguments),
    }
    if "batches" in answer:
        [answer["batch"]] = answer.pop("batches")
    return JsonResponse(answer)


#: What groups cost, by their value of each dimension.
_Costs = Mapping[tuple[Any, ...], Decimal]


def _costs(by: Sequence[str], arguments: Mapping[str, Any]) -> _Costs:
    """Return what the same groups cost as `figures.read` counts with *arguments*; nothing where nothing has a price."""
    if not settings.PRICES:
        return {}
    return costs.read(by, **arguments)


def _cost(of_groups: _Costs, *group: Any) -> Decimal | None:
    """Return what a group cost; None where nothing has a price."""
    return of_groups.get(group, Decimal(0)) if settings.PRICES else None


def _price(cost: Decimal | None) -> str | None:
    """Return *cost* as people read it: with two digits behind the point, or with as many as its first two need."""
    if cost is None:
        return None
    rounded = round(cost, max(2, 1 - cost.adjusted())).normalize()
    digits = max(2, -int(rounded.as_tuple().exponent))
    return number_format(rounded, decimal_pos=digits, use_l10n=True, force_grouping=True)


def _of_channels(arguments: Mapping[str, Any]) -> dict[str, Decimal]:
    """Return what each channel that has a price came to."""
    cost = _costs(["channel"], arguments)
    return {name: cost.get((name,), Decimal(0)) for name in settings.PRICES}


def _days(by_day: Sequence[Row], asked: Mapping[str, Any]) -> list[date]:
    """Return the days to show, without gaps: those asked for, or those on which something happened to a send."""
    first, last, today = asked["since"], asked["until"], datetime.now(UTC).date()
    if asked["batch"] and by_day:
        first, last = by_day[0].group["day"], by_day[-1].group["day"]
        first = max(first, last - timedelta(days=MOST_DAYS - 1))
        # A single day makes no chart.
        last = min(max(last, first + _WEEK), today)
        first = min(first, last - _WEEK)
    # What is still to come is no zero.
    last = max(first, min(last, today))
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _tile(
    measure: Measure, total: Counter[Measure], days: Sequence[date], numbers: Sequence[int], is_mirrored: bool
) -> Tile:
    machine = _MACHINES.get(measure)
    return Tile(
        measure=measure,
        number=total[measure],
        share=None if measure is Measure.SENT else _share(total[measure], total[Measure.SENT]),
        by_machines=None if machine is None else total[machine],
        spark=spark(days, numbers, is_mirrored=is_mirrored),
    )


def _table(
    request: HttpRequest,
    dimension: str,
    arguments: Mapping[str, Any],
    labels: Mapping[str, _StrOrPromise] | None = None,
) -> list[Line]:
    rows = figures.read(by=[dimension], **arguments)
    cost = _costs([dimension], arguments)
    rows.sort(key=lambda row: -row.numbers[Measure.SENT])
    return [
        _line(
            (labels or {}).get(row.group[dimension], row.group[dimension]),
            request,
            {dimension: row.group[dimension]},
            row,
            _cost(cost, row.group[dimension]),
        )
        for row in rows[:_LISTED]
    ]


def _sends(request: HttpRequest, asked: Mapping[str, Any]) -> list[Line]:
    batches = figures.sends(asked["since"], asked["until"], _LISTED)
    of_batch: dict[UUID, list[Row]] = {batch: [] for batch in batches}
    for row in figures.read(batches=batches, by=["batch", "day", "message_type"]):
        of_batch[row.group["batch"]].append(row)
    cost = _costs(["batch"], {"batches": batches})
    lines = []
    for batch, rows in of_batch.items():
        if rows:
            name = ", ".join(dict.fromkeys(row.group["message_type"] for row in rows))
            numbers: Counter[Measure] = sum((row.numbers for row in rows), Counter())
            line = _line(name, request, {"batch": str(batch)}, Row({}, numbers), _cost(cost, batch))
            lines.append(attrs.evolve(line, day=rows[0].group["day"]))
    return lines


def _line(
    name: _StrOrPromise, request: HttpRequest, changes: Mapping[str, str], row: Row, cost: Decimal | None
) -> Line:
    query = request.GET.copy()
    for key, value in changes.items():
        query[key] = value
    return Line(
        name=name or _("essential, of no category"),
        query=query.urlencode(),
        numbers=[row.numbers[measure] for measure in _SHOWN],
        opened=_share(row.numbers[Measure.OPENED], row.numbers[Measure.SENT]),
        cost=_price(cost),
    )


def _category_labels() -> dict[str, _StrOrPromise]:
    return {one.name: one.label for one in categories.all_categories().values()}


def _share(part: int, whole: int) -> float | None:
    return 100 * part / whole if whole else None


def _by_name(row: Row) -> dict[str, int]:
    return {measure.value: row.numbers[measure] for measure in Measure}


def _for_a_cell(value: Any) -> str:
    """Return *value* as a spreadsheet takes it for text, whatever it begins with."""
    text = str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
