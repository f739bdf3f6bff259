"""
Public: template tags for message templates.
"""
