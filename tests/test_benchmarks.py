"""
Internal: tests of what ``make bench`` measures with; that it works, never how long it takes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edx_ace import Message, Recipient

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"

ROWS = ["send-dummy", "send-smtp", "batch-smtp", "batch-rtt", "mime", "json", "css", "start-up", "memory"]
OUTBOX_ROWS = ["enqueue", "claim"]
PREFERENCES_ROWS = ["policies", "permit"]
AUTOMATION_ROWS = ["due", "due-queries", "reconcile"]
CAMPAIGNS_ROWS = ["expand", "count", "progress", "end-to-end"]


def test_a_worker_measures_what_it_is_told():
    """
    Each line that it reads is answered by a line with what was asked for.
    """
    text = str(Message("learning", "weeklysummary", Recipient(1, "ada@example.com")))
    orders = [["json_text", {"text": text, "count": 2}], ["send", {"count": 2}], ["send_batch", {"count": 2}]]

    done = subprocess.run(
        [sys.executable, BENCHMARKS / "worker.py"],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "settings", "PYTHONPATH": str(BENCHMARKS.parent)},
        input="".join(json.dumps(order) + "\n" for order in orders),
        capture_output=True,
        text=True,
        check=True,
    )

    read, sent, sent_in_a_batch = map(json.loads, done.stdout.splitlines())
    assert read["text"] == text
    assert read.keys() == {"text", "dump", "load"}
    assert sent.keys() == {"wall", "cpu"}
    assert sent_in_a_batch.keys() == {"wall", "cpu", "peak"}


@pytest.mark.parametrize("row", ROWS + OUTBOX_ROWS + PREFERENCES_ROWS + CAMPAIGNS_ROWS + AUTOMATION_ROWS)
def test_the_figures_of_the_last_run_are_kept(row):
    """
    Each row of the table has a file with its figures.
    """
    figures = json.loads((BENCHMARKS / "results" / f"{row}.json").read_text(encoding="utf-8"))

    assert figures
    for figure in figures:
        assert figure.keys() == {"name", "ours", "peer", "ratio", "unit"}
