"""
Internal: what ace_check, ace_send and ace_preview print, and how they end.
"""

import io
import signal
import socket
import subprocess
import sys
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import override_settings

from edx_ace import MessageType
from tests.pipeline import Recorder


class Welcome(MessageType):
    """A type whose templates exist."""

    @classmethod
    def sample_context(cls):
        return {"name": "Ann"}


def run(*arguments: str) -> str:
    """Return what a command prints."""
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def lines_about(message_type: str, output: str) -> list[list[str]]:
    """Return the table's rows about *message_type*, as lists of cells."""
    rows = [line.split("  ") for line in output.splitlines()]
    return [[cell.strip() for cell in row if cell] for row in rows if row[0].strip() == message_type]


@override_settings(LANGUAGES=[("en", "English"), ("de", "Deutsch")])
def test_ace_check_lists_what_is_wrong_and_fails():
    """
    A message type without templates is a row of the table, and the command ends with an error.
    """

    class Unfinished(MessageType):
        pass

    out = io.StringIO()

    with pytest.raises(CommandError, match="Some messages cannot be sent as they should; see above") as failure:
        call_command("ace_check", stdout=out)

    assert failure.value.returncode == 1
    assert lines_about("tests.unfinished", out.getvalue()) == [
        [
            "tests.unfinished",
            "all",
            "all",
            "There are no templates for email. Add them in templates/tests/edx_ace/unfinished/email/.",
        ]
    ]
    assert lines_about("tests.welcome", out.getvalue()) == []
    assert " 2 languages: " in out.getvalue()


def test_a_site_without_faults_passes():
    """
    Where every message renders, ace_check prints a summary and ends well.
    """
    program = """
import django
from django.conf import settings
from django.core.management import call_command

settings.configure(
    INSTALLED_APPS=["edx_ace", "tests"],
    LANGUAGES=[("en", "English"), ("de", "Deutsch")],
    DEFAULT_FROM_EMAIL="sender@example.com",
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    ACE_ENABLED_CHANNELS=["django_email"],
    ACE_CHANNEL_DEFAULT_EMAIL="django_email",
    ACE_MESSAGE_TYPES={"tests.welcome": {"sample_context": {"name": "Ann"}}},
)
django.setup()
call_command("ace_check", *%r)
"""
    everywhere, in_german = (
        subprocess.run([sys.executable, "-c", program % arguments], capture_output=True, text=True, check=False)
        for arguments in ([], ["--language", "de"])
    )

    assert (everywhere.returncode, everywhere.stderr) == (0, "")
    assert everywhere.stdout == "1 message type, 2 languages: 2 messages rendered, 0 problems.\n"
    assert in_german.stdout == "1 message type, 1 language: 1 message rendered, 0 problems.\n"


def test_ace_send_sends_and_prints_the_report():
    """
    One real message goes out, with the given context over the sample context.
    """
    output = run("ace_send", "tests.Welcome", "--to", "bob@example.com", "--context", "name=Bob")

    assert [(one.subject, one.to) for one in mail.outbox] == [("Welcome, Bob", ["bob@example.com"])]
    assert output.startswith("tests.welcome.")
    assert "\n  email: sent over django_email" in output


def test_ace_send_goes_over_the_channel_it_is_told(ace_outbox, settings):
    """
    A number is the id of an account, to which push goes.
    """
    settings.ACE_CHANNEL_DEFAULT_PUSH = "push_notification"

    run("ace_send", "tests.welcome", "--to", "7", "--channel", "push")

    ace_outbox.assert_sent(Welcome, to=7, channel="push", count=1)
    assert ace_outbox.email == []


@pytest.mark.parametrize(
    ("given", "context"),
    [
        ([], {"name": "Ann"}),
        (["--context", "name=Bob"], {"name": "Bob"}),
        (["--context", '{"name": "Bob", "n": 1}', "city=a=b"], {"name": "Bob", "n": 1, "city": "a=b"}),
        (["--context", "n=1", "--context", '{"n": [2]}'], {"name": "Ann", "n": [2]}),
    ],
)
def test_the_context_is_given_as_json_or_as_pairs(ace_outbox, given, context):
    """
    JSON and key=value can be mixed; a later one wins.
    """
    run("ace_send", "tests.welcome", "--to", "bob@example.com", "--channel", "email", *given)

    assert ace_outbox.email[0].message.context == context


def test_ace_send_stops_quietly(use_channels):
    """
    Ctrl+C while it waits for a mail server is an end and no traceback.
    """

    class Interrupted(Recorder):
        def deliver(self, message, rendered_message):
            raise KeyboardInterrupt

    use_channels(mailer=Interrupted())

    with pytest.raises(CommandError, match="Stopped") as stopped:
        run("ace_send", "tests.welcome", "--to", "bob@example.com", "--channel", "email")

    assert stopped.value.returncode == 130


def test_ace_send_fails_when_nothing_was_sent():
    """
    The report is printed all the same.
    """
    out = io.StringIO()

    with pytest.raises(CommandError, match="Nothing was sent; see above") as failure:
        call_command("ace_send", "tests.welcome", "--to", "nobody", stdout=out)

    assert failure.value.returncode == 1
    assert "email: failed over django_email" in out.getvalue()
    assert mail.outbox == []


