"""
Internal: quiet hours in the preference centre, by a link and logged in.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, time

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from edx_ace import Recipient
from edx_ace.preferences import Taking, links, quiet_hours_of, set_quiet_hours, taking
from edx_ace.preferences.models import Choice, QuietHours
from edx_ace.testing import frozen_clock

pytestmark = pytest.mark.django_db

NIGHT = (time(22), time(7))
OWN = {"quiet": "own", "quiet_start": "21:30", "quiet_end": "08:00", "do": "save"}


@pytest.fixture(autouse=True)
def policies(site, settings):
    settings.ACE_ENABLED_POLICIES = ["preference", "quiet_hours", "digest"]
    settings.ACE_QUIET_HOURS = ("22:00", "07:00")
    settings.TIME_ZONE = "Europe/Berlin"


@pytest.fixture
def centre(path):
    """The path of the page as a message to person 7 links to it."""
    return path(links.PREFERENCES)


def places(recipients):
    """The host's hook: it knows some by their account, and some by their address."""
    zones = {7: "America/New_York", "ann@example.com": "Asia/Tokyo"}
    return [(zones.get(one.lms_user_id) or zones.get(one.email_address), None) for one in recipients]


def chosen_on(html):
    """Return which way is marked on the page, and the times in its fields."""
    times = re.findall(r'<input type="time" [^>]*name="quiet_(?:start|end)" value="([^"]*)"', html)
    return (*re.findall(r'name="quiet" value="(\w+)" checked', html), *times)


def undo_of(html):
    """Return what the button of the notice would post."""
    notice = html[html.index('role="status"') : html.index('class="ace-sheet"')]
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]+)">', notice))
    return {**fields, "do": re.search(r'name="do" value="(\w+)"', notice)[1]}


def test_the_page_says_what_counts_for_whoever_has_chosen_nothing(client, centre):
    """
    The site's hours, from which their own would begin.
    """
    html = client.get(centre).text

    assert chosen_on(html) == ("site", "22:00", "07:00")
    assert "As usual on this site: from 10 p.m. to 7 a.m." in html
    assert re.findall(r'name="quiet" value="(\w+)"', html) == ["site", "none", "own"]


def test_where_the_site_has_no_hours_there_are_none(client, centre, settings):
    """
    And saving the rest of the page leaves it at that.
    """
    settings.ACE_QUIET_HOURS = None
    html = client.get(centre).text
    assert chosen_on(html) == ("none", "22:00", "07:00")
    assert re.findall(r'name="quiet" value="(\w+)"', html) == ["none", "own"]

    client.post(centre, {"quiet": "none", "quiet_start": "22:00", "quiet_end": "07:00", "do": "save"})

    assert not QuietHours.objects.exists()


def test_looking_needs_two_queries(client, centre, django_assert_num_queries):
    """
    One for choices, one for quiet hours.
    """
    with django_assert_num_queries(2):
        client.get(centre)

    assert not QuietHours.objects.exists()


def test_people_choose_hours_of_their_own(client, centre):
    """
    An earlier end is on the next day.
    """
    response = client.post(centre, OWN)

    assert response.status_code == 200
    assert "Your choices are saved." in response.text
    assert chosen_on(response.text) == ("own", "21:30", "08:00")
    assert quiet_hours_of("7") == (time(21, 30), time(8))


def test_people_choose_to_have_none(client, centre):
    """
    Whatever stands in the fields that are not shown then.
    """
    set_quiet_hours("7", *NIGHT)

    response = client.post(centre, {**OWN, "quiet": "none"})

    assert chosen_on(response.text)[0] == "none"
    assert quiet_hours_of("7") is None


def test_people_choose_to_go_by_the_site_again(client, centre, settings):
    """
    Also when it has other hours later.
    """
    set_quiet_hours("7", time(13), time(14))

    response = client.post(centre, {"quiet": "site", "quiet_start": "13:00", "quiet_end": "14:00", "do": "save"})
    settings.ACE_QUIET_HOURS = ("23:00", "06:00")

    assert chosen_on(response.text)[0] == "site"
    assert quiet_hours_of("7") == (time(23), time(6))


@pytest.mark.parametrize("form", [OWN, {"quiet": "none", "do": "save"}, {"quiet": "site", "do": "save"}])
@pytest.mark.parametrize("site", [("22:00", "07:00"), None])
@pytest.mark.parametrize("before", [None, (None, None), (time(13), time(14)), (time(13, 0, 5), time(0))])
def test_what_was_there_before_is_undone_to(client, centre, settings, site, before, form):
    """
    Also that nothing was chosen.
    """
    settings.ACE_QUIET_HOURS = site
    if before:
        set_quiet_hours("7", *before)
    html = client.post(centre, form).text

    if 'name="do" value="save">Undo' in html:
        client.post(centre, undo_of(html))

    assert list(QuietHours.objects.values_list("start", "end")) == ([before] if before else [])


