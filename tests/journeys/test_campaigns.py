"""
Internal: campaigns on the demo site, from whoever writes to whoever reads: what came of the scenes in
`campaign_scenes`, which are played in a process that has the site's settings.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.journeys.playing import played


@pytest.fixture(scope="module")
def came_of(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A function that returns what came of one scene."""
    return played("campaign_scenes", tmp_path_factory.mktemp("campaigns"))


def test_a_union_has_nobody_twice_and_nobody_who_is_excluded(came_of: Any) -> None:
    """
    Whoever is in a cohort and on a track as well gets one message; whoever is excluded is counted as such.
    """
    assert came_of("union_and_exclusion") == {
        "recipients": ["ann", "bob", "cleo", "teacher"],
        "state": "sent",
        "numbers": {"": 4, "excluded": 1},
    }


def test_one_mailbox_gets_one_message(came_of: Any) -> None:
    """
    Addresses that differ in case alone are one, whoever has them.
    """
    assert came_of("one_address_in_different_case") == ["ada@case.example"]


def test_who_gets_it_is_who_belongs_to_it_when_it_starts(came_of: Any) -> None:
    """
    Not who did when it was scheduled: until then nobody gets anything.
    """
    assert came_of("one_leaves_and_one_joins") == {"before": [], "after": ["joins", "stays"]}


def test_who_teaches_one_course_reaches_nothing_of_another(came_of: Any) -> None:
    """
    By no function, by no address, by no id of what belongs to the other, and by no parameter of an audience.
    """
    answer = came_of("another_scope_by_id")
    of_parameters = {
        "a cohort of theirs": "RefusedError bad_params",
        "a learner of theirs": "RefusedError bad_params",
        "a learner of theirs by key": "RefusedError bad_params",
        "a campaign of theirs": "RefusedError bad_params",
        "a list of theirs": "RefusedError bad_params",
    }

    calls = answer["calls"]
    assert {name: calls.pop(name) for name in of_parameters} == of_parameters
    assert set(calls.values()) == {"ForbiddenError"}
    statuses = answer["statuses"]
    assert [statuses.pop(name) for name in ("get as mine", "delete as mine")] == [404, 404]
    assert set(statuses.values()) == {403}
    # Where there is an answer to that method at all.
    pages = {code for codes in answer["pages"].values() for code in codes}
    assert len(answer["pages"]) >= 30
    assert pages <= {403, 404, 405}
    assert all(set(codes) != {405} for codes in answer["pages"].values())
    assert len(answer["endpoints"]) >= 15
    assert set(answer["endpoints"].values()) <= {403, 404}, answer["endpoints"]
    assert answer["states"] == ["draft", "scheduled", "sent"]
    assert answer["own recipients"] == []


def test_everybody_reads_their_own_language(came_of: Any) -> None:
    """
    French and Arabic, which runs from right to left; whoever has no language reads that of the campaign.
    """
    french, arabic, other = came_of("french_arabic_and_no_language")

    assert (french["subject"], french["text"]) == ("Bonjour Amelie", "Voici du nouveau.")
    assert (arabic["subject"], arabic["text"]) == ("مرحبًا Layla", "هذا جديد.")
    assert (other["subject"], other["text"]) == ("Hello Nobody", "This is new.")
    assert 'lang="fr" dir="ltr"' in french["root"][0]
    assert 'lang="ar" dir="rtl"' in arabic["root"][0]
    assert 'lang="en" dir="ltr"' in other["root"][0]


def test_a_name_is_text(came_of: Any) -> None:
    """
    Markup in it is escaped in HTML, in the preview as well, and is itself in the subject and the text part.
    """
    assert came_of("a_person_with_markup_for_a_name") == {
        "subject": "News for <img src=x onerror=1>",
        "is escaped": True,
        "is markup": False,
        "text": True,
    }


def test_a_second_person_approves_what_goes_to_many(came_of: Any) -> None:
    """
    300,000 may go, and one more may not before somebody else than the author has approved it.
    """
    assert came_of("approval_of_300_001") == {
        "300,000": "scheduled",
        "300,001": "RefusedError needs_approval",
        "its author approves": "ForbiddenError",
        "approved": "scheduled",
    }


