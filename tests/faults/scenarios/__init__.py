"""
Internal: what happens to workers, their database and their network; one file for each kind of fault.
"""
