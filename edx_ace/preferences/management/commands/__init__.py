"""
Internal: the management commands; each is a door to one function.
"""
