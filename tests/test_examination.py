"""
Internal: what `examine` finds.
"""

import pytest
from django.test import override_settings

from edx_ace import ChannelType, MessageType
from edx_ace.examination import examine
from edx_ace.testing import capture


def findings_for(prefix: str, *languages: str) -> tuple[list[tuple[object, ...]], list[str]]:
    """Return problems and notes of the types whose names begin with *prefix*."""
    found = examine(languages or ["en", "de"])
    problems = [
        (one.message_type, one.channel_type, one.languages, one.text)
        for one in found.problems
        if one.message_type.startswith(prefix)
    ]
    return problems, [note for note in found.notes if note.startswith(prefix)]


def test_a_type_that_renders_has_no_problems(templates, settings):
    """
    With every template in place and a sample context that fits, nothing is found; channel types without any
    template are noted once.
    """

    class Fine(MessageType):
        APP_LABEL = "preview"

    settings.ACE_CHANNEL_DEFAULT_PUSH = "push_notification"
    templates({"fine/email/subject.txt": "Hi", "fine/email/body.html": "<p>Hi</p>"})

    settings.ACE_CHANNEL_DEFAULT_PUSH = "push_notification"
    with capture():
        assert findings_for("preview.fine") == (
            [],
            ["preview.fine has no push templates, so it does not go over push."],
        )


def test_what_is_missing_is_said_once_for_all_languages(templates):
    """
    A missing template has nothing to do with a language; a type without any templates is one problem.
    """

    class HalfDone(MessageType):
        APP_LABEL = "preview"

    class NotBegun(MessageType):
        APP_LABEL = "preview"

    templates({"halfdone/email/body.html": "Hi"})

    assert findings_for("preview.halfdone") == (
        [
            (
                "preview.halfdone",
                ChannelType.EMAIL,
                (),
                "The template preview/edx_ace/halfdone/email/subject.txt does not exist.",
            )
        ],
        [],
    )
    ((_, channel_type, _, text),), _ = findings_for("preview.notbegun")
    assert channel_type is None
    assert text == "There are no templates for email. Add them in templates/preview/edx_ace/notbegun/email/."


def test_a_base_of_other_types_needs_no_templates(templates):
    """
    A class from which other types derive is only noted.
    """

    class Base(MessageType):
        APP_LABEL = "preview"

    class Derived(Base):
        pass

    problems, notes = findings_for("preview.base")

    assert problems == []
    assert notes == ["preview.base has no templates; other message types derive from it."]


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("Hi\n{{ person.name }}", "ZeroDivisionError: division by zero ({file}, line 2)"),
        (
            "Hi\n\n{% bogus %}",
            "TemplateSyntaxError: Invalid block tag on line 3: 'bogus'. Did you forget to register or load this tag? "
            "({file}, line 3)",
        ),
        ("{% include 'gone.txt' %}", "The template gone.txt does not exist. ({file}, line 1)"),
    ],
)
@pytest.mark.parametrize(
    "engine", ["django.template.backends.django.DjangoTemplates", "django_rust_templates.RustTemplates"]
)
def test_a_failing_template_is_named_with_its_line(templates, tmp_path, settings, subject, text, engine):
    """
    An error in a template says in which file and line, whatever DEBUG says and whichever engine renders.
    """
    if "rust" in engine:
        pytest.importorskip("django_rust_templates")
    settings.TEMPLATES = [{"BACKEND": engine, "DIRS": [str(tmp_path)]}]

    class Person:
        @property
        def name(self) -> float:
            return 1 / 0

    class Failing(MessageType):
        APP_LABEL = "preview"

        @classmethod
        def sample_context(cls):
            return {"person": Person()}

    templates({"failing/email/subject.txt": subject, "failing/email/body.html": "Hi"})

    problems, _ = findings_for("preview.failing")

    file = tmp_path / "preview/edx_ace/failing/email/subject.txt"
    assert problems == [("preview.failing", ChannelType.EMAIL, ("en", "de"), text.format(file=file))]


def test_a_failure_in_one_language_names_that_language(templates):
    """
    What fails in one language alone is listed under it.
    """

    class Polyglot(MessageType):
        APP_LABEL = "preview"

    templates(
        {
            "polyglot/email/subject.txt": "{% load i18n %}{% get_current_language as code %}"
            "{% if code == 'de' %}{% include 'fehlt.txt' %}{% endif %}Hi",
            "polyglot/email/body.html": "Hi",
        }
    )

    ((_, _, languages, text),), _ = findings_for("preview.polyglot")

    assert languages == ("de",)
    assert text.startswith("The template fehlt.txt does not exist. (")


@pytest.mark.parametrize(
    ("faulty", "text"),
    [
        ({"ACE_CONTENT_STEPS": ["absolute_urls"]}, "Message preview.linking has a relative link ('/courses'…)"),
        ({"DEFAULT_FROM_EMAIL": "nobody"}, "The sender's address"),
        ({"ACE_RENDER_CONTEXT": "tests.test_examination.broken_hook"}, "LookupError: no site"),
    ],
)
def test_what_would_keep_it_from_being_sent_is_found(templates, faulty, text):
    """
    Content steps, the channel's own checks and the host's hook are tried as in a send.
    """

    class Linking(MessageType):
        APP_LABEL = "preview"

    templates({"linking/email/subject.txt": "Hi", "linking/email/body.html": '<a href="/courses">Courses</a>'})

    with override_settings(**faulty):
        ((*_, found),), _ = findings_for("preview.linking")

    assert text in found


def broken_hook(message):
    raise LookupError("no site")


def test_a_type_that_cannot_be_made_is_a_problem_of_its_own(templates):
    """
    One message type that raises when a message is made affects no other.
    """

    class Picky(MessageType):
        APP_LABEL = "preview"

        @classmethod
        def sample_context(cls):
            raise RuntimeError("no samples today")

    assert findings_for("preview.picky") == (
        [("preview.picky", None, (), "No sample message could be made: RuntimeError: no samples today")],
        [],
    )

    Picky.APP_LABEL = "elsewhere"  # Leaves the place again: classes of a test outlive it.
