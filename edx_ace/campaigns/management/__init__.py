"""
Internal: the command of campaigns.
"""
