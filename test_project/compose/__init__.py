"""
Internal: a door for compose front ends that were made for an LMS: its addresses, forms and keywords, with campaigns
behind it.

Nothing is decided here. What comes in is put into the words of `edx_ace.campaigns`, which checks and does it, and what
comes back into the words of the LMS.
"""
