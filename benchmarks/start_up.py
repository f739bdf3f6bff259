"""
Internal: a fresh process: Django's set-up, and with ``send`` as argument a first message; prints the seconds it took.

Measured from the first line of this file, so that the start of the interpreter, which nobody can shorten, does not
flatter anyone.
"""

import time

started = time.perf_counter()

import os  # noqa: E402
import sys  # noqa: E402

import django  # noqa: E402

os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
django.setup()
if "send" in sys.argv:
    from messages import messages

    from edx_ace import ace

    ace.send(next(messages(1)))
print(time.perf_counter() - started)
