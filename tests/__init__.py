"""
Internal: the tests. Also a Django app labelled ``tests``: message types defined here are in it, and their templates are
``templates/tests/edx_ace/<name>/<channel type>/<file>`` beside this file.
"""
