"""
Internal: what the system checks say, as ``manage.py check`` runs them.
"""

import subprocess
import sys
from pathlib import Path

import django
import pytest
from django.core import mail
from django.core.checks import ERROR, WARNING, CheckMessage, run_checks
from django.test import override_settings

import tests
from edx_ace import MessageType, presentation
from edx_ace.utils.plugins import unknown_name_text


def check(*only: str, **settings: object) -> list[CheckMessage]:
    """Return what the checks say about a site with *settings*; of some warnings only when *only* names them."""
    with override_settings(**{"DEBUG": True, **settings}):
        found = run_checks(tags=["edx_ace"])
    of_every_test = ("edx_ace.W002", "edx_ace.W003", "ace_tracking.W001")
    return [one for one in found if (one.id in only if only else one.id not in of_every_test)]


def test_a_site_that_is_set_up_has_no_faults():
    """
    The settings of the tests pass every check.
    """
    assert check() == []


@pytest.mark.parametrize("channels", [[], None])
def test_a_site_that_names_no_channel_is_warned(channels):
    """
    With a mistyped name of the setting nothing would be sent, and each send would be the first to say so.
    """
    [found] = [
        one for one in check(ACE_ENABLED_CHANNELS=channels, ACE_CHANNEL_DEFAULT_EMAIL=None) if one.id == "edx_ace.W006"
    ]

    assert found.level == WARNING
    assert found.hint == "For email write: ACE_ENABLED_CHANNELS = ['django_email']."


