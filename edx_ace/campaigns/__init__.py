"""
Public: campaigns, one content for many recipients: bulk communication that staff write, schedule and follow.
"""
