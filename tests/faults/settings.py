"""
Internal: the settings of workers that the tests of faults start and kill: the test's database and its mail server.
"""

import os

import django

from tests.settings import *  # noqa: F403  # a settings module is made of another
from tests.settings import DATABASES

DATABASES["default"]["NAME"] = os.environ["ACE_FAULTS_DATABASE"]
_SMTP = "django.core.mail.backends.smtp.EmailBackend"
_PORT = int(os.environ["ACE_FAULTS_SMTP_PORT"])
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": _SMTP, "OPTIONS": {"host": "127.0.0.1", "port": _PORT, "timeout": 4}}}
else:
    EMAIL_BACKEND, EMAIL_HOST, EMAIL_PORT, EMAIL_TIMEOUT = _SMTP, "127.0.0.1", _PORT, 4

ACE_OUTBOX_WINDOW = int(os.environ["ACE_FAULTS_WINDOW"])
# Short, so that what a killed worker had is soon another's; longer than the time-out above.
ACE_OUTBOX_LEASE_SECONDS = 6
ACE_OUTBOX_HANDOVER_SECONDS = 5
ACE_OUTBOX_RETRY_SECONDS = 1
ACE_OUTBOX_POLL_SECONDS = 0.2
