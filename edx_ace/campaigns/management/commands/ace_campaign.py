"""
Internal: ``manage.py ace_campaign``.
"""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.core.management import BaseCommand, CommandError
from django.core.management.base import no_translations

from edx_ace.campaigns import operations, preflight
from edx_ace.campaigns.errors import ConflictError, RefusedError
from edx_ace.campaigns.following import Progress, progress
from edx_ace.campaigns.models import Campaign
from edx_ace.campaigns.states import FINISHED, State
from edx_ace.text import one_line

#: Seconds between two looks of the progress bar.
_LOOK_SECONDS = 2

#: Width of the progress bar, in characters.
_BAR = 40

#: Campaigns that are listed unless another number is asked for.
_NUMBER = 20


class Command(BaseCommand):
    """Lists campaigns, shows how far one is, and operates it."""

    help = (
        "List campaigns, show how far one is (on a terminal with a progress bar until it ends or Ctrl-C), or start, "
        "pause, resume or cancel it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", metavar="action", title="actions", required=True)

        one = actions.add_parser("list", help="List campaigns, the latest first.")
        one.add_argument("--state", choices=State.values, help="Only those in this state.")
        one.add_argument("--scope", help="Only those of this scope.")
        one.add_argument("--number", type=int, default=_NUMBER, help=f"How many at most. Default: {_NUMBER}.")
        one.add_argument("--json", action="store_true", help="As JSON.")

        one = _add(actions, "show", "Show how far a campaign is, and what was done to it.")
        one.add_argument("--json", action="store_true", help="Print it once, as JSON.")
        one.add_argument("--once", action="store_true", help="Print it once, on a terminal, too.")

        one = _add(actions, "start", "Start a draft, or what is scheduled, at once.")
        one.add_argument(
            "--accept-warnings", action="store_true", help="Start it although there are warnings, which are printed."
        )
        for name, text in (
            ("pause", "Let nothing more of it go until it is resumed."),
            ("resume", "Go on with what is paused."),
            ("cancel", "Stop it for good."),
        ):
            one = _add(actions, name, text)
            if name != "resume":
                one.add_argument("--why", default="", help="For the audit trail.")

    @no_translations
    def handle(self, *args: Any, action: str, **options: Any) -> None:
        do: Callable[..., None] = getattr(self, f"_{action}")
        try:
            do(**options)
        except ConflictError as error:
            raise CommandError(str(error)) from error
        except RefusedError as error:
            raise CommandError("\n".join(f"{one.code}: {one.reason}" for one in error.problems)) from error

    def _list(self, *, state: str | None, scope: str | None, number: int, json: bool, **options: Any) -> None:
        rows = Campaign.objects.select_related("resolution").order_by("-created_at", "-pk")
        if state is not None:
            rows = rows.filter(state=state)
        if scope is not None:
            rows = rows.filter(scope=scope)
        found = [(campaign, progress(campaign)) for campaign in rows[:number]]
        if json:
            self.stdout.write(_as_json([_fields(*one) for one in found]))
            return
        for campaign, figures in found:
            percent = f"{figures.percent:.0f} %" if figures.total else ""
            self.stdout.write(
                f"{campaign.uuid}  {campaign.state:<9}  {percent:>5}  {campaign.scope:<20}  {_shown(campaign.name)}"
            )

    def _show(self, *, campaign: UUID, json: bool, once: bool, **options: Any) -> None:
        found = _get(campaign)
        if json:
            self.stdout.write(_as_json({**_fields(found, progress(found)), "trail": _trail(found)}))
            return
        self.stdout.write(f"{_shown(found.name)} ({found.scope or 'no scope'})")
        for entry in _trail(found):
            who, why = entry["who"] or "by itself", _shown(entry["why"])
            self.stdout.write(f"  {entry['at']:%Y-%m-%d %H:%M:%S}  {entry['action']}, {_shown(who)}  {why}".rstrip())
        if once or not self.stdout.isatty():
            self.stdout.write(_line(found, progress(found)))
            for name, number in {**progress(found).numbers, **progress(found).reasons}.items():
                self.stdout.write(f"  {name:<20}{number:>12,}")
            return
        with suppress(KeyboardInterrupt):
            while True:
                self.stdout.write(f"\r\x1b[K{_line(found, progress(found))}", ending="")
                self.stdout.flush()
                if found.state in FINISHED:
                    break
                time.sleep(_LOOK_SECONDS)
                found = _get(campaign)
        self.stdout.write("")

    def _start(self, *, campaign: UUID, accept_warnings: bool, **options: Any) -> None:
        found = _get(campaign)
        if found.state == State.DRAFT:
            warnings = [one for one in preflight.problems(found) if not one.is_error] if accept_warnings else []
            for one in warnings:
                self.stdout.write(self.style.WARNING(f"{one.code}: {one.reason}"))
            operations.schedule(None, found, version=found.version, accept=[one.code for one in warnings])
        operations.start_now(None, found)
        self.stdout.write(f"{_shown(found.name)} is started by the next worker that sweeps.")

    def _pause(self, *, campaign: UUID, why: str, **options: Any) -> None:
        self.stdout.write(f"{_shown(operations.pause(None, _get(campaign), why).name)} is paused.")

    def _resume(self, *, campaign: UUID, **options: Any) -> None:
        self.stdout.write(f"{_shown(operations.resume(None, _get(campaign)).name)} goes on.")

    def _cancel(self, *, campaign: UUID, why: str, **options: Any) -> None:
        found = _get(campaign)
        cancelled = operations.cancel(None, found, why)
        in_flight = f"; {cancelled.in_flight:,} were being handed over and may arrive" if cancelled.in_flight else ""
        self.stdout.write(
            f"{_shown(found.name)} is cancelled: {cancelled.stopped:,} deliveries are stopped{in_flight}."
        )


