"""
Internal: the command of automation.
"""
