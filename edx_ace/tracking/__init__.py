"""
Public: what became of messages: events of providers, opens and clicks, suppressed addresses, figures.

Optional: installing it is adding ``edx_ace.tracking`` to INSTALLED_APPS.
"""
