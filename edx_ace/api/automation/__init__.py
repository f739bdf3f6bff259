"""
Public: REST endpoints for all that staff do with scheduled messages and templates, and for workers that send outside.

There with ``edx_ace.automation`` in INSTALLED_APPS and ``edx_ace.api.automation.urls`` included; a site needs neither
``edx_ace.campaigns`` nor its endpoints. Each asks Django's permissions (`edx_ace.automation.access`).
"""
