"""
Internal: the management commands of tracking; each is a door to one function.
"""