def _add(actions: Any, name: str, text: str) -> ArgumentParser:
    parser: ArgumentParser = actions.add_parser(name, help=text)
    parser.add_argument("campaign", type=UUID, metavar="UUID", help="Which one, as `list` names it.")
    return parser


def _shown(text: str) -> str:
    """Return what somebody wrote on one line, without what a terminal takes for a command."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in one_line(text))


def _get(uuid: UUID) -> Campaign:
    found = Campaign.objects.select_related("resolution").filter(uuid=uuid).first()
    if found is None:
        raise CommandError(f"There is no campaign {uuid}. `ace_campaign list` names those that there are.")
    return found


def _line(campaign: Campaign, figures: Progress) -> str:
    if figures.is_resolving:
        return f"{campaign.state}: its recipients are being found"
    if not figures.total:
        return f"{campaign.state}{f': {_shown(campaign.reason)}' if campaign.reason else ''}"
    filled = round(_BAR * figures.percent / 100)
    line = f"{campaign.state}  [{'#' * filled}{'.' * (_BAR - filled)}] {figures.percent:5.1f} % of {figures.total:,}"
    if figures.per_second:
        line += f"  {figures.per_second:,.1f}/s"
    if figures.seconds_left:
        line += f"  {_span(figures.seconds_left)} left"
    return f"{line}  {_shown(campaign.reason)}".rstrip()


def _span(seconds: float) -> str:
    """Return *seconds* as people say it: 42 s, 12 min or 3 h."""
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _fields(campaign: Campaign, figures: Progress) -> dict[str, Any]:
    return {
        "uuid": campaign.uuid,
        "name": campaign.name,
        "scope": campaign.scope,
        "state": campaign.state,
        "code": campaign.code,
        "reason": campaign.reason,
        "version": campaign.version,
        "due_at": campaign.due_at if campaign.state == State.SCHEDULED else None,
        "started_at": campaign.started_at,
        "finished_at": campaign.finished_at,
        "is_resolving": figures.is_resolving,
        "total": figures.total,
        "numbers": figures.numbers,
        "reasons": figures.reasons,
        "percent": round(figures.percent, 2),
        "per_second": figures.per_second,
        "seconds_left": figures.seconds_left,
    }


def _trail(campaign: Campaign) -> list[dict[str, Any]]:
    columns = ("at", "who", "action", "from_state", "to_state", "why")
    return [dict(zip(columns, row, strict=True)) for row in campaign.entries.values_list(*columns)]


def _as_json(value: Any) -> str:
    return json.dumps(value, indent=2, default=str)
