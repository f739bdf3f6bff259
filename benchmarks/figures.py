"""
Internal: what is measured becomes lines of a table and files of figures.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import environments

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Figure:
    """
    One line of the table.

    Attributes:
        ours, peer: In *unit*.

        target: What the ratio should be, None where there is no peer to surpass.

        at_most: Whether the ratio is ours to the peer's, and should be small; else it is the peer's to ours.
    """

    name: str
    ours: float
    peer: float
    unit: str
    target: float | None = None
    at_most: bool = False

    @property
    def ratio(self) -> float:
        """How many times better than the peer (or, for *at_most*, how many times as much)."""
        return self.ours / self.peer if self.at_most else self.peer / self.ours

    @property
    def verdict(self) -> str:
        """The target and whether it was reached."""
        if self.target is None:
            return ""
        reached = self.ratio <= self.target if self.at_most else self.ratio >= self.target
        return f"{'≤' if self.at_most else '≥'} {self.target:g}{'' if reached else '  missed'}"

    def line(self, row: str) -> str:
        """Return the line of the table, in *row*."""
        label = f"{row}: {self.name}" if self.name else row
        figures = f"{self.ours:10,.1f}{self.peer:10,.1f}  {self.unit:9}{self.ratio:7.2f}×"
        return f"{label:44}{figures}  {self.verdict}".rstrip()

    def to_json(self) -> dict[str, Any]:
        """Return what goes into the results."""
        figures = {"ours": self.ours, "peer": self.peer, "ratio": self.ratio}
        return {"name": self.name, **{key: float(f"{value:.4g}") for key, value in figures.items()}, "unit": self.unit}


def alternate(rounds: int, *measurements: Callable[[], Any]) -> list[list[Any]]:
    """Run *measurements* in turn, *rounds* times; return the results of each."""
    results = [[measure() for measure in measurements] for _ in range(rounds)]
    return [list(column) for column in zip(*results, strict=True)]


def median(results: list[dict[str, float]], key: str, count: int = 1, unit: float = 1e-6) -> float:
    """Return the median of *key* of *results* for one of *count* messages, in *unit* (microseconds)."""
    return statistics.median(result[key] for result in results) / count / unit


def measure(rows: dict[str, Callable[[], Iterator[Figure]]], table_name: str, description: str | None) -> None:
    """
    Measure those of *rows* that the command line names, all by default; print the table and keep the figures.

    Args:
        rows: What to measure, by name.

        table_name: The file that keeps the table of a whole run, which the docs show.

        description: Of the command.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("row", nargs="*", choices=[[], *rows], help="what to measure; all by default")
    names = parser.parse_args().row or list(rows)
    table = [
        f"Python {platform.python_version()}, {environments.DJANGO}, {os.cpu_count()} processors",
        "",
        f"{'':44}{'ours':>10}{'peer':>10}  {'unit':9}{'ratio':>8}  target",
    ]
    print("\n".join(table), flush=True)
    for name in names:
        figures = list(rows[name]())
        lines = [figure.line(name) for figure in figures]
        print("\n".join(lines), flush=True)
        table += lines
        text = json.dumps([figure.to_json() for figure in figures], indent=2, ensure_ascii=False)
        (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    if names == list(rows):
        (RESULTS / table_name).write_text("\n".join(table) + "\n", encoding="utf-8")
