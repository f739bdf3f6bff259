"""
Internal: the preference centre, by a link and logged in.
"""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from edx_ace import Recipient
from edx_ace.channel import ChannelType
from edx_ace.preferences import Taking, choose, links, taking
from edx_ace.preferences.models import Choice
from tests.pipeline import Recorder

pytestmark = pytest.mark.django_db

OFF, ON, DAILY, WEEKLY = Taking.OFF, Taking.IMMEDIATE, Taking.DAILY, Taking.WEEKLY


@pytest.fixture
def centre(path):
    """The path of the page as a message links to it."""
    return path(links.PREFERENCES)


def fields_of(html):
    """Return what the form on the page would post as it stands: the values of its checked radios."""
    return dict(re.findall(r'<input type="radio" name="([^"]+)" value="([^"]+)" checked>', html))


def hidden_of(html):
    """Return what the button of the notice would post."""
    notice = html[html.index('role="status"') : html.index('class="ace-sheet"')]
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]+)">', notice))
    return {**fields, "do": re.search(r'name="do" value="(\w+)"', notice)[1]}


def test_every_category_and_channel_can_be_chosen(client, centre):
    """
    With what counts now, and the ways in which each can be taken.
    """
    choose("7", "news", "push", OFF)

    html = client.get(centre).text

    assert fields_of(html) == {
        "news:email": "immediate",
        "news:push": "off",
        "offers:email": "off",
        "digest:email": "immediate",
    }
    assert re.findall(r'name="(?:news:email|news:push|offers:email)" value="(\w+)"', html) == [
        *("off", "immediate", "daily", "weekly"),
        *("off", "immediate"),
        *("off", "immediate"),
    ]
    assert "What is new, once a month." in html
    assert html.count("Always sent") == 1
    assert html.count("<legend>") == 4


@pytest.mark.parametrize("method", ["get", "head", "options"])
def test_looking_changes_nothing(client, centre, method):
    """
    However often.
    """
    for _ in range(20):
        assert getattr(client, method)(centre).status_code == 200

    assert not Choice.objects.exists()


def test_looking_needs_one_query(client, centre, django_assert_num_queries):
    """
    Whatever the number of categories.
    """
    with django_assert_num_queries(1):
        client.get(centre)


def test_saving_writes_what_is_otherwise_than_it_was(client, centre):
    """
    What was not touched goes on following the category's default.
    """
    form = {**fields_of(client.get(centre).text), "news:email": "daily", "offers:email": "immediate", "do": "save"}

    response = client.post(centre, form)

    assert response.status_code == 200
    assert "Your choices are saved." in response.text
    assert fields_of(response.text)["news:email"] == "daily"
    assert sorted(Choice.objects.values_list("category", "channel_type", "taking", "source")) == [
        ("news", "email", "daily", "page"),
        ("offers", "email", "immediate", "page"),
    ]


def test_saving_can_be_undone(client, centre):
    """
    As the page that says so offers.
    """
    choose("7", "news", "email", WEEKLY)
    response = client.post(centre, {"news:email": "off", "do": "save"})

    response = client.post(centre, hidden_of(response.text))

    assert taking("7", "news", "email") is WEEKLY
    assert taking("7", "offers", "email") is OFF


def test_everything_can_be_turned_off_and_back(client, centre):
    """
    In two clicks; on what people need nothing depends.
    """
    choose("7", "news", "email", WEEKLY)

    response = client.post(centre, {"do": "nothing"})

    assert "You are unsubscribed from everything." in response.text
    assert set(fields_of(response.text).values()) == {"off"}
    assert taking("7", "security", "email") is ON
    # Also over what the site may use some day.
    assert taking("7", "news", "sms") is OFF

    response = client.post(centre, hidden_of(response.text))

    assert "Everything is as it was before." in response.text
    assert fields_of(response.text) == {
        "news:email": "weekly",
        "news:push": "immediate",
        "offers:email": "off",
        "digest:email": "immediate",
    }


