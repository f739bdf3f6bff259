"""
Internal: a site's app that writes about workshops by itself.
"""
