"""
Internal: what the test project's message types say, in each of its languages.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
TYPES = ["welcome", "deadline", "certificate"]
LANGUAGES = ["de", "ja", "ar"]

#: Renders every message type with its sample context in every language; runs on the test project's own settings.
RENDER = """
import json, django
django.setup()
from django.conf import settings
from edx_ace import Recipient, message_types, presentation
from edx_ace.channel.django_email import DjangoEmailChannel
from edx_ace.content.plain_text import text_of

found = {}
for (app_label, name), message_type in message_types.registered().items():
    for language, _ in settings.LANGUAGES:
        message = message_type().personalize(Recipient(1, "ada@example.com"), language, message_type.sample_context())
        rendered = presentation.render(DjangoEmailChannel, message)
        found[f"{name} {language}"] = {
            "subject": rendered.subject.strip(),
            "html": rendered.body_html,
            "lines": [*text_of(rendered.body_html).splitlines(), *rendered.body.splitlines()],
        }
        if name == "deadline":
            message.context["days_left"] = 0
            rendered = presentation.render(DjangoEmailChannel, message)
            found[f"last day {language}"] = [rendered.subject.strip(), text_of(rendered.body_html)]
    found[f"{name} sample"] = json.dumps(message_type.sample_context(), ensure_ascii=False)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Subject, HTML and lines of text by type and language, and each type's sample context."""
    path = [str(ROOT), str(ROOT / "test_project"), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "campus.settings",
        "ACE_DEMO_VAR": str(tmp_path_factory.mktemp("messages")),
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
    }
    done = subprocess.run([sys.executable, "-c", RENDER], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", TYPES)
def test_no_line_is_left_in_english(rendered: dict[str, Any], name: str, language: str) -> None:
    """
    All that a translation shares with the English message comes from the context, or is the site's name.
    """
    english = {line.strip() for line in rendered[f"{name} en"]["lines"]}
    shared = english.intersection(line.strip() for line in rendered[f"{name} {language}"]["lines"])

    assert {line for line in shared if line not in rendered[f"{name} sample"]} <= {"Lantern Campus"}
    assert rendered[f"{name} {language}"]["subject"] != rendered[f"{name} en"]["subject"]


@pytest.mark.parametrize("name", TYPES)
def test_only_arabic_runs_from_right_to_left(rendered: dict[str, Any], name: str) -> None:
    """
    The document's direction follows the message's language.
    """
    right_to_left = {
        language
        for language in ["en", *LANGUAGES]
        if 'dir="rtl"' in rendered[f"{name} {language}"]["html"].split("<head")[0]
    }

    assert right_to_left == {"ar"}


def test_plurals_follow_each_languages_grammar(rendered: dict[str, Any]) -> None:
    """
    Three days are "أيام" in Arabic, which has six forms, and do not change the Japanese noun.
    """
    assert rendered["deadline en"]["subject"].startswith("3 days left")
    assert rendered["deadline de"]["subject"].startswith("Noch 3 Tage")
    assert rendered["deadline ja"]["subject"].startswith("締め切りまであと3日")
    assert rendered["deadline ar"]["subject"].startswith("بقيت 3 أيام")


@pytest.mark.parametrize(
    ("language", "subject", "sentence"),
    [
        ("en", "Less than a day left: ", "Less than a day is left"),
        ("de", "Noch weniger als ein Tag: ", "bleibt weniger als ein Tag."),
        ("ja", "締め切りまで1日を切りました：", "あと1日を切りました。"),
        ("ar", "بقي أقل من يوم: ", "بقي أقل من يوم على"),
    ],
)
def test_the_last_day_is_not_counted_as_none(
    rendered: dict[str, Any], language: str, subject: str, sentence: str
) -> None:
    """
    Where hours are left, no language says that zero days are.
    """
    given, text = rendered[f"last day {language}"]

    assert given.startswith(subject)
    assert sentence in text
