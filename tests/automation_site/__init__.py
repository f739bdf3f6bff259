"""
Internal: the host of the tests of automation, a site of workshops.
"""
