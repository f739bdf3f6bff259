"""
Internal: the management commands of the outbox.
"""