def test_one_thing_can_be_turned_on_while_everything_is_off(client, centre):
    """
    The rest stays off, also what the site adds later.
    """
    client.post(centre, {"do": "nothing"})

    client.post(centre, {"news:email": "immediate", "do": "save"})

    assert taking("7", "news", "email") is ON
    assert taking("7", "news", "push") is OFF


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"do": "save", "security:email": "off"},
        {"do": "save", "offers:push": "immediate"},
        {"do": "save", "offers:email": "daily"},
        {"do": "save", "news:email": "never"},
        {"do": "save", "news:email": ["off", "daily"]},
        {"do": "save", "person": "8"},
        {"do": "delete"},
        {"news:email": "off"},
        {"List-Unsubscribe": "One-Click"},
    ],
)
def test_what_the_page_does_not_offer_is_refused(client, centre, form):
    """
    And nothing is written, not even the rest of it.
    """
    response = client.post(centre, {"news:push": "off", **form})

    assert response.status_code == 400
    assert not Choice.objects.exists()


def test_with_one_channel_the_page_is_simple(client, centre, use_channels):
    """
    What the site does not use is not shown.
    """
    use_channels(mail=Recorder())

    assert fields_of(client.get(centre).text).keys() == {"news:email", "offers:email", "digest:email"}


def test_a_site_that_makes_no_digests_offers_none(client, centre, settings):
    """
    Who chose one before gets what comes as it comes, and is told so; saving leaves what they chose.
    """
    choose("7", "news", "email", WEEKLY)
    settings.ACE_ENABLED_POLICIES = ["preference"]

    html = client.get(centre).text
    assert "daily" not in html and "weekly" not in html
    assert fields_of(html) == {"news:email": "immediate", "news:push": "immediate", "offers:email": "off"}

    client.post(centre, {**fields_of(html), "offers:email": "immediate", "do": "save"})
    assert client.post(centre, {"news:email": "daily", "do": "save"}).status_code == 400
    assert taking("7", "news", "email") is WEEKLY
    assert taking("7", "offers", "email") is ON


def courses(scopes):
    """Return what the courses of a site are called; some are gone."""
    return [{"course:1": "Bread & Butter", "course:2": "Astronomy"}.get(scope) for scope in scopes]


@pytest.fixture
def names(settings):
    """The site names its scopes."""
    settings.ACE_SCOPE_NAMES = f"{__name__}.courses"


def test_what_was_chosen_for_one_thing_alone_is_shown(client, centre, names):
    """
    By the names that the site has for them; what has no name is not shown.
    """
    choose("7", "news", "email", OFF, scope="course:1")
    choose("7", "news", "push", ON, scope="course:2")
    choose("7", "news", "email", OFF, scope="course:3")
    choose("7", "", "push", OFF, scope="course:2")

    html = client.get(centre).text

    assert html.index("<legend>Astronomy</legend>") < html.index("<legend>Bread &amp; Butter</legend>")
    assert html.count("<legend>") == 6
    narrowed = {name: value for name, value in fields_of(html).items() if name.count(":") > 1}
    assert narrowed == {"news:push:course:2": "off", "news:email:course:1": "off"}


def test_one_thing_alone_is_chosen_for(client, centre, names):
    """
    Without a change to anything else; and the undo knows it.
    """
    choose("7", "news", "email", OFF, scope="course:1")
    form = {**fields_of(client.get(centre).text), "news:email:course:1": "daily", "do": "save"}

    response = client.post(centre, form)

    assert taking("7", "news", "email", scope="course:1") is DAILY
    assert taking("7", "news", "email") is ON
    client.post(centre, hidden_of(response.text))
    assert taking("7", "news", "email", scope="course:1") is OFF


def test_what_is_wished_for_one_thing_stands_beside_what_is_turned_off(client, centre, names):
    """
    In the same form.
    """
    choose("7", "news", "email", DAILY, scope="course:1")
    form = {**fields_of(client.get(centre).text), "news:email": "off", "do": "save"}

    client.post(centre, form)

    assert taking("7", "news", "email") is OFF
    assert taking("7", "news", "email", scope="course:1") is DAILY


