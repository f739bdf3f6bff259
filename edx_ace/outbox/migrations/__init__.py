"""
Internal: the migrations of the outbox.
"""
