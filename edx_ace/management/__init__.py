"""
Internal: what the management commands share.
"""