def test_what_is_as_it_was_is_not_written(client, centre):
    """
    Nothing that waits is looked at for it.
    """
    set_quiet_hours("7", time(21, 30), time(8))

    with CaptureQueriesContext(connection) as queries:
        response = client.post(centre, OWN)

    assert ">Undo<" not in response.text
    assert not [one["sql"] for one in queries if one["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]


def test_quiet_hours_and_categories_are_saved_together(client, centre):
    """
    They are one form.
    """
    client.post(centre, {**OWN, "news:email": "off"})

    assert taking("7", "news", "email") is Taking.OFF
    assert quiet_hours_of("7") == (time(21, 30), time(8))


def test_turning_everything_off_leaves_quiet_hours(client, centre):
    """
    So does taking that back.
    """
    client.post(centre, OWN)

    response = client.post(centre, {"do": "nothing"})
    assert quiet_hours_of("7") == (time(21, 30), time(8))
    client.post(centre, undo_of(response.text))

    assert quiet_hours_of("7") == (time(21, 30), time(8))


@pytest.mark.parametrize(
    "hours",
    [
        {"quiet": "always"},
        {"quiet": ["own", "none"]},
        {"quiet": ""},
        {"quiet_start": ["21:30", "22:00"]},
        # What no browser posts for a time.
        {"quiet_start": "24:00"},
        {"quiet_start": "2130"},
        {"quiet_start": "21"},
        {"quiet_start": "21:30Z"},
        {"quiet_start": "21:30+02:00"},
        {"quiet_start": " 21:30"},
        {"quiet_end": "T08:00"},
        {"quiet_end": "٠٨:٠٠"},
        {"quiet_end": "08:00", "quiet": "none", "quiet_start": "soon"},
        {"quiet_end": "\x00"},
        {"quiet_until": "08:00"},
    ],
)
def test_what_the_page_does_not_offer_is_refused(client, centre, hours):
    """
    And nothing is written, not even the rest of it.
    """
    response = client.post(centre, {**OWN, "news:email": "off", **hours})

    assert response.status_code == 400
    assert "That did not work" in response.text
    assert not QuietHours.objects.exists() and not Choice.objects.exists()


def test_times_alone_are_no_choice(client, centre):
    """
    The page always says which way, too.
    """
    assert client.post(centre, {"quiet_start": "21:30", "quiet_end": "08:00", "do": "save"}).status_code == 400


@pytest.mark.parametrize(
    ("start", "end"), [("21:30", ""), ("", "08:00"), ("", ""), ("21:30", "21:30"), ("00:00", "00:00")]
)
def test_an_honest_mistake_is_explained(client, centre, start, end):
    """
    Beside the fields; everything stands as it was filled in, and nothing is written.
    """
    response = client.post(centre, {**OWN, "quiet_start": start, "quiet_end": end, "news:email": "weekly"})

    assert response.status_code == 400
    assert "Nothing is saved yet." in response.text
    assert response.text.count('aria-invalid="true" aria-describedby="quiet-wrong"') == 2
    assert chosen_on(response.text) == ("own", start, end)
    assert 'name="news:email" value="weekly" checked' in response.text
    assert 'role="status"' not in response.text
    assert not QuietHours.objects.exists() and not Choice.objects.exists()


def test_where_the_policy_is_not_enabled_there_is_nothing_to_choose(client, centre, settings):
    """
    Nobody would keep to it.
    """
    settings.ACE_ENABLED_POLICIES = ["preference"]

    assert chosen_on(client.get(centre).text) == ()
    assert client.post(centre, OWN).status_code == 400
    assert not QuietHours.objects.exists()


def test_the_link_of_a_test_changes_nothing(client, path):
    """
    And says so.
    """
    response = client.post(path(links.PREFERENCES, options={"is_test": True}), OWN)

    assert response.status_code == 200
    assert "This link is from a test message" in response.text
    assert chosen_on(response.text)[0] == "site"
    assert not QuietHours.objects.exists()


@pytest.mark.parametrize(
    ("recipient", "sentence"),
    [
        (Recipient(7, "x@example.com"), "Your time zone is <bdi>America/New York</bdi>, where it is 7:05 a.m. now."),
        (Recipient(9, "x@example.com"), "Your time zone is <bdi>Europe/Berlin</bdi>, where it is 1:05 p.m. now."),
        # Of whom the link knows a digest alone; the host might know their address.
        (Recipient(None, "ann@example.com"), "The times are those of your time zone, as this site knows it."),
    ],
)
def test_the_page_names_the_person_s_time_zone(client, path, settings, recipient, sentence):
    """
    As the host knows it, where it can be asked.
    """
    settings.ACE_PEOPLE = f"{__name__}.places"

    with frozen_clock(datetime(2026, 7, 1, 11, 5, tzinfo=UTC)):
        html = client.get(path(links.PREFERENCES, recipient=recipient)).text

    assert sentence in " ".join(html.split())


def test_without_a_hook_everybody_is_where_the_site_is(client, path):
    """
    Also people without an account.
    """
    html = client.get(path(links.PREFERENCES, recipient=Recipient(None, "ann@example.com"))).text

    assert "Your time zone is <bdi>Europe/Berlin</bdi>" in html


def test_whoever_is_logged_in_is_known_by_their_address_too(client, settings):
    """
    The host is asked about the recipient of their messages.
    """
    settings.ACE_PEOPLE = f"{__name__}.places"
    user = User.objects.create_user("ann", "ann@example.com", pk=70)
    client.force_login(user)

    response = client.post("/messages/preferences/", OWN)

    assert "Your time zone is <bdi>Asia/Tokyo</bdi>" in response.text
    assert quiet_hours_of(Recipient(user.pk)) == (time(21, 30), time(8))
    assert client.post("/messages/preferences/", {**OWN, "quiet": "always"}).status_code == 400


def test_the_page_speaks_of_hours_as_the_language_does(client, path):
    """
    Twelve or twenty-four of them.
    """
    with translation.override("de"):
        centre = path(links.PREFERENCES)

    html = client.get(centre).text

    assert "Wie auf dieser Website üblich: von 22:00 bis 07:00 Uhr" in html
