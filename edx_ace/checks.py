"""
Internal: the system checks of the core.
"""
