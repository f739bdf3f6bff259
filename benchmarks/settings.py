"""
Internal: the settings of both sides: a plain Django site that sends email.

The variable BENCHMARK_SETTINGS holds JSON of what differs from one measurement to the next.
"""

import json
import os
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent

SECRET_KEY = "known to everyone: for measurements only"
USE_I18N = True
USE_TZ = True
STATIC_URL = "static/"
LOCALE_PATHS = [HERE / "locale"]
LOGGING_CONFIG = None
DEFAULT_FROM_EMAIL = "Learning <no-reply@learning.example.com>"
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
EMAIL_HOST = "127.0.0.1"

DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}

INSTALLED_APPS = [
    # What `django-admin startproject` enables.
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
if not os.environ.get("BENCHMARK_WITHOUT_ACE"):
    INSTALLED_APPS.append("edx_ace")
    if find_spec("push_notifications"):
        # The released package requires it, and loads the channel that needs it whether that is enabled or not.
        INSTALLED_APPS.append("push_notifications")

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [HERE / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

ACE_ENABLED_CHANNELS = ["django_email"]
ACE_ENABLED_POLICIES = []
ACE_CHANNEL_DEFAULT_EMAIL = "django_email"
ACE_CHANNEL_TRANSACTIONAL_EMAIL = "django_email"
# The released package logs an error for each of these that is missing, though the channel is not enabled.
ACE_CHANNEL_SAILTHRU_DEBUG = True
ACE_CHANNEL_SAILTHRU_TEMPLATE_NAME = ""
ACE_CHANNEL_SAILTHRU_API_KEY = ""
ACE_CHANNEL_SAILTHRU_API_SECRET = ""

globals().update(json.loads(os.environ.get("BENCHMARK_SETTINGS", "{}")))
# The outbox has tables, which most measurements do without.
INSTALLED_APPS += globals().get("BENCHMARK_APPS", [])

if globals().get("ACE_TEMPLATE_ENGINE") == "fast":
    # With what packages bring, such as the footer of "unsubscribe".
    TEMPLATES.append({**TEMPLATES[0], "NAME": "fast", "BACKEND": "django_rust_templates.RustTemplates", "OPTIONS": {}})
