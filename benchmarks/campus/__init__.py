"""
Internal: a site's app that has an audience for campaigns.
"""
