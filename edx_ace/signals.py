"""
Public: the signals this package sends.
"""

from django.dispatch import Signal

#: A message went over a channel. Sent with ``sender=channel`` and ``message``, a JSON-safe dict of name, app_label,
#: recipient {email, user_id}, channel (class name), context, options, uuid, send_uuid, message_language and
#: translation_language.
message_sent = Signal()

#: The name that existing code knows.
ACE_MESSAGE_SENT = message_sent
