"""
Internal: the site whose Celery loses its broker: `tests.settings` with what ``ACE_FAULTS_CELERY`` (JSON) says.
"""

import json
import os
from datetime import timedelta

import django

from tests.settings import *  # noqa: F403  # a settings module is made of another
from tests.settings import DATABASES

_GIVEN = json.loads(os.environ["ACE_FAULTS_CELERY"])

DATABASES["default"]["NAME"] = _GIVEN["database"]
_SMTP = "django.core.mail.backends.smtp.EmailBackend"
if django.VERSION >= (6, 1):
    MAILERS = {
        "default": {"BACKEND": _SMTP, "OPTIONS": {"host": "127.0.0.1", "port": _GIVEN["smtp_port"], "timeout": 4}}
    }
else:
    EMAIL_BACKEND, EMAIL_HOST, EMAIL_PORT, EMAIL_TIMEOUT = _SMTP, "127.0.0.1", _GIVEN["smtp_port"], 4
# Longer than a test, so that an inherited connection would be there to be used.
ACE_EMAIL_KEEP_CONNECTION_SECONDS = 600

# Short, so that what a killed worker had is soon another's; longer than the time-out above.
ACE_OUTBOX_LEASE_SECONDS = 6
ACE_OUTBOX_RETRY_SECONDS = 1
ACE_OUTBOX_CELERY = True
CELERY_BROKER_URL = _GIVEN["broker_url"]
CELERY_BEAT_SCHEDULE = {"outbox": {"task": "edx_ace.outbox.tasks.sweep", "schedule": 1}}
#: For how long a ring is waited for before it counts as lost: less than usual, as tests wait for it.
RING = timedelta(seconds=5)
#: Whether the worker opens a connection to everything before it forks.
OPENS_CONNECTIONS = _GIVEN["opens_connections"]
