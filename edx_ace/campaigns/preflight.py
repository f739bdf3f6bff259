"""
Public: what is wrong with a campaign before it is scheduled.

Errors keep it from being scheduled; of warnings whoever schedules it says, by their codes, that they have seen them.
Values of keywords and languages are those of a sample, the first people of its audiences; the reason says how many.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs
from django.core.checks import run_checks
from django.utils import timezone
from django.utils.translation import get_language_info, ngettext
from django.utils.translation import gettext as _

from edx_ace import categories
from edx_ace import channel as channel_package
from edx_ace.campaigns import content, keywords, looking, preview, timing
from edx_ace.campaigns.access import require
from edx_ace.campaigns.audiences import Person
from edx_ace.campaigns.conf import settings
from edx_ace.campaigns.errors import CampaignError, Problem, RefusedError
from edx_ace.campaigns.host import Action, host
from edx_ace.campaigns.models import Campaign, Timing, Variant
from edx_ace.channel import ChannelType
from edx_ace.channel.base import ALL_TYPES
from edx_ace.errors import UnknownCategoryError

#: How many people a sample has.
SAMPLE_SIZE = 1000

#: The code of the problem that a second person has to look at it; approving the campaign mends it.
NEEDS_APPROVAL = "needs_approval"

#: System checks of what whoever gets a mail in bulk has to find in it.
_CHECKS = frozenset(f"ace_preferences.E00{number}" for number in range(1, 6)) | {"edx_ace.E008"}


@attrs.frozen
class Preflight:
    """
    What there is to know before a campaign is scheduled.

    Attributes:
        problems: All that is wrong with it.

        numbers: How many recipients for each reason why nothing is sent to them, "" for those whom it is sent to, as
            they were counted last for this version; None: they were not.
    """

    problems: Sequence[Problem]
    numbers: Mapping[str, int] | None

    @property
    def errors(self) -> list[Problem]:
        """What has to be mended."""
        return [problem for problem in self.problems if problem.is_error]

    @property
    def warnings(self) -> list[Problem]:
        """What can be accepted."""
        return [problem for problem in self.problems if not problem.is_error]


def preflight(user: Any, campaign: Campaign) -> Preflight:
    """
    Return what is wrong with *campaign* now, and how many recipients it has.

    Raises:
        ForbiddenError: If the user may not see it.
    """
    require(user, Action.VIEW, campaign.scope, campaign)
    return Preflight(problems(campaign), numbers_of(campaign))


def problems(campaign: Campaign, now: datetime | None = None) -> list[Problem]:
    """Return what is wrong with *campaign*, if it is scheduled *now*: errors first."""
    variants = list(campaign.variants.order_by("channel_type", "language"))
    found = [
        *_problems_of_settings(campaign),
        *_problems_of_texts(campaign, variants),
        *_problems_of_people(campaign, variants),
        *_problems_of_time(campaign, now or timezone.now()),
        *_problems_of_approval(campaign),
    ]
    if not any(problem.is_error for problem in found):
        found += _problems_of_mail(campaign, variants)
    return sorted(found, key=lambda problem: not problem.is_error)


def numbers_of(campaign: Campaign) -> Mapping[str, int] | None:
    """Return how many recipients for each reason *campaign* had when they were counted last, for this version."""
    counted = campaign.resolutions.filter(version=campaign.version, done_at__isnull=False).order_by("done_at").last()
    return None if counted is None else counted.numbers


def has_to_be_counted(campaign: Campaign) -> bool:
    """Return whether the recipients of *campaign* have to be counted, which says whether somebody has to approve it."""
    if settings.CAMPAIGN_APPROVAL_SIZE is None or campaign.approved_version == campaign.version:
        return False
    return numbers_of(campaign) is None and not host().needs_approval(campaign)


def _problems_of_settings(campaign: Campaign) -> Iterator[Problem]:
    try:
        can_be_turned_off = categories.get(campaign.category).can_be_turned_off
    except UnknownCategoryError:
        can_be_turned_off = False
    if not can_be_turned_off:
        text = _("Nobody can turn “%(name)s” off, or it is gone. Choose another category.")
        yield Problem("bad_category", text % {"name": campaign.category}, "category")
    enabled = channel_package.channels().channel_type_to_channel_impl
    for one in campaign.channels:
        if one not in map(str, ALL_TYPES) or not enabled.get(ChannelType(one)):
            text = _("Nothing can be sent over %(name)s on this site.") % {"name": one}
            yield Problem("channel_off", text, "channel_types")
    if str(ChannelType.EMAIL) in campaign.channels:
        if "unsubscribe" not in settings.CONTENT_STEPS:
            text = _("Mails do not say how to unsubscribe: ACE_CONTENT_STEPS lacks “unsubscribe”.")
            yield Problem("no_unsubscribe", text, is_error=False)
        for check in run_checks(tags=["edx_ace"]):
            if check.id in _CHECKS:
                yield Problem(check.id, f"{check.msg} {check.hint or ''}".strip())


def _problems_of_texts(campaign: Campaign, variants: Sequence[Variant]) -> Iterator[Problem]:
    known = {keyword.name for keyword in host().keywords(campaign.scope)}
    for one in campaign.channels:
        if not any((variant.channel_type, variant.language) == (one, campaign.language) for variant in variants):
            text = _("Nothing is written for %(channel_type)s in %(language)s, the language of whoever has no other.")
            values = {"channel_type": one, "language": _language(campaign.language)}
            yield Problem("missing_text", text % values, f"variants.{one}.{campaign.language}")
    for variant in variants:
        where = f"variants.{variant.channel_type}.{variant.language}"
        if not variant.subject.strip():
            yield Problem("missing_subject", _("There is no subject."), f"{where}.subject")
        if not variant.source.strip():
            yield Problem("missing_body", _("There is no text."), f"{where}.source")
        for problem in content.problems(variant, known):
            yield attrs.evolve(problem, where=f"{where}.{problem.where}")
        for address in content.insecure_links(variant):
            text = _("The link %(address)s is not https: others on the way can read and change what is there.")
            yield Problem("insecure_link", text % {"address": address}, where, is_error=False)


def _problems_of_people(campaign: Campaign, variants: Sequence[Variant]) -> Iterator[Problem]:
    if not campaign.parts.filter(is_excluded=False).exists():
        yield Problem("no_audience", _("Choose who it goes to."), "parts")
        return
    try:
        people = [one.person for one in looking.look(campaign, SAMPLE_SIZE + 1)]
    except CampaignError as error:
        yield Problem(error.code, str(error), "parts")
        return
    counted = numbers_of(campaign)
    if not people:
        text = _("Nobody would get it now.")
        yield Problem("nobody", text, "parts", is_error=campaign.timing == Timing.NOW)
        return
    if counted is not None and not counted.get("", 0):
        # All are left out; since they were counted, one may not be any more.
        yield Problem("nobody", _("Nobody would get it now."), "parts", is_error=False)
    if variants:
        is_all, people = len(people) <= SAMPLE_SIZE, people[:SAMPLE_SIZE]
        yield from _problems_of_languages(campaign, variants, people, is_all)
        yield from _problems_of_values(campaign, variants, people, is_all)


def _problems_of_languages(
    campaign: Campaign, variants: Sequence[Variant], people: Sequence[Person], is_all: bool
) -> Iterator[Problem]:
    written = {variant.language for variant in variants}
    languages = Counter((one.language or campaign.language).lower().replace("_", "-") for one in people)
    missing = {
        language: number
        for language, number in languages.items()
        if language not in written and language.partition("-")[0] not in written
    }
    for language, number in sorted(missing.items()):
        text = ngettext(
            "%(number)d of %(people)s reads %(language)s and gets it in %(instead)s.",
            "%(number)d of %(people)s read %(language)s and get it in %(instead)s.",
            number,
        )
        values = {
            "number": number,
            "people": _named(people, is_all),
            "language": _language(language),
            "instead": _language(campaign.language),
        }
        yield Problem("missing_language", text % values, "variants", is_error=False)


def _language(code: str) -> str:
    """Return what people call a language, in the active one; of one that Django does not know, its code."""
    try:
        return str(get_language_info(code)["name_translated"])
    except KeyError:
        return code


def _problems_of_values(
    campaign: Campaign, variants: Sequence[Variant], people: Sequence[Person], is_all: bool
) -> Iterator[Problem]:
    needed: set[str] = set()
    for variant in variants:
        needed |= keywords.needed(variant.subject) | keywords.needed(variant.preheader)
        needed |= keywords.needed(variant.body, is_html=variant.channel_type == str(ChannelType.EMAIL))
    # Others are told as unknown.
    needed &= {keyword.name for keyword in host().keywords(campaign.scope)}
    given = host().scope_values(campaign.scope, campaign.language) if needed else {}
    for name in sorted(needed):
        if str(given.get(name) or "").strip():
            continue
        number = sum(not str(person.values.get(name) or "").strip() for person in people)
        if number:
            text = ngettext(
                "For %(number)d of %(people)s there is no “%(name)s”. Write {{ %(name)s|something else }}.",
                "For %(number)d of %(people)s there is no “%(name)s”. Write {{ %(name)s|something else }}.",
                number,
            )
            values = {"number": number, "people": _named(people, is_all), "name": name}
            yield Problem("missing_value", text % values, "variants", is_error=False)


def _named(people: Sequence[Person], is_all: bool) -> str:
    if is_all:
        number = len(people)
        return ngettext("%(number)d person", "all %(number)d people", number) % {"number": number}
    return _("the first %(number)d people") % {"number": len(people)}


def _problems_of_time(campaign: Campaign, now: datetime) -> Iterator[Problem]:
    try:
        timing.due_at(campaign, now)
    except RefusedError as error:
        yield from error.problems
        return
    if campaign.timing == Timing.LOCAL and timing.starts_at(campaign, now) < now:
        text = _("In some time zones %(time)s has passed: whoever lives there gets it at once.")
        values = {"time": campaign.wall_time.replace("T", " ")}
        yield Problem("passed_somewhere", text % values, "wall_time", is_error=False)
    if campaign.timing == Timing.AT and timing.comes_twice(campaign):
        text = _("Clocks show %(time)s twice in %(zone)s. It starts at the first.")
        values = {"time": campaign.wall_time.replace("T", " "), "zone": campaign.zone}
        yield Problem("comes_twice", text % values, "wall_time", is_error=False)


def _problems_of_approval(campaign: Campaign) -> Iterator[Problem]:
    if campaign.approved_version == campaign.version:
        return
    most, numbers = settings.CAMPAIGN_APPROVAL_SIZE, numbers_of(campaign) or {}
    if host().needs_approval(campaign):
        yield Problem(NEEDS_APPROVAL, _("A second person has to approve it."))
    elif has_to_be_counted(campaign):
        yield Problem(
            "not_counted", _("Count the recipients first: above a number, a second person has to approve it.")
        )
    elif most is not None and numbers.get("", 0) > most:
        text = ngettext(
            "It has %(number)d recipient, more than %(most)d: a second person has to approve it.",
            "It has %(number)d recipients, more than %(most)d: a second person has to approve it.",
            numbers[""],
        )
        yield Problem(NEEDS_APPROVAL, text % {"number": numbers[""], "most": most})


def _problems_of_mail(campaign: Campaign, variants: Sequence[Variant]) -> Iterator[Problem]:
    """Yield what is wrong with what is made of *variants*, which are well written: it cannot be, or is too large."""
    person = preview.sample_person(campaign)
    for variant in variants:
        if variant.channel_type not in campaign.channels:
            continue
        where = f"variants.{variant.channel_type}.{variant.language}"
        try:
            seen = preview.shown(campaign, variant, person)
        except Exception as error:
            text = _("It cannot be made a message: %(error)s") % {"error": error}
            yield Problem("not_rendered", text, where)
            continue
        size, most = len(seen.html.encode(errors="replace")), settings.CAMPAIGN_MAX_HTML_BYTES
        if size > most:
            text = _("The mail has %(size)d bytes of HTML, more than %(most)d: mail programs cut such mails off.")
            yield Problem("large", text % {"size": size, "most": most}, where, is_error=False)
