"""
Internal: the settings of the workers that tests of faults start: `tests.settings` with what ``ACE_FAULTS`` (JSON) says.
"""

import json
import os

import django

from tests.settings import *  # noqa: F403  # a settings module is made of another
from tests.settings import DATABASES, INSTALLED_APPS

FAULTS = json.loads(os.environ["ACE_FAULTS"])

INSTALLED_APPS = [*INSTALLED_APPS, "tests.faults"]
DATABASES["default"].update(FAULTS["database"])

_SMTP = "django.core.mail.backends.smtp.EmailBackend"
_PORT = FAULTS["smtp_port"]
# Longer than a hand-over may take, so that its time ends what waits.
_TIMEOUT = 60
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": _SMTP, "OPTIONS": {"host": "127.0.0.1", "port": _PORT, "timeout": _TIMEOUT}}}
else:
    EMAIL_BACKEND, EMAIL_HOST, EMAIL_PORT, EMAIL_TIMEOUT = _SMTP, "127.0.0.1", _PORT, _TIMEOUT

# Short, so that what a killed worker had is soon another's.
ACE_OUTBOX_LEASE_SECONDS = 4
ACE_OUTBOX_HANDOVER_SECONDS = 2
ACE_OUTBOX_RETRY_SECONDS = 1
ACE_OUTBOX_POLL_SECONDS = 0.2
globals().update(FAULTS["settings"])
