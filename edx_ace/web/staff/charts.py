"""
Internal: the geometry of charts, which templates draw as SVG.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date

import attrs

#: Size of the drawing in its own units; it is shown as wide as there is room.
WIDTH, HEIGHT = 960, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 8, 12, 32

#: Between the numbers of the levels and their lines.
_GAP = 8

#: How many days have a name below, at most.
_LABELS = 8

#: Which share of a day's room its bar takes.
_BAR = 0.7


@attrs.frozen
class Tick:
    """A mark at an axis: where, and what it says."""

    at: float
    text: int | date


@attrs.frozen
class Bar:
    """A bar: its corner, its size, and what it stands for."""

    x: float
    y: float
    width: float
    height: float
    day: date
    number: int


@attrs.frozen
class Line:
    """A line: its name, the points as SVG has them, and the last of them."""

    name: str
    points: str
    dots: list[tuple[float, float]]


@attrs.frozen
class Chart:
    """Bars for one series, lines for others, over days."""

    bars: list[Bar]
    lines: list[Line]
    days: list[Tick]
    levels: list[Tick]
    #: Where the lines of the levels begin and end, and where their numbers stand, on which side of that place.
    start: float
    end: float
    axis: float
    anchor: str
    width: int = WIDTH
    height: int = HEIGHT


@attrs.frozen
class Spark:
    """A small row of bars without axes, 100 wide and 24 high."""

    bars: list[Bar]


def chart(
    days: Sequence[date], bars: Sequence[int], lines: Mapping[str, Sequence[int]], *, is_mirrored: bool = False
) -> Chart:
    """
    Return the chart of *bars* and *lines* over *days*.

    Args:
        days: In order, without gaps.

        bars: A number for each day.

        lines: By name, a number for each day.

        is_mirrored: Whether time runs from right to left, as its readers read.
    """
    top = _top(max([1, *bars, *(number for line in lines.values() for number in line)]))
    step = (WIDTH - _LEFT - _RIGHT) / len(days)
    height = HEIGHT - _TOP - _BOTTOM

    def y(number: float) -> float:
        return round(_TOP + height * (1 - number / top), 1)

    def x(left: float, width: float = 0) -> float:
        return round(WIDTH - left - width if is_mirrored else left, 1)

    def middle(place: int) -> float:
        return x(_LEFT + step * (place + 0.5))

    every = math.ceil(len(days) / _LABELS)
    return Chart(
        bars=[
            Bar(
                x(_LEFT + step * (place + (1 - _BAR) / 2), step * _BAR),
                y(number),
                round(step * _BAR, 1),
                y(0) - y(number),
                day,
                number,
            )
            for place, (day, number) in enumerate(zip(days, bars, strict=True))
        ],
        lines=[
            Line(name, " ".join(f"{x},{y}" for x, y in dots), dots)
            for name, numbers in lines.items()
            if any(numbers)
            for dots in [[(middle(place), y(number)) for place, number in enumerate(numbers)]]
        ],
        days=[Tick(middle(place), day) for place, day in enumerate(days) if place % every == 0],
        levels=[Tick(y(level), level) for level in _levels(top)],
        start=x(_LEFT),
        end=x(WIDTH - _RIGHT),
        axis=x(_LEFT - _GAP),
        anchor="start" if is_mirrored else "end",
    )


def spark(days: Sequence[date], numbers: Sequence[int], *, is_mirrored: bool = False) -> Spark:
    """Return the small chart of *numbers* over *days*; see `chart`."""
    top, step = max([1, *numbers]), 100 / len(days)
    width = step * 0.8
    return Spark(
        [
            Bar(round(left, 2), round(24 - height, 2), round(width, 2), height, day, number)
            for place, (day, number) in enumerate(zip(days, numbers, strict=True))
            if number
            for height in [round(max(24 * number / top, 1), 2)]
            for left in [100 - step * place - width if is_mirrored else step * place]
        ]
    )


def _top(highest: int) -> int:
    """Return the end of an axis: the next of 1, 2, 4, 5 and 10 times a power of ten."""
    power: int = 10 ** (len(str(highest)) - 1)
    return next(factor * power for factor in (1, 2, 4, 5, 10) if factor * power >= highest)


def _levels(top: int) -> list[int]:
    parts = next(parts for parts in (4, 5, 2, 1) if top % parts == 0)
    return [top * part // parts for part in range(parts + 1)]
