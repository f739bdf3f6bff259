"""
Public: the signals that the outbox sends.
"""

from django.dispatch import Signal

#: Deliveries went from one state to another. Sent inside the transaction in which they did, with ``sender=Delivery``,
#: ``rows`` (`Delivery`), ``from_state`` (empty: they entered the outbox), ``to_state`` (empty: they were purged) and
#: ``using``, the database. A receiver that raises undoes the transition, so it writes what belongs to it and no more.
deliveries_moved = Signal()