@pytest.mark.parametrize(
    ("settings", "check_id", "text", "hint"),
    [
        (
            {"ACE_ENABLED_CHANNELS": ["djnago_email", "django_email"]},
            "edx_ace.E001",
            "ACE_ENABLED_CHANNELS names 'djnago_email', but no installed package provides it under "
            "'openedx.ace.channel'. Did you mean 'django_email'?",
            "Installed packages provide: braze_email, django_email, file_email, ",
        ),
        (
            {"ACE_ENABLED_POLICIES": ["no_such_policy"]},
            "edx_ace.E002",
            "ACE_ENABLED_POLICIES names 'no_such_policy', but no installed package provides it under "
            "'openedx.ace.policy'.",
            "Installed packages provide: ",
        ),
        (
            {"ACE_CONTENT_STEPS": ["inline-css"]},
            "edx_ace.E003",
            "ACE_CONTENT_STEPS names 'inline-css', but no installed package provides it under "
            "'openedx.ace.content_step'. Did you mean 'inline_css'?",
            "Installed packages provide: absolute_urls, inline_css, keep_copy, plain_text, track, unsubscribe",
        ),
        (
            {"ACE_CHANNEL_DEFAULT_EMAIL": "jango_email"},
            "edx_ace.E004",
            "ACE_CHANNEL_DEFAULT_EMAIL names 'jango_email', which is no enabled email channel. "
            "Did you mean 'django_email'?",
            "Enabled are: django_email, file_email. Name one of these, or add it to ACE_ENABLED_CHANNELS.",
        ),
        (  # installed, but not enabled while others are
            {"ACE_CHANNEL_TRANSACTIONAL_EMAIL": "braze_email"},
            "edx_ace.E004",
            "ACE_CHANNEL_TRANSACTIONAL_EMAIL names 'braze_email', which is no enabled email channel.",
            "Enabled are: django_email, file_email. ",
        ),
        (  # of another type
            {"ACE_CHANNEL_DEFAULT_PUSH": "pusher"},
            "edx_ace.E004",
            "ACE_CHANNEL_DEFAULT_PUSH names 'pusher', which is no enabled push channel.",
            "Enabled are: none. ",
        ),
        (
            {"ACE_PUSH_CHANNELS": ["pusher"]},
            "edx_ace.E004",
            "ACE_PUSH_CHANNELS names 'pusher', which is no enabled push channel.",
            "Enabled are: none. ",
        ),
        (
            {"ACE_TEMPLATE_ENGINE": "jango"},
            "edx_ace.E005",
            "ACE_TEMPLATE_ENGINE names 'jango', but no engine in TEMPLATES has that NAME. Did you mean 'django'?",
            "TEMPLATES has: django",
        ),
        (
            {"ACE_TEMPLATE_ENGINE": "x", "TEMPLATES": [{"NAME": "x", "BACKEND": "no.such.Engine"}]},
            "edx_ace.E005",
            "ACE_TEMPLATE_ENGINE names 'x', which cannot be used: ModuleNotFoundError: No module named 'no'",
            "Correct that engine in TEMPLATES.",
        ),
        (
            {"ACE_ENABLED_CHANNELS": "django_email"},
            "edx_ace.E006",
            "ACE_ENABLED_CHANNELS must be list[str], but it is 'django_email' (str).",
            "Write: ACE_ENABLED_CHANNELS = ['django_email'].",
        ),
        (
            {"ACE_DEFAULT_EXPIRATION_DELAY": "120"},
            "edx_ace.E006",
            "ACE_DEFAULT_EXPIRATION_DELAY must be int, but it is '120' (str).",
            "Correct it in the settings.",
        ),
        (
            {"ACE_EMAIL_CONNECTIONS": True},
            "edx_ace.E006",
            "ACE_EMAIL_CONNECTIONS must be int, but it is True (bool).",
            "Correct it in the settings.",
        ),
        (
            {"ACE_CHANNEL_DEFAULT_EMAIL": ["django_email"]},
            "edx_ace.E006",
            "ACE_CHANNEL_DEFAULT_EMAIL must be str or None, but it is ['django_email'] (list).",
            "Correct it in the settings.",
        ),
        (  # a secret is not shown
            {"ACE_CHANNEL_BRAZE_API_KEY": ["s3cret"]},
            "edx_ace.E006",
            "ACE_CHANNEL_BRAZE_API_KEY must be str or None, but it is a list.",
            "Correct it in the settings.",
        ),
        (
            {"ACE_RENDER_CONTEXT": "tests.no_such_hook"},
            "edx_ace.E006",
            "ACE_RENDER_CONTEXT must be the dotted path of a callable, but 'tests.no_such_hook' cannot be imported "
            '(ImportError: Module "tests" does not define a "no_such_hook" attribute/class).',
            "It is called with a message and returns a context manager.",
        ),
        (
            {"ACE_RENDER_CONTEXT": "tests.settings.STATIC_URL"},
            "edx_ace.E006",
            "ACE_RENDER_CONTEXT must be the dotted path of a callable, but 'tests.settings.STATIC_URL' is a str.",
            "It is called with a message and returns a context manager.",
        ),
        (
            {"ACE_MESSAGE_TYPES": {"welcome": {}}},
            "edx_ace.E006",
            "ACE_MESSAGE_TYPES['welcome'] must be called after a message type, as app_label.name.",
            "For example: {'shop.welcome': ",
        ),
        (
            {"ACE_MESSAGE_TYPES": {"shop.sale": {"esential": True}}},
            "edx_ace.E006",
            "ACE_MESSAGE_TYPES['shop.sale'] has an unknown key 'esential'. Did you mean 'essential'?",
            "For example: ",
        ),
        (
            {"ACE_MESSAGE_TYPES": {"shop.sale": {"essential": "no"}}},
            "edx_ace.E006",
            "ACE_MESSAGE_TYPES['shop.sale']['essential'] must be bool or None, but it is 'no' (str).",
            "For example: ",
        ),
        (
            {"ACE_MESSAGE_TYPES": {"shop.sale": {"on_ambiguous": "never"}}},
            "edx_ace.E006",
            "ACE_MESSAGE_TYPES['shop.sale']['on_ambiguous'] must be 'repeat' or 'hold' or None, "
            "but it is 'never' (str).",
            "For example: ",
        ),
        (
            {"ACE_MESSAGE_TYPES": {"shop.sale": True}},
            "edx_ace.E006",
            "ACE_MESSAGE_TYPES must be dict[str, dict[str, Any]], but it is {'shop.sale': True} (dict).",
            "Correct it in the settings.",
        ),
        (
            {"ACE_CATEGORIES": {"news": {"lable": "News"}}},
            "edx_ace.E010",
            "ACE_CATEGORIES['news'] has an unknown key 'lable'. Did you mean 'label'?",
            "For example: {'news': ",
        ),
        (
            {"ACE_CATEGORIES": {"news": {"default": "on"}}},
            "edx_ace.E010",
            "ACE_CATEGORIES['news']['default'] must be bool, but it is 'on' (str).",
            "For example: ",
        ),
        (
            {"ACE_CATEGORIES": {"news": {"channels": ["mail"]}}},
            "edx_ace.E010",
            "ACE_CATEGORIES['news']['channels'] names 'mail', which is no channel type. Did you mean 'email'?",
            "For example: ",
        ),
        (
            {"ACE_CATEGORIES": {"": {}}},
            "edx_ace.E010",
            "ACE_CATEGORIES['']: a name has 1 to 100 characters, and this one 0.",
            "For example: ",
        ),
        (
            {"ACE_CATEGORIES": {"news": {}}, "ACE_MESSAGE_TYPES": {"shop.sale": {"category": "new"}}},
            "edx_ace.E010",
            "ACE_MESSAGE_TYPES['shop.sale'] is of the category 'new', which ACE_CATEGORIES does not have. "
            "Did you mean 'news'?",
            "For example: ",
        ),
        (
            {"ACE_BASE_URL": "example.com/shop"},
            "edx_ace.E008",
            "ACE_BASE_URL must be a URL or the dotted path of a callable, but 'example.com/shop' is neither.",
            "For example: 'https://example.com', with http:// or https://.",
        ),
        (
            {"ACE_BASE_URL": "tests.no_such_function"},
            "edx_ace.E008",
            "ACE_BASE_URL must be a URL or the dotted path of a callable, but 'tests.no_such_function' cannot be "
            'imported (ImportError: Module "tests" does not define a "no_such_function" attribute/class).',
            "For example: ",
        ),
    ],
)
def test_errors(settings, check_id, text, hint):
    """
    A fault in the settings is one error that says what was expected and given, with a hint on what to do.
    """
    (found,) = check(**settings)

    assert (found.id, found.level, found.msg) == (check_id, ERROR, text)
    assert found.hint.startswith(hint)


