"""
Public: the staff's pages of automation: see what will go out, change it, stop it, and write what actions say.

Each page asks `edx_ace.automation.access` for a permission, and calls a function of `edx_ace.automation`.
"""
