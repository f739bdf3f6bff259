"""
Internal: a site whose messages a worker outside sends, and that worker; the site has no campaigns.
"""
