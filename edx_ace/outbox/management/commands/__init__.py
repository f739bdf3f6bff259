"""
Internal: the management commands of the outbox; each is a door to one function.
"""