@pytest.mark.parametrize(
    "settings",
    [
        {"ACE_ENABLED_CHANNELS": ("django_email",)},
        {"ACE_FILE_CHANNEL_FOLDER": Path("/srv/mail")},
        {"ACE_BASE_URL": "https://example.com"},
        {"ACE_BASE_URL": "django.utils.timezone.now"},  # the path of a callable
        {"ACE_RENDER_CONTEXT": "contextlib.nullcontext"},
        {
            "ACE_CATEGORIES": {"sales": {"colour": "red"}},
            "ACE_MESSAGE_TYPES": {"shop.sale": {"category": "sales", "on_ambiguous": "hold", "repeat": True}},
        },  # a sub-app's keys
        # Sites name the push channel they would use, and enable it only where there are credentials.
        {"ACE_CHANNEL_DEFAULT_PUSH": "push_notification"},
        {"ACE_ROUTING_KEY": 1},  # another project's
    ],
)
def test_what_is_no_fault(settings):
    """
    Settings that work are not complained about.
    """
    assert check(**settings) == []


def test_the_check_and_the_log_say_the_same():
    """
    The error for an unknown name is the sentence that the log has.
    """
    (found,) = check(ACE_ENABLED_CHANNELS=["djnago_email", "django_email"])

    assert found.msg == unknown_name_text("ACE_ENABLED_CHANNELS", "djnago_email", "openedx.ace.channel")


def test_a_missing_extra_is_said_with_what_to_install(monkeypatch):
    """
    A channel whose optional dependency is missing is an error with the exact command.
    """
    monkeypatch.delitem(sys.modules, "edx_ace.channel.sailthru", raising=False)
    monkeypatch.setitem(sys.modules, "sailthru.sailthru_client", None)

    (found,) = check(ACE_ENABLED_CHANNELS=["django_email", "sailthru_email"])

    assert (found.id, found.level) == ("edx_ace.E007", ERROR)
    assert found.msg.startswith("ACE_ENABLED_CHANNELS names 'sailthru_email'. The Sailthru channel needs")
    assert found.hint == "Run: pip install \"edx-ace[sailthru]\", or take 'sailthru_email' out of ACE_ENABLED_CHANNELS."


