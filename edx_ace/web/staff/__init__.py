"""
Public: the pages of the staff: figures, and the search that answers "why did, or didn't, she get it?".

Need ``edx_ace.tracking``. A site includes ``edx_ace.web.staff.urls`` where it likes; whoever may see deliveries
(``ace_outbox.view_delivery``) may see them, people and addresses with ``ace_outbox.view_recipient``, copies of messages
with ``ace_tracking.view_copy``, and queue again with ``ace_outbox.change_delivery``.
"""
