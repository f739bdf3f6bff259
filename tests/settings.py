"""
Internal: the smallest Django site that the tests, the examples in the docs and the type checker run in.
"""

from importlib.util import find_spec

import django

from tests import databases

SECRET_KEY = "known to everyone: for tests only"
USE_TZ = True
USE_I18N = True
LANGUAGE_CODE = "en"
STATIC_URL = "static/"
DEFAULT_FROM_EMAIL = "sender@example.com"
if django.VERSION >= (6, 1):
    # Without it Django warns that it will have no default mailer; the tests' runner puts its own backend in.
    MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
else:
    # The examples of the docs run without that runner.
    EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"

DATABASES = {"default": databases.settings()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# The one that is meant to take its time would take most of that of the tests of pages.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

ROOT_URLCONF = "tests.urls"
INSTALLED_APPS = [
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
    "drf_spectacular",
    "tests",
    "tests.automation_site",
]
# The extra "push" is optional, for the tests as for a site.
if find_spec("push_notifications"):
    INSTALLED_APPS.append("push_notifications")

# What Django's admin needs.
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

ANYMAIL = {"WEBHOOK_SECRET": "known:to everyone"}
ACE_ENABLED_CHANNELS = ["django_email", "file_email"]
ACE_CHANNEL_DEFAULT_EMAIL = "django_email"