MISTAKES = [
    (
        ["tests.welcom"],
        r"Expected a message type as app_label\.name, given 'tests\.welcom'\. Did you mean 'tests\.welcome'",
    ),
    (
        ["tests.welcome", "--language", "dee"],
        r"Expected a language of the setting LANGUAGES \(.*\), given 'dee'\. Did you mean 'de'\?",
    ),
    (
        ["tests.welcome", "--channel", "emial"],
        r"--channel: expected a channel type or the name of a channel \(email, push, .*django_email, file_email\), "
        r"given 'emial'\. Did you mean 'email'\?",
    ),
    (
        ["tests.welcome", "--context", '{"name": "Bob",\n "n" 1}'],
        r"--context: expected a JSON object, but .* is no JSON: Expecting ':' delimiter: line 2 column 6",
    ),
    (["tests.welcome", "--context", "[1]"], r"--context: expected a JSON object, given '\[1\]', which is a list"),
    (["tests.welcome", "--context", "Bob"], r"--context: expected a JSON object or key=value, given 'Bob'"),
]


@pytest.mark.parametrize(("arguments", "text"), MISTAKES)
@pytest.mark.parametrize("command", [["ace_send", "--to", "bob@example.com"], ["ace_preview", "--output", "never"]])
def test_mistakes_are_refused(command, arguments, text, tmp_path, monkeypatch):
    """
    What is mistyped is refused with a suggestion, before anything is sent or written.
    """
    monkeypatch.chdir(tmp_path)

    with pytest.raises(CommandError, match=text):
        run(command[0], *arguments, *command[1:])

    assert mail.outbox == []
    assert list(tmp_path.iterdir()) == []


def test_ace_check_refuses_a_mistyped_language():
    """
    Checking a language that the site does not have would find nothing, silently.
    """
    with pytest.raises(CommandError, match=r"--language: Expected a language .* given 'dee'\. Did you mean 'de'\?"):
        run("ace_check", "--language", "en", "dee")


def test_ace_preview_writes_a_page(tmp_path):
    """
    The page is one file, in the language that is asked for.
    """
    file = tmp_path / "welcome.html"

    output = run("ace_preview", "tests.Welcome", "--language", "ar", "--context", "name=Bob", "--output", str(file))

    assert output == f"Written to {file}\n"
    assert '<dd lang="ar" dir="auto">Welcome, Bob</dd>' in file.read_text("utf-8")


def test_ace_preview_says_where_it_cannot_write(tmp_path):
    """
    A folder in place of a file is a mistake to mend and no traceback.
    """
    with pytest.raises(CommandError, match=r"--output: .* cannot be written: Is a directory\. Name a file in a folder"):
        run("ace_preview", "tests.welcome", "--output", str(tmp_path))


def test_ace_preview_says_what_keeps_it_from_being_shown(tmp_path):
    """
    A message that cannot be rendered is an error and no page.
    """

    class Blank(MessageType):
        pass

    with pytest.raises(CommandError, match="There are no templates for email"):
        run("ace_preview", "tests.blank", "--output", str(tmp_path / "blank.html"))


def test_ace_preview_serves_the_page_until_it_is_interrupted(tmp_path):
    """
    The page is on localhost, in each language; a failure is shown on the page; Ctrl+C ends it quietly.
    """
    program = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
import django
django.setup()
from django.core.management import call_command
from tests.management.test_commands import Welcome
call_command("ace_preview", "tests.welcome", "--serve", "0")
"""
    environment = {"DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": ":".join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            url = process.stdout.readline().partition(" ")[0]
            idle = socket.create_connection(("127.0.0.1", int(url.rstrip("/").rpartition(":")[2])))
            english = urlopen(url, timeout=20).read().decode()
            idle.close()
            german = urlopen(f"{url}?language=de").read().decode()
            with pytest.raises(HTTPError) as mistyped:
                urlopen(f"{url}?language=xx")
            with pytest.raises(HTTPError) as elsewhere:
                urlopen(f"{url}admin/")
        finally:
            process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)

    assert url.startswith("http://localhost:")
    assert "Welcome, Ann" in english and 'href="?language=de"' in english
    assert '<dd lang="de" dir="auto">Welcome, Ann</dd>' in german
    assert (mistyped.value.code, elsewhere.value.code) == (500, 404)
    assert "given &#x27;xx&#x27;" in mistyped.value.read().decode()
    mistyped.value.close()
    elsewhere.value.close()
    assert (process.returncode, errors) == (0, "")


def test_ace_preview_says_when_the_port_is_taken():
    """
    A port that cannot be had is an error with what to do.
    """
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with pytest.raises(CommandError, match=rf"Port {port} cannot be used: .*Choose another one: --serve PORT"):
            run("ace_preview", "tests.welcome", "--serve", port)


def test_ace_send_takes_a_number_that_is_no_id_for_an_address():
    """
    One of thousands of digits is refused like any text that is no mailbox.
    """
    out = io.StringIO()

    with pytest.raises(CommandError, match="Nothing was sent"):
        call_command("ace_send", "tests.Welcome", "--to", "9" * 5000, stdout=out)

    assert "bad_address" in out.getvalue()


def test_a_context_nested_too_deeply_is_refused():
    """
    Reading it would exhaust the stack.
    """
    with pytest.raises(CommandError, match="--context: expected a JSON object, but this one is nested too deeply"):
        call_command("ace_send", "tests.Welcome", "--to", "a@b.example", "--context", '{"a":' + "[" * 200_000)
