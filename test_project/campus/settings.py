"""Internal: settings of the test project, a small learning site that runs on one machine."""

import importlib.util
import os
from pathlib import Path

import django
from django.utils.translation import gettext_lazy as _

BASE_DIR = Path(__file__).resolve().parent.parent
#: Where the database lives. Tests that run the site as a process of its own give it a folder of its own.
VAR_DIR = Path(os.environ.get("ACE_DEMO_VAR", BASE_DIR / "var"))
VAR_DIR.mkdir(parents=True, exist_ok=True)

#: Public on purpose: the site is reachable from this machine alone and holds invented people.
SECRET_KEY = "test-project"
DEBUG = True
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
ROOT_URLCONF = "campus.urls"

INSTALLED_APPS = [
    # First, so that its templates come before those that they replace.
    "campus",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "edx_ace",
    "edx_ace.outbox",
    "edx_ace.preferences",
    "edx_ace.tracking",
    "edx_ace.campaigns",
    "edx_ace.automation",
    "edx_ace.web",
    "edx_ace.api",
    "rest_framework",
    "courses",
    "workshops",
    "received",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
# The page of received messages shows each one in a frame.
X_FRAME_OPTIONS = "SAMEORIGIN"

# The files that go with scheduled messages; nobody is served any of them.
MEDIA_ROOT = VAR_DIR / "files"

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": VAR_DIR / "db.sqlite3",
        # As everybody who writes from more than one process should: the site, and the workers of the outbox.
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Pages are rendered by Django's own engine, messages by the faster one where it is installed (the `fast` extra on
# Python 3.12 and up); what they render is the same to the byte.
DJANGO_TEMPLATES = "django.template.backends.django.DjangoTemplates"
RUST_TEMPLATES = "django_rust_templates.RustTemplates"
TEMPLATES = [
    {
        "NAME": "pages",
        "BACKEND": DJANGO_TEMPLATES,
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    },
    {
        "NAME": "messages",
        "BACKEND": RUST_TEMPLATES if importlib.util.find_spec("django_rust_templates") else DJANGO_TEMPLATES,
        "APP_DIRS": True,
    },
]

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("ja", "日本語"), ("ar", "العربية")]
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"

DEFAULT_FROM_EMAIL = "hello@campus.example"
# `manage.py demo` starts a mail server of its own and tells its workers on which port.
SMTP_PORT = int(os.environ.get("ACE_DEMO_SMTP_PORT", "1025"))
#: Of one answer of the mail server; shorter than the lease below.
SMTP_TIMEOUT_SECONDS = 4
if django.VERSION >= (6, 1):
    MAILERS = {
        "default": {
            "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
            "OPTIONS": {"host": "127.0.0.1", "port": SMTP_PORT, "timeout": SMTP_TIMEOUT_SECONDS},
        }
    }
else:
    EMAIL_HOST, EMAIL_PORT, EMAIL_TIMEOUT = "127.0.0.1", SMTP_PORT, SMTP_TIMEOUT_SECONDS

ACE_ENABLED_CHANNELS = ["django_email"]
ACE_CHANNEL_DEFAULT_EMAIL = "django_email"
ACE_ENABLED_POLICIES = ["preference", "quiet_hours", "digest", "suppression"]
ACE_CONTENT_STEPS = ["unsubscribe", "absolute_urls", "inline_css", "plain_text", "track", "keep_copy"]
ACE_TEMPLATE_ENGINE = "messages"
ACE_PLAIN_TEXT_AUTOESCAPE = False
ACE_EMAIL_USE_FROM_NAME = True
ACE_BASE_URL = os.environ.get("ACE_DEMO_BASE_URL", "http://localhost:8000")
ACE_RENDER_CONTEXT = "courses.time_zones.of_recipient"

ACE_CATEGORIES = {
    "announcements": {
        "label": _("Announcements"),
        "description": _("What those who teach your courses write to everybody in them."),
        "track": True,
        "keep_copy_days": 30,
    },
    "courses": {
        "label": _("Your courses"),
        "description": _("When a course begins, and what happens in it."),
        "track": True,
        "keep_copy_days": 30,
    },
    "deadlines": {
        "label": _("Deadlines"),
        "description": _("A reminder before an assignment is due."),
        "digest": True,
    },
    "news": {
        "label": _("News from the campus"),
        "description": _("New courses and people, once a month."),
        "digest": True,
        "default": False,
    },
    "certificates": {
        "label": _("Certificates"),
        "description": _("The proof that you have completed a course."),
        "can_be_turned_off": False,
    },
}
ACE_DEFAULT_CATEGORY = "announcements"
ACE_POSTAL_ADDRESS = "Lantern Campus\n1 Harbour Street\nDublin, Ireland"
#: As public as the key above.
ACE_ADDRESS_KEYS = ["test-project"]
# In euros.
ACE_PRICES = {"django_email": "0.0004"}
ACE_PEOPLE = "courses.people.places"
ACE_SCOPE_NAMES = "courses.scopes.names"
ACE_RECIPIENT_OF_USER = "courses.people.recipient_of"
ACE_CAMPAIGN_HOST = "courses.campaign_host.CampusHost"
# Nobody answers there: pictures of the demo are those of whoever tries it.
ACE_CAMPAIGN_IMAGE_HOSTS = ["pictures.campus.example"]
# Who wants to choose without a link logs in here.
LOGIN_URL = "admin:login"

# Short, so that a visitor of the demo soon sees a worker continue what another, which was killed, had begun.
ACE_OUTBOX_LEASE_SECONDS = 5
ACE_OUTBOX_HANDOVER_SECONDS = 4
ACE_OUTBOX_POLL_SECONDS = 0.2

# Celery delivers where this variable names its broker; elsewhere `manage.py ace_worker` does.
CELERY_BROKER_URL = os.environ.get("CELERY_BROKER_URL")
ACE_OUTBOX_CELERY = bool(CELERY_BROKER_URL)
CELERY_BEAT_SCHEDULE = {"outbox": {"task": "edx_ace.outbox.tasks.sweep", "schedule": 10}}
# Where beat keeps when it last did what.
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "celerybeat-schedule")
