"""
Internal: the management commands of tracking.
"""
