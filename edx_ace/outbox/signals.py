"""
Public: the signal of the outbox.
"""

from django.dispatch import Signal

#: A sweep is over, as it is every few seconds while anybody delivers: what a sub-app has to look after now and then.
#: Sent without arguments; what a receiver raises is logged.
swept = Signal()