def test_a_plug_in_that_cannot_be_imported_is_an_error(monkeypatch, tmp_path):
    """
    The error names the exception; other plug-ins are not affected.
    """
    metadata = tmp_path / "shop-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Name: shop\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[openedx.ace.policy]\nno_spam = shop_policies:NoSpam\n")
    monkeypatch.syspath_prepend(tmp_path)

    (found,) = check(ACE_ENABLED_POLICIES=["no_spam"])

    assert (found.id, found.level) == ("edx_ace.E007", ERROR)
    assert found.msg == (
        "ACE_ENABLED_POLICIES names 'no_spam', which cannot be imported: "
        "ModuleNotFoundError: No module named 'shop_policies'"
    )
    assert found.hint == "Repair it, or take 'no_spam' out of ACE_ENABLED_POLICIES."


def test_an_unset_default_is_a_warning_that_says_what_happens():
    """
    Without ACE_CHANNEL_DEFAULT_EMAIL the first enabled email channel is used, and named.
    """
    (found,) = check(ACE_ENABLED_CHANNELS=["file_email", "django_email"], ACE_CHANNEL_DEFAULT_EMAIL=None)

    assert (found.id, found.level) == ("edx_ace.W001", WARNING)
    assert found.msg == (
        "ACE_CHANNEL_DEFAULT_EMAIL is not set, so email goes over 'file_email', the first that is enabled."
    )
    assert found.hint == "Say so: ACE_CHANNEL_DEFAULT_EMAIL = 'file_email'. Enabled are: file_email, django_email."


def test_without_channels_no_default_is_missed():
    """
    A site that enables no email channel needs no default.
    """
    found = check(ACE_ENABLED_CHANNELS=[], ACE_CHANNEL_DEFAULT_EMAIL=None)

    assert [one.id for one in found] == ["edx_ace.W006"]


def test_a_channel_that_is_not_set_up_is_a_warning():
    """
    A channel that is named and lacks its settings is left out, and that is said.
    """
    pytest.importorskip("requests")
    (found,) = check(ACE_ENABLED_CHANNELS=["django_email", "braze_email"])

    assert (found.id, found.level) == ("edx_ace.W004", WARNING)
    assert found.msg == ("ACE_ENABLED_CHANNELS names 'braze_email', but that channel is not set up, so it is left out.")
    assert found.hint == (
        "Set what edx_ace.channel.braze.BrazeEmailChannel.enabled asks for, or take it out of ACE_ENABLED_CHANNELS."
    )


def mail_backend(path: str) -> dict[str, object]:
    """Return the settings with which Django's mail goes to the backend at *path*."""
    return {"MAILERS": {"default": {"BACKEND": path}}} if django.VERSION >= (6, 1) else {"EMAIL_BACKEND": path}


@pytest.mark.parametrize("name", ["console", "dummy", "filebased", "locmem"])
def test_mail_that_goes_nowhere_is_a_warning(monkeypatch, name):
    """
    With DEBUG off, a mail backend that hands mail to no server is warned about; with DEBUG on it is not.
    """
    monkeypatch.delattr(mail, "outbox")  # Outside a test run there is none.
    backend = f"django.core.mail.backends.{name}.EmailBackend"
    settings = {"ACE_ENABLED_CHANNELS": ["django_email"], **mail_backend(backend)}

    (found,) = check("edx_ace.W002", DEBUG=False, **settings)

    assert found.level == WARNING
    assert found.msg == (
        f"The channel 'django_email' hands email to {backend} while DEBUG is off: no mail leaves the site."
    )
    assert check("edx_ace.W002", DEBUG=True, **settings) == []


def test_the_mail_backend_of_a_test_run_is_no_fault():
    """
    Django's test runner collects mail in memory, with DEBUG off, and then runs the checks.
    """
    settings = {
        "ACE_ENABLED_CHANNELS": ["django_email"],
        **mail_backend("django.core.mail.backends.locmem.EmailBackend"),
    }

    assert check("edx_ace.W002", DEBUG=False, **settings) == []


