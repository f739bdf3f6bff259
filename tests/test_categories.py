"""
Internal: what a message is about.
"""

import pytest

from edx_ace import categories
from edx_ace.channel import ChannelType
from edx_ace.errors import UnknownCategoryError
from tests.pipeline import welcome


@pytest.fixture(autouse=True)
def _categories(settings):
    settings.ACE_CATEGORIES = {
        "news": {"label": "News", "channels": ["email"], "default": False, "track": True},
        "security": {"label": "Security", "can_be_turned_off": False},
    }


def test_categories_come_in_the_order_of_the_setting_and_others_follow():
    """
    A message without a category has to belong somewhere.
    """
    found = categories.all_categories()

    assert list(found) == ["news", "security", "general", "digest"]
    assert [str(category.label) for category in found.values()] == ["News", "Security", "General", "Digests"]
    assert found["news"].more == {"track": True}


def test_a_category_offers_the_channels_that_it_names_or_all():
    """
    An empty list is no list.
    """
    assert categories.get("news").offers(ChannelType.EMAIL)
    assert not categories.get("news").offers(ChannelType.PUSH)
    assert categories.get("general").offers(ChannelType.PUSH)


def test_an_unknown_category_is_refused_by_name():
    """
    With what was meant.
    """
    with pytest.raises(UnknownCategoryError, match=r"given 'new'\. Did you mean 'news'"):
        categories.get("new")


@pytest.mark.parametrize(
    ("about", "options", "category"),
    [
        ({}, {}, "general"),
        # A password reset of an unchanged site.
        ({}, {"transactional": True}, ""),
        ({"category": "news"}, {}, "news"),
        # A category makes a type subject to choices, whichever channel it goes over.
        ({"category": "news"}, {"transactional": True}, "news"),
        ({"essential": True}, {}, ""),
        ({"essential": True, "category": "security"}, {}, "security"),
    ],
)
def test_a_message_is_of_the_category_of_its_type(settings, about, options, category):
    """
    One that is essential may belong to none.
    """
    settings.ACE_MESSAGE_TYPES = {"tests.welcome": about}

    assert categories.of(welcome(options=options)) == category


def test_a_message_says_what_it_belongs_to():
    """
    As an option, which unchanged workers carry.
    """
    assert categories.scope_of(welcome(options={"scope": "course:1"})) == "course:1"
    assert categories.scope_of(welcome()) == ""


def test_a_sub_app_may_bring_a_category(settings, monkeypatch):
    """
    What the setting says of it counts.
    """
    monkeypatch.setattr(categories, "_brought", {})
    categories.bring(categories.Category("summary", label="Summaries", channels=["email"]))

    assert categories.get("summary").channels == ("email",)
    assert "summary" in categories.all_categories()
    settings.ACE_CATEGORIES = {"summary": {"label": "In short"}}
    assert (categories.get("summary").label, categories.get("summary").channels) == ("In short", ("email",))


def test_a_message_says_what_it_is_about_where_its_type_leaves_it_open():
    """
    What staff write is of the category that they choose; that a message is essential is not theirs to say.
    """
    assert categories.of(welcome(options={"category": "news"})) == "news"
    assert categories.of(welcome(options={"category": "news", "transactional": True})) == ""
