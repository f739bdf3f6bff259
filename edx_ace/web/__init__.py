"""
Public: pages: those that the recipients of messages see, and the panel of the staff.

Optional: installing it is adding ``edx_ace.web`` to INSTALLED_APPS and including ``edx_ace.web.urls``.
"""