def test_the_way_back_from_nothing_knows_single_things(client, centre, names):
    """
    Which are off with everything else.
    """
    choose("7", "news", "email", WEEKLY, scope="course:1")
    response = client.post(centre, {"do": "nothing"})
    assert taking("7", "news", "email", scope="course:1") is OFF

    client.post(centre, hidden_of(response.text))

    assert taking("7", "news", "email", scope="course:1") is WEEKLY


@pytest.mark.parametrize("scope", ["course:9", "course:1" * 100, ""])
def test_only_for_what_has_a_name_can_be_chosen(client, centre, names, scope):
    """
    Whatever is posted.
    """
    assert client.post(centre, {f"news:email:{scope}": "off", "do": "save"}).status_code == 400
    assert not Choice.objects.exists()


def test_a_site_that_names_nothing_shows_nothing_of_it(client, centre):
    """
    As people would not know what it is.
    """
    choose("7", "news", "email", OFF, scope="course:1")

    assert client.get(centre).text.count("<legend>") == 4
    assert client.post(centre, {"news:email:course:1": "immediate", "do": "save"}).status_code == 400


def test_the_link_of_a_test_changes_nothing(client, path):
    """
    And says so.
    """
    response = client.post(path(links.PREFERENCES, options={"is_test": True}), {"do": "nothing"})

    assert "This link is from a test message" in response.text
    assert not Choice.objects.exists()


def test_whoever_comes_by_a_link_gets_no_cookie(client, centre, settings):
    """
    There is nothing that one would have to protect.
    """
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.csrf.CsrfViewMiddleware"]

    assert not client.get(centre).cookies
    assert not client.post(centre, {"do": "nothing"}).cookies


def test_a_link_for_unsubscribing_opens_no_preferences(client, path):
    """
    Each has one purpose.
    """
    token = path(links.UNSUBSCRIBE).split("/")[-2]

    assert client.get(f"/messages/preferences/{token}/").status_code == 400


def test_whoever_is_logged_in_needs_no_link(client):
    """
    They are the person with their account's id.
    """
    user = User.objects.create_user("ann", "ann@example.com")
    client.force_login(user)

    response = client.post("/messages/preferences/", {"news:email": "off", "do": "save"})

    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    # With "no-referrer" a browser would not say where the form comes from, and Django refuse it.
    assert "Referrer-Policy" not in response
    assert taking(Recipient(user.pk), "news", "email") is OFF
    assert client.post("/messages/preferences/", {"do": "delete"}).status_code == 400


def test_nobody_chooses_for_whoever_is_logged_in_from_another_site():
    """
    A page elsewhere could post a form; it does not know the token against forgery.
    """
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_user("ann"))

    assert client.post("/messages/preferences/", {"do": "nothing"}).status_code == 403
    html = client.get("/messages/preferences/").text
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', html)[1]
    response = client.post("/messages/preferences/", {"do": "nothing", "csrfmiddlewaretoken": token})

    assert response.status_code == 200
    assert "You are unsubscribed from everything." in response.text


def test_whoever_is_not_logged_in_is_asked_to(client):
    """
    As everywhere on the site.
    """
    response = client.get("/messages/preferences/")

    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/")


def recipient_of(user):
    """Return the learner of *user*, as a site does whose messages go to those; staff is none."""
    return None if user.is_staff else Recipient(f"learner-{user.pk}")


def test_a_site_says_as_whom_a_user_gets_messages(client, settings):
    """
    Where that is not the user's own id.
    """
    settings.ACE_RECIPIENT_OF_USER = f"{__name__}.recipient_of"
    user, staff = User.objects.create_user("ann"), User.objects.create_user("staff", is_staff=True)

    client.force_login(user)
    client.post("/messages/preferences/", {"do": "nothing"})
    client.force_login(staff)

    assert Choice.objects.values_list("person", flat=True).distinct().get() == f"learner-{user.pk}"
    assert client.get("/messages/preferences/").status_code == 404


def test_the_page_names_the_channels_that_the_site_uses(client, centre, use_channels):
    """
    In words that people use.
    """
    use_channels(mail=Recorder(), push=Recorder(ChannelType.PUSH), sms=Recorder(ChannelType.SMS))

    html = client.get(centre).text

    assert html.index("By email") < html.index("By push notification") < html.index("By text message")
