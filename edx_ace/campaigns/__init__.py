"""
Public: campaigns, one content for many recipients: bulk communication that staff write, schedule and follow.

`edx_ace.campaigns.editing` writes them, `edx_ace.campaigns.operations` schedules, pauses, cancels and approves them,
`edx_ace.campaigns.progress` says what has come of them. What somebody does is a function that takes the user first,
asks the host whether they may, and writes a line of the audit trail; None as the user is the system itself.
"""
