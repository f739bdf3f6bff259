"""
Internal: tests of writing campaigns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django import forms
from django.contrib.auth.models import Permission, User
from django.utils import timezone
from pytest_django import Settings

from edx_ace.campaigns import audiences, editing
from edx_ace.campaigns.audiences import Audience, Person
from edx_ace.campaigns.errors import ConflictError, ForbiddenError, RefusedError
from edx_ace.campaigns.host import Host, Keyword
from edx_ace.campaigns.models import Campaign, Template, Variant
from edx_ace.recipient import Recipient

pytestmark = pytest.mark.django_db

TEXT = {"language": "en", "subject": "Hello {{ first_name|there }}", "source": "<p>Hello</p>"}


class CourseHost(Host):
    """Ann may do everything in course 1, Bo may write there; nobody else may do anything."""

    def may(self, user, action, scope, campaign=None):
        return scope == "course:1" and (
            user.username == "ann" or (user.username == "bo" and action in ("view", "write"))
        )

    def keywords(self, scope):
        return [Keyword("first_name", "First name", "Ann")]


class ScoreForm(forms.Form):
    least = forms.IntegerField(max_value=100)
    since = forms.DateField(required=False)
    users = forms.ModelMultipleChoiceField(User.objects, required=False)


class Score(Audience):
    """Has a form."""

    name = "score"
    label = "By score"
    form_class = ScoreForm

    def resolve(self, scope, params, requester):
        return [Person(Recipient(1, "one@example.com"))]

    def is_offered(self, scope, requester):
        return requester.username == "ann"


@pytest.fixture(autouse=True)
def site(settings: Settings) -> Iterator[None]:
    settings.ACE_CAMPAIGN_HOST = f"{__name__}.CourseHost"
    settings.ACE_CATEGORIES = {"news": {}, "security": {"can_be_turned_off": False}}
    audiences.register(Score)
    yield
    audiences.unregister("score")


@pytest.fixture
def ann() -> User:
    return User.objects.create(username="ann", email="ann@example.com")


@pytest.fixture
def bo() -> User:
    return User.objects.create(username="bo", email="bo@example.com")


@pytest.fixture
def draft(ann: User) -> Campaign:
    return editing.create(ann, scope="course:1", name="News", category="news", variants=[TEXT])


def problems(function: Callable[..., Any], *args: Any, **fields: Any) -> list[tuple[str, str]]:
    with pytest.raises(RefusedError) as caught:
        function(*args, **fields)
    return [(problem.code, problem.where) for problem in caught.value.problems]


def test_a_draft_needs_nothing(ann: User):
    """
    It has what a draft begins with, and a line in its audit trail.
    """
    made = editing.create(ann, scope="course:1")

    assert (made.state, made.version, made.language, made.category, made.name) == (
        "draft",
        1,
        "en",
        "general",
        "Untitled",
    )
    assert [(entry.action, entry.who, entry.to_state) for entry in made.entries.all()] == [("created", "ann", "draft")]


@pytest.mark.parametrize(("code", "expected"), [("en-us", "en"), ("de-AT", "de"), ("pt-br", "pt-br")])
def test_a_draft_begins_in_a_language_that_the_site_lists(ann: User, settings: Settings, code, expected):
    """
    A new project of Django is in "en-us", which its own LANGUAGES does not have: nobody could choose that language.
    """
    settings.LANGUAGES = [("de", "Deutsch"), ("en", "English"), ("pt-br", "Português")]
    settings.LANGUAGE_CODE = code

    assert editing.create(ann, scope="course:1").language == expected


def test_everything_can_be_given_at_once(ann: User):
    """
    Texts are sanitised, parameters of audiences are cleaned by their forms.
    """
    made = editing.create(
        ann,
        scope="course:1",
        name=" News ",
        channel_types=["email", "push"],
        timing="at",
        wall_time="2027-03-28T10:00",
        zone="Europe/Berlin",
        rate="100/h",
        canary=5,
        reply_to="b@example.com",
        variants=[
            {**TEXT, "source": "<p onclick=x>Hello</p><script>x</script>"},
            {**TEXT, "language": "pt_BR", "format": "markdown", "source": "*Olá*"},
            {
                "channel_type": "push",
                "language": "en",
                "subject": "News",
                "source": "R&D",
                "url": "https://example.com/",
            },
        ],
        parts=[
            {"audience": "score", "params": {"least": "20", "since": "2027-01-01", "users": [str(ann.pk)], "x": "y"}},
            {"audience": "accounts", "is_excluded": True},
        ],
    )

    made.refresh_from_db()
    assert (made.name, made.channels, made.canary) == ("News", ["email", "push"], 5)
    assert [(one.language, one.source, one.body) for one in made.variants.order_by("pk")] == [
        ("en", "<p>Hello</p>", "<p>Hello</p>"),
        ("pt-br", "*Olá*", "<p><em>Olá</em></p>\n"),
        ("en", "R&D", "R&D"),
    ]
    assert [(one.audience, one.params, one.is_excluded) for one in made.parts.all()] == [
        ("score", {"least": 20, "since": "2027-01-01", "users": [ann.pk]}, False),
        ("accounts", {}, True),
    ]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"name": ""}, [("bad_value", "name")]),
        ({"name": "x" * 201}, [("bad_value", "name")]),
        ({"name": "\0"}, [("bad_character", "name")]),
        ({"nmae": "x"}, [("unknown_field", "nmae")]),
        ({"state": "sent"}, [("unknown_field", "state")]),
        ({"category": "new"}, [("unknown_category", "category")]),
        ({"category": "security"}, [("bad_category", "category")]),
        ({"channel_types": ["emial"]}, [("bad_channel_type", "channel_types")]),
        ({"channel_types": []}, [("bad_value", "channel_types")]),
        ({"language": "../x"}, [("bad_language", "language")]),
        ({"reply_to": "a@example.com, b@example.com"}, [("bad_address", "reply_to")]),
        ({"from_name": "=?utf-8?q?a=0Ab?="}, [("bad_name", "from_name")]),
        ({"from_name": "Ann\x07"}, [("bad_name", "from_name")]),
        ({"rate": "fast"}, [("bad_rate", "rate")]),
        ({"canary": -1}, [("bad_value", "canary")]),
        ({"canary": "many"}, [("bad_value", "canary")]),
        ({"timing": "then"}, [("bad_value", "timing")]),
        ({"timing": "at", "wall_time": "2027-03-28T02:30", "zone": "Europe/Berlin"}, [("no_such_time", "wall_time")]),
        ({"timing": "relative", "anchor": "end"}, [("date_gone", "anchor")]),
        (
            {"variants": [{**TEXT, "subject": "{{ frist_name }}", "source": "{% x %}"}, {**TEXT, "language": "?"}]},
            [
                ("unknown_keyword", "variants.email.en.subject"),
                ("template_syntax", "variants.email.en.source"),
                ("template_syntax", "variants.email.en.source"),
                ("bad_language", "variants.email.?.language"),
            ],
        ),
        ({"variants": [TEXT, TEXT]}, [("two_variants", "variants.email.en")]),
        ({"variants": [{**TEXT, "channel_type": "x"}]}, [("bad_channel_type", "variants.x.en.channel_type")]),
        ({"variants": [{**TEXT, "format": "x"}]}, [("bad_value", "variants.email.en.format")]),
        ({"variants": [{**TEXT, "source": None}]}, [("bad_value", "variants.email.en.source")]),
        ({"variants": [{**TEXT, "source": "\ud800"}]}, [("bad_character", "variants.email.en.source")]),
        ({"variants": [{**TEXT, "body": "<script>"}]}, [("unknown_field", "variants.email.en.body")]),
        ({"parts": [{"audience": "scores"}]}, [("unknown_audience", "parts.0.audience")]),
        (
            {"parts": [{"audience": "accounts"}, {"audience": "score", "params": {"least": 101}}]},
            [("bad_params", "parts.1.params.least")],
        ),
        ({"parts": [{"audience": "accounts", "params": {"x": 1}}]}, [("bad_params", "parts.0.params")]),
        ({"parts": [{"audience": "score", "params": "x"}]}, [("bad_params", "parts.0.params")]),
    ],
)
def test_what_is_wrong_is_refused_and_nothing_is_saved(ann: User, draft: Campaign, fields, expected):
    """
    Neither of a new campaign nor of one that is there.
    """
    assert problems(editing.create, ann, scope="course:1", **fields) == expected
    assert problems(editing.save, ann, draft, version=1, **{"from_name": "Ann", **fields}) == expected

    assert Campaign.objects.count() == 1
    draft.refresh_from_db()
    assert (draft.version, draft.from_name) == (1, "")


def test_an_audience_that_is_not_offered_is_refused(bo: User):
    """
    Whatever its parameters.
    """
    fields = {"parts": [{"audience": "score", "params": {"least": 1}}]}

    assert problems(editing.create, bo, scope="course:1", **fields) == [("audience_not_offered", "parts.0.audience")]


def test_saving_takes_the_version_that_was_seen(ann: User, bo: User, draft: Campaign):
    """
    Whoever saves second has to look first.
    """
    other = Campaign.objects.get(pk=draft.pk)

    saved = editing.save(ann, draft, version=1, name="Ann's", variants=[{**TEXT, "language": "de"}])

    assert (saved.version, saved.name, [one.language for one in saved.variants.all()]) == (2, "Ann's", ["de"])
    with pytest.raises(ConflictError, match="it has version 2, you have seen 1"):
        editing.save(bo, other, version=1, name="Bo's", variants=[])
    draft.refresh_from_db()
    assert (draft.name, draft.variants.count()) == ("Ann's", 1)


@pytest.mark.parametrize("state", ["sending", "paused", "sent", "cancelled", "failed"])
def test_what_has_started_cannot_be_changed(ann: User, draft: Campaign, state):
    """
    By none of the functions, nor by somebody who looked before.
    """
    seen = Campaign.objects.get(pk=draft.pk)
    Campaign.objects.update(state=state)

    for one in (seen, Campaign.objects.get(pk=draft.pk)):
        with pytest.raises(ConflictError):
            editing.save(ann, one, version=1, name="x")
        with pytest.raises(ConflictError):
            editing.attach(ann, one, version=1, name="a.pdf", file=b"x")
        with pytest.raises(ConflictError):
            editing.delete(ann, one, version=1)
    draft.refresh_from_db()
    assert (draft.name, draft.version, draft.attachments.count()) == ("News", 1, 0)


class TestScheduled:
    """Of a campaign that waits for its time."""

    @pytest.fixture
    def scheduled(self, ann: User, draft: Campaign) -> Campaign:
        later = timezone.now() + timedelta(days=2)
        editing.save(
            ann,
            draft,
            version=1,
            timing="at",
            wall_time=f"{later:%Y-%m-%dT%H:%M}",
            zone="UTC",
            parts=[{"audience": "given"}],
        )
        Campaign.objects.update(state="scheduled", due_at=later)
        draft.refresh_from_db()
        return draft

    def test_a_new_time_counts(self, ann: User, scheduled: Campaign, given):
        """
        From the moment it is saved.
        """
        given.people = [Person(Recipient(1, "a@example.com"))]
        year = timezone.now().year + 1

        editing.save(ann, scheduled, version=2, wall_time=f"{year}-06-01T10:00", zone="Europe/Berlin")

        assert scheduled.due_at == datetime.fromisoformat(f"{year}-06-01T08:00:00+00:00")

    def test_a_time_that_has_passed_is_refused(self, ann: User, scheduled: Campaign):
        """
        It would go at once.
        """
        assert problems(editing.save, ann, scheduled, version=2, wall_time="2020-06-01T10:00") == [
            ("past", "wall_time")
        ]

    def test_nothing_is_saved_that_could_not_be_scheduled(self, ann: User, scheduled: Campaign):
        """
        A text in another language alone.
        """
        found = problems(editing.save, ann, scheduled, version=2, variants=[{**TEXT, "language": "de"}])

        assert ("missing_text", "variants.email.en") in found
        assert [one.language for one in scheduled.variants.all()] == ["en"]

    def test_only_who_may_send_it_changes_it(self, bo: User, scheduled: Campaign):
        """
        What they write would be sent.
        """
        with pytest.raises(ForbiddenError):
            editing.save(bo, scheduled, version=2, name="x")


@pytest.mark.parametrize(
    "act",
    [
        lambda user, draft: editing.create(user, scope="course:1"),
        lambda user, draft: editing.save(user, draft, version=1, name="x"),
        lambda user, draft: editing.delete(user, draft, version=1),
        editing.duplicate,
        lambda user, draft: editing.attach(user, draft, version=1, name="a.pdf", file=b"x"),
        lambda user, draft: editing.save_template(user, draft, "x"),
    ],
)
def test_only_those_who_may_write_do(draft: Campaign, act):
    """
    As the host says.
    """
    with pytest.raises(ForbiddenError):
        act(User.objects.create(username="cyd"), draft)

    assert Campaign.objects.count() == 1


def test_without_a_host_permissions_of_django_decide(settings: Settings):
    """
    And the system itself may do everything.
    """
    settings.ACE_CAMPAIGN_HOST = None
    user = User.objects.create(username="dan")
    with pytest.raises(ForbiddenError):
        editing.create(user)
    user.user_permissions.add(Permission.objects.get(codename="write_campaign"))

    assert editing.create(User.objects.get(pk=user.pk)).author == user
    assert editing.create(None).author is None


def test_the_same_key_gives_the_same_campaign(ann: User, bo: User):
    """
    To the same user, whatever else is given; of others it is another one.
    """
    first = editing.create(ann, scope="course:1", idempotency_key="k", name="First")

    assert editing.create(ann, scope="course:1", idempotency_key="k", name="Second") == first
    assert editing.create(bo, scope="course:1", idempotency_key="k") != first
    assert editing.create(ann, scope="course:1", idempotency_key="k" * 1000) != first
    assert Campaign.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_the_same_key_twice_at_once_gives_one_campaign(at_once, ann: User):
    """
    Also if neither call sees the other's.
    """
    found = at_once(lambda: editing.create(ann, scope="course:1", idempotency_key="k", variants=[TEXT]).pk, 4)

    assert len(set(found)) == 1
    assert Variant.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_who_save_at_once_one_wins(at_once, ann: User):
    """
    The other is told.
    """
    draft = editing.create(ann, scope="course:1", variants=[TEXT])

    def save() -> bool:
        try:
            editing.save(ann, Campaign.objects.get(pk=draft.pk), version=1, variants=[TEXT, {**TEXT, "language": "de"}])
        except ConflictError:
            return False
        return True

    assert sorted(at_once(save, 3)) == [False, False, True]
    draft.refresh_from_db()
    assert (draft.version, draft.variants.count()) == (2, 2)


def test_a_copy_has_all_that_is_written(ann: User, bo: User, draft: Campaign):
    """
    And neither its time nor its history.
    """
    editing.save(ann, draft, version=1, parts=[{"audience": "score", "params": {"least": 1}}], timing="at")
    editing.attach(ann, draft, version=2, name="a.pdf", file=b"%PDF")

    copy = editing.duplicate(bo, draft)

    assert (copy.name, copy.author, copy.origin, copy.state, copy.timing) == ("Copy of News", bo, draft, "draft", "now")
    assert copy.uuid != draft.uuid
    assert [one.subject for one in copy.variants.all()] == [TEXT["subject"]]
    assert [one.params for one in copy.parts.all()] == [{"least": 1, "since": None, "users": []}]
    assert [(one.name, bytes(one.content)) for one in copy.attachments.all()] == [("a.pdf", b"%PDF")]
    assert draft.variants.count() == draft.parts.count() == draft.attachments.count() == 1

    other = editing.duplicate(ann, draft, name="Other", parts=[{"audience": "accounts"}])
    assert (other.name, [one.audience for one in other.parts.all()]) == ("Other", ["accounts"])


def test_a_draft_is_deleted(ann: User, draft: Campaign):
    """
    By whoever has seen its version.
    """
    with pytest.raises(ConflictError):
        editing.delete(ann, draft, version=2)

    editing.delete(ann, draft, version=1)

    assert not Campaign.objects.exists()


def test_attachments_come_and_go(ann: User, draft: Campaign, settings: Settings):
    """
    Up to a size together.
    """
    settings.ACE_CAMPAIGN_MAX_ATTACHMENT_BYTES = 10
    first = editing.attach(ann, draft, version=1, name="a.pdf", file=b"x" * 6)

    assert (first.content_type, first.size, draft.version) == ("application/pdf", 6, 2)
    assert problems(editing.attach, ann, draft, version=2, name="b.pdf", file=b"x" * 6) == [
        ("attachments_too_large", "attachments")
    ]
    editing.detach(ann, draft, version=2, attachment=first)
    assert (draft.version, draft.attachments.count()) == (3, 0)


def test_templates_have_versions(ann: User, draft: Campaign):
    """
    What was written from an earlier one stays.
    """
    first = editing.save_template(ann, draft, "Welcome")
    editing.save(ann, draft, version=1, variants=[{**TEXT, "subject": "New"}])
    second = editing.save_template(ann, draft, "Welcome")

    assert [(one.number, one.author) for one in (first, second)] == [(1, ann), (2, ann)]
    assert Template.objects.count() == 1
    made = [editing.from_template(ann, one, scope="course:1") for one in (first, second)]
    assert [one.variants.get().subject for one in made] == [TEXT["subject"], "New"]
    assert [one.name for one in made] == ["Welcome", "Welcome"]


def test_a_template_is_checked_when_it_is_used(ann: User, draft: Campaign, monkeypatch: pytest.MonkeyPatch):
    """
    Its keywords may be gone by then.
    """
    version = editing.save_template(ann, draft, "Welcome")
    monkeypatch.setattr(CourseHost, "keywords", lambda self, scope: ())

    assert problems(editing.from_template, ann, version, scope="course:1") == [
        ("unknown_keyword", "variants.email.en.subject")
    ]


def test_a_template_of_another_scope_is_nobodys_business(ann: User, draft: Campaign):
    """
    By its key neither.
    """
    version = editing.save_template(ann, draft, "Welcome")
    Template.objects.update(scope="course:2")
    version.refresh_from_db()

    with pytest.raises(ForbiddenError):
        editing.from_template(ann, version, scope="course:1")


def test_a_name_is_one_line(ann):
    """
    It becomes a part of the subjects of what its author is told.
    """
    assert (
        editing.create(ann, scope="course:1", name=" News\r\nBcc: eve@example.com\u2028").name
        == "News Bcc: eve@example.com"
    )