def test_what_has_grown_since_it_was_counted_waits_for_a_second_person(came_of: Any) -> None:
    """
    It pauses when it starts, with nothing in the outbox.
    """
    assert came_of("a_start_with_more_than_were_counted") == {
        "counted": 300,
        "state": "paused",
        "code": "needs_approval",
        "deliveries": 0,
    }


def test_a_test_changes_nothing(came_of: Any) -> None:
    """
    It goes to whoever asks and to nobody else, says what it is, is in no count, and unsubscribes nobody.
    """
    assert came_of("a_test_to_myself") == {
        "to": ["teacher"],
        "subject": "[Test] News for Zoë",
        "has changed": False,
        "refused": "RefusedError bad_test_address",
    }


def test_what_happened_to_somebody_can_be_told_until_they_are_erased(came_of: Any) -> None:
    """
    Then nothing names them any more, and the figures stay as they were.
    """
    answer = came_of("what_happened_to_somebody")

    assert answer["got"] == [["sent", ""]]
    assert answer["out"] == [["skipped", "opted_out"]]
    assert answer["erased"] == []
    assert answer["before"] == answer["after"]
    assert not answer["is kept"]


def test_each_audience_can_be_chosen_on_the_pages(came_of: Any) -> None:
    """
    By an instructor, with its parameters; what is kept of people named one by one is keys, and is shown as addresses.
    """
    assert came_of("every_audience_on_the_pages") == {
        "params": {
            "staff": {},
            "cohort": {"cohort": "Harbour"},
            "track": {"track": "verified"},
            "completion": {"at_least": 40, "at_most": 60},
            "grade": {"at_least": 80, "at_most": 100},
            "inactive": {"since": "2020-01-01"},
            "selected": {"learners": 1},
        },
        "scope": "course:pages",
        "shows": True,
        "state": "sent",
        "recipients": ["good", "half", "harbour", "named", "teacher", "verified"],
    }


def test_a_front_end_that_was_made_for_an_lms(came_of: Any) -> None:
    """
    It sends and schedules with its own keywords and names of recipients, and reads back what it has written.
    """
    answer = came_of("the_front_end_of_an_lms")

    assert answer["sent"] == {"course_id": "compose", "success": True}
    assert answer["recipients"] == ["ann", "bob", "teacher"]
    assert answer["mail"] == ["News of About compose", "Dear Ann, until April 2, 2040."]
    assert answer["scheduled"] == {
        "task_due": "2040-03-01T10:00:00Z",
        "subject": "News of %%COURSE_DISPLAY_NAME%%",
        "html_message": "<p>Dear %%USER_FULLNAME%%, until %%COURSE_END_DATE%%.</p>",
        "targets": ["learners"],
    }
    assert answer["changed"] == ["2040-03-02T11:30:00Z", "Changed", ["staff"]]
    assert answer["changed wrongly"] == [400, 400]
    assert (answer["deleted"], answer["deleted again"], answer["left"]) == (204, 409, 0)
    assert answer["emails"] == [[3, "News of %%COURSE_DISPLAY_NAME%%", "compose-instructor"]]
    assert answer["tasks"] == [["SUCCESS", "3/3"]]


@pytest.mark.parametrize(
    "given, reason",
    [
        ("keyword", "There is no keyword %%USER_SHOE_SIZE%% here. Known: %%USER_FULLNAME%%"),
        ("recipients", "Expected myself, staff, learners, cohort:NAME or track:MODE, given 'everybody'."),
        ("no list", "Expected a JSON list of recipients, given 'learners'."),
        ("cohort", "Nowhere is not one of the available choices."),
        ("past", "2020-01-01 10:00 has passed."),
        ("no time", "Expected schedule to be a time such as 2030-01-31T10:00:00Z, given 'soon'."),
        ("no year", "There is no 9999-12-31T23:59:00-12:00 in UTC: choose another year."),
        ("nested", "Expected a JSON list of recipients, given '[[["),
        ("action", "Expected the action 'send', given 'delete'."),
        ("nothing", "Expected the action 'send', given None."),
    ],
)
def test_what_a_front_end_cannot_have_is_refused(came_of: Any, given: str, reason: str) -> None:
    """
    With the reason, and nothing is left of it; who has not logged in gets nothing either.
    """
    answer = came_of("the_front_end_of_an_lms")

    status, error = answer["wrong"][given]
    assert status == 400
    assert reason in error
    assert answer["stranger"] == 401
    assert answer["campaigns"] == 2
