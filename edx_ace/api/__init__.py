"""
Public: REST endpoints for all that staff do with campaigns, so that any front end can take the place of our pages.

Optional: installing it is ``pip install "edx-ace[api]"``, adding ``edx_ace.api`` to INSTALLED_APPS and including
``edx_ace.api.urls``. Who is logged in, and how often they may ask, is what the site has told Django REST framework.
"""
