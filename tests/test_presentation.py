"""
Internal: rendering.
"""

from contextlib import contextmanager
from importlib.util import find_spec
from unittest import mock

import pytest
from django.template import TemplateDoesNotExist
from django.test import override_settings
from django.utils import timezone, translation

from edx_ace import Channel, ChannelType, Message, Recipient
from edx_ace.channel.django_email import DjangoEmailChannel
from edx_ace.errors import MessageTemplateMissing, UnsupportedChannelError
from edx_ace.presentation import render
from edx_ace.renderers import RenderedEmail, RenderedPushNotification
from tests.pipeline import Recorder, welcome

DJANGO = "django.template.backends.django.DjangoTemplates"
RUST = "django_rust_templates.RustTemplates"
ENGINES = [
    DJANGO,
    pytest.param(
        RUST, marks=pytest.mark.skipif(not find_spec("django_rust_templates"), reason="needs the extra `fast`")
    ),
]


@pytest.fixture
def write_templates(tmp_path, settings):
    """Return a function that makes its keyword arguments (file names with _ for the dot) the only templates."""

    def write(backend=DJANGO, name=None, **files):
        folder = tmp_path / "app" / "edx_ace" / "note" / "email"
        folder.mkdir(parents=True, exist_ok=True)
        for key, source in files.items():
            stem, _, suffix = key.rpartition("_")
            (folder / f"{stem}.{suffix}").write_text(source, encoding="utf-8")
        engine = {"BACKEND": backend, "DIRS": [tmp_path]}
        settings.TEMPLATES = [{**engine, "NAME": name} if name else engine]

    return write


def note(**fields):
    return Message(**{"app_label": "app", "name": "note", "recipient": Recipient(1, "a@b.c"), **fields})


def test_an_email_is_rendered_field_by_field():
    """
    Five templates, five fields.
    """
    assert render(DjangoEmailChannel(), welcome()) == RenderedEmail(
        from_name="Campus",
        subject="Welcome, Ann",
        body_html="<p>Hello, Ann.</p>",
        head_html="<style>p { color: #123456 }</style>",
        body="Hello, Ann.",
    )


def test_a_class_will_do_for_a_channel_and_so_will_a_stand_in():
    """
    Existing code passes the class, and its tests pass mocks.
    """
    stand_in = mock.Mock(spec=Channel, channel_type=ChannelType.PUSH)

    assert render(DjangoEmailChannel, welcome()).subject == "Welcome, Ann"
    assert render(stand_in, welcome()) == RenderedPushNotification(title="Welcome", body="Hello, Ann.")


def test_a_type_without_a_renderer_is_unsupported():
    """
    The error says what to set.
    """
    with pytest.raises(UnsupportedChannelError, match=r"no renderer for chat .* Set `renderer` on the channel's class"):
        render(Recorder(ChannelType.CHAT), welcome())


@pytest.mark.parametrize("backend", ENGINES)
def test_templates_that_may_be_missing_are_empty(write_templates, backend):
    """
    A message needs a subject and an HTML body.
    """
    write_templates(backend, subject_txt="Hi", body_html="<p>Hi</p>")

    assert render(DjangoEmailChannel, note()) == RenderedEmail("", "Hi", "<p>Hi</p>", "", "")


@pytest.mark.parametrize("backend", ENGINES)
def test_the_first_missing_template_is_named(write_templates, backend):
    """
    The error is an AceError and Django's own at once, and its text is the name.
    """
    write_templates(backend, body_html="<p>Hi</p>", body_txt="Hi")

    with pytest.raises(MessageTemplateMissing) as caught:
        render(DjangoEmailChannel, note())

    assert isinstance(caught.value, TemplateDoesNotExist)
    assert str(caught.value) == "app/edx_ace/note/email/from_name.txt"


@pytest.mark.parametrize("backend", ENGINES)
def test_a_missing_base_of_a_template_is_not_taken_for_a_missing_template(write_templates, backend):
    """
    An optional template that exists and extends nothing is an error.
    """
    write_templates(backend, subject_txt="Hi", body_html="Hi", body_txt='{% extends "gone.txt" %}')

    with pytest.raises(TemplateDoesNotExist, match=r"gone\.txt"):
        render(DjangoEmailChannel, note())


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("engine_name", [None, "messages"])
@pytest.mark.parametrize(("escapes", "subject"), [(True, "O&#x27;Brien &amp; Co"), (False, "O'Brien & Co")])
def test_plain_text_is_escaped_only_where_the_site_has_not_said_otherwise(
    write_templates, settings, backend, engine_name, escapes, subject
):
    """
    ACE_PLAIN_TEXT_AUTOESCAPE governs .txt templates alone, with every engine.
    """
    write_templates(backend, engine_name, subject_txt="{{ who }}", body_html="<p>{{ who }}</p>")
    settings.ACE_TEMPLATE_ENGINE = engine_name
    settings.ACE_PLAIN_TEXT_AUTOESCAPE = escapes

    rendered = render(DjangoEmailChannel, note(context={"who": "O'Brien & Co"}))

    assert rendered.subject == subject
    assert rendered.body_html == "<p>O&#x27;Brien &amp; Co</p>"


def test_templates_see_the_message_the_channel_and_the_context_over_them(write_templates):
    """
    A context key may hide ``message``.
    """
    write_templates(subject_txt="{{ message.log_id }}", body_html="{{ channel.channel_type }} {{ message.name }}")

    plain, hiding = note(), note(context={"message": {"log_id": "mine"}})

    assert render(DjangoEmailChannel(), plain).subject == plain.log_id
    assert render(DjangoEmailChannel(), plain).body_html == "email note"
    assert render(DjangoEmailChannel(), hiding).subject == "mine"


@pytest.mark.parametrize(("language", "expected"), [("de", "de False"), ("ar", "ar True"), (None, "fr False")])
def test_a_message_is_rendered_in_its_language_else_in_the_active_one(write_templates, language, expected):
    """
    Rendering leaves the active language as it was.
    """
    write_templates(
        subject_txt="{% load i18n %}{% get_current_language as l %}{% get_current_language_bidi as b %}{{ l }} {{ b }}",
        body_html="x",
    )

    with translation.override("fr"):
        assert render(DjangoEmailChannel, note(language=language)).subject == expected
        assert translation.get_language() == "fr"


@contextmanager
def in_their_zone(message):
    """A host hook that activates the recipient's time zone."""
    with timezone.override(message.context["zone"]):
        yield


def test_the_hosts_hook_wraps_every_rendering(write_templates):
    """
    Whatever the host activates is active for the templates and only for them.
    """
    write_templates(subject_txt="{% load tz %}{% get_current_timezone as z %}{{ z }}", body_html="x")

    with override_settings(ACE_RENDER_CONTEXT="tests.test_presentation.in_their_zone"):
        rendered = render(DjangoEmailChannel, note(context={"zone": "Asia/Tokyo"}))

    assert rendered.subject == "Asia/Tokyo"
    assert timezone.get_current_timezone() is timezone.get_default_timezone()
