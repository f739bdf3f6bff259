"""
Public: the durable queue of messages.
"""
