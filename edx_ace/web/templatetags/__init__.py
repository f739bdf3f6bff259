"""
Internal: the template tags of the pages.
"""