def test_the_file_channel_is_a_warning_where_debug_is_off():
    """
    A site in production has no use for a channel that writes mail to files.
    """
    settings = mail_backend("django.core.mail.backends.smtp.EmailBackend")

    (found,) = check("edx_ace.W002", DEBUG=False, **settings)

    assert found.msg == (
        "ACE_ENABLED_CHANNELS names 'file_email' while DEBUG is off: it writes email to files and sends none."
    )


def test_missing_templates_are_warnings(tmp_path):
    """
    A type that has some templates of a channel type lacks the rest; one that has none at all is said once.
    """

    class HalfDone(MessageType):
        APP_LABEL = "checks"

    class NotBegun(MessageType):
        APP_LABEL = "checks"

    class Base(MessageType):
        APP_LABEL = "checks"

    class Done(Base):
        NAME = "done"

    for file in ("halfdone/email/subject.txt", "done/email/subject.txt", "done/email/body.html"):
        path = tmp_path / "checks/edx_ace" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{% this is never rendered %}")
    engines = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [tmp_path]}]

    found = [one for one in check("edx_ace.W003", TEMPLATES=engines) if one.msg.startswith("checks.")]

    assert [(one.level, one.msg, one.hint) for one in found] == [
        (
            WARNING,
            "checks.halfdone cannot go over email: "
            "the template checks/edx_ace/halfdone/email/body.html does not exist.",
            "Add it; `manage.py ace_check` renders every message type.",
        ),
        (
            WARNING,
            "checks.notbegun has no templates for email.",
            "Add them in templates/checks/edx_ace/notbegun/email/; a class that is only a base needs none once another "
            "derives from it.",
        ),
    ]


def test_what_a_class_cannot_mean_is_an_error():
    """
    The error names the attribute.
    """

    class Odd(MessageType):
        APP_LABEL = "odd"
        ESSENTIAL = "yes"
        ON_AMBIGUOUS = "hold"

    found = check("edx_ace.E011")
    Odd.ESSENTIAL = True  # classes of a test outlive it

    assert [(one.level, one.msg) for one in found] == [
        (ERROR, f"{__name__}.{Odd.__qualname__}.ESSENTIAL must be bool or None, but it is 'yes' (str).")
    ]


def test_a_broken_module_of_message_types_is_a_warning(monkeypatch, tmp_path):
    """
    A module that cannot be imported is said, and stops neither the site nor the other checks.
    """
    (tmp_path / "message_types.py").write_text("1 / 0")
    monkeypatch.setattr(tests, "__path__", [*tests.__path__, str(tmp_path)])

    (found,) = check("edx_ace.W005")

    assert found.level == WARNING
    assert found.msg == "The module message_types of an app cannot be imported: ZeroDivisionError: division by zero"


def test_a_channel_that_cannot_render_is_an_error(monkeypatch):
    """
    A channel of a type without renderer, which brings none of its own, fails every message.
    """
    monkeypatch.setattr(presentation, "RENDERERS", {})

    (found,) = check(ACE_ENABLED_CHANNELS=["django_email"])

    assert (found.id, found.level) == ("edx_ace.E009", ERROR)
    assert found.msg.startswith(
        "ACE_ENABLED_CHANNELS names 'django_email', which can send nothing. DjangoEmailChannel cannot"
    )
    assert found.hint == "Take 'django_email' out of ACE_ENABLED_CHANNELS."


def test_the_checks_ask_no_database_and_import_no_vendor():
    """
    With email alone, checking a site loads no SDK of another channel; a query would fail, as there is no database.
    """
    program = """
import sys, django
from django.conf import settings
from django.core.checks import run_checks

settings.configure(
    INSTALLED_APPS=["edx_ace"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    ACE_ENABLED_CHANNELS=["django_email"],
    ACE_CHANNEL_DEFAULT_EMAIL="django_email",
)
django.setup()
run_checks(tags=["edx_ace"])
print(sorted({"firebase_admin", "requests", "sailthru", "premailer", "css_inline"} & set(sys.modules)))
"""

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
