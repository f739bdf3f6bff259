"""
Public: the staff's pages of campaigns: write them, send them, follow them.

Each page calls a function of `edx_ace.campaigns`, which asks the host whether the user may.
"""
