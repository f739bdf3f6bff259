"""
Internal: what previews show.
"""

from html import unescape

import pytest

from edx_ace import MessageType, preview
from edx_ace.errors import InvalidMessageError
from edx_ace.message_types import sample
from edx_ace.testing import capture


def test_a_preview_is_not_tracked(templates, settings):
    """
    Only steps that change how a message looks are applied; others, which may write somewhere, are not even imported.
    """
    settings.ACE_CONTENT_STEPS = ["track_links", "plain_text"]

    class Seen(MessageType):
        APP_LABEL = "preview"

    templates({"seen/email/subject.txt": "Hi", "seen/email/body.html": "<p>Good to have you.</p>"})
    message = sample(Seen, preview.SAMPLE_RECIPIENT)
    ((channel_type, channel),) = preview.channels_for(message).items()

    parcel = preview.render(message, channel_type, channel)

    assert parcel.rendered.body.strip() == "Good to have you."


def test_the_page_shows_every_field(templates, settings):
    """
    The page has who, what, the HTML in a frame that runs no scripts, and the plain text; nothing on it is a script.
    """
    settings.LANGUAGES = [("en", "English"), ("ar", "العربية")]
    settings.ACE_PLAIN_TEXT_AUTOESCAPE = False

    class Shown(MessageType):
        APP_LABEL = "preview"

        @classmethod
        def sample_context(cls):
            return {"name": "<b>O'Brien</b> & Co"}

    templates(
        {
            "shown/email/subject.txt": "Hi {{ name }}",
            "shown/email/body.html": "<p>Good to have you, {{ name }}.</p>",
            "shown/email/body.txt": "Good to have you.",
        }
    )

    html = preview.page("preview.shown", "ar", {"name": "Ann"}, links=True)

    assert "<dt>to</dt>" in html and "sample@example.com" in html
    assert "<dt>from</dt>" in html and "sender@example.com" in html
    assert '<dd lang="ar" dir="auto">Hi Ann</dd>' in html
    assert "<p>Good to have you, Ann.</p>" in unescape(html.partition('srcdoc="')[2].partition('"')[0])
    assert "<iframe sandbox " in html
    assert '<pre lang="ar" dir="auto">Good to have you.</pre>' in html
    assert '<a href="?language=ar" lang="ar" hreflang="ar" aria-current="page">' in html
    assert "<script" not in html

    assert "&lt;b&gt;O" in preview.page("preview.shown", "en")
    assert "?language=" not in preview.page("preview.shown", "en")


def test_a_page_shows_each_channel_type_that_has_templates(templates, settings):
    """
    Without a choice every enabled channel type is shown; with one, that alone.
    """

    class Both(MessageType):
        APP_LABEL = "preview"

    settings.ACE_CHANNEL_DEFAULT_PUSH = "push_notification"
    templates(
        {
            "both/email/subject.txt": "By mail",
            "both/email/body.html": "Hi",
            "both/push/title.txt": "On the phone",
            "both/push/body.txt": "Hi",
        }
    )

    settings.ACE_CHANNEL_DEFAULT_PUSH = "push_notification"
    with capture():
        both = preview.page("preview.both", "en")
        push = preview.page("preview.both", "en", only=["push"])

    assert "By mail" in both and "On the phone" in both
    assert "By mail" not in push and "On the phone" in push


def test_a_type_without_templates_cannot_be_shown(templates):
    """
    The error says where templates are expected.
    """

    class Bare(MessageType):
        APP_LABEL = "preview"

    with pytest.raises(
        InvalidMessageError, match=r"no templates for email\. Add them in templates/preview/edx_ace/bare/"
    ):
        preview.page("preview.bare", "en")


def test_templates_are_read_anew_for_every_page(templates):
    """
    A change of a template shows at the next reload.
    """

    class Changing(MessageType):
        APP_LABEL = "preview"

    templates({"changing/email/subject.txt": "Before", "changing/email/body.html": "Hi"})
    assert "Before" in preview.page("preview.changing", "en")

    templates({"changing/email/subject.txt": "After"})

    assert "After" in preview.page("preview.changing", "en")
