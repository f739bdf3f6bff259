"""
Internal: the settings of that site.
"""

import os
from pathlib import Path

VAR = Path(os.environ["OUTSIDE_SITE"])

SECRET_KEY = "known to everyone: for tests only"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DEFAULT_FROM_EMAIL = "office@example.com"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "tests.journeys.outside.urls"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": VAR / "site.sqlite3",
    }
}
STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": VAR / "files"},
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "edx_ace",
    "edx_ace.outbox",
    "edx_ace.automation",
    "edx_ace.api",
    "tests.automation_site",
    "tests.journeys.outside",
]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
ACE_ENABLED_CHANNELS = ["django_email"]
ACE_CHANNEL_DEFAULT_EMAIL = "django_email"
