"""
Public: small helpers that code outside this package imports.
"""
