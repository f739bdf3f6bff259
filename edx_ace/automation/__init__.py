"""
Public: automation, messages that schedule, update and cancel themselves.

A host declares in ``actions.py`` when a message should exist, to whom it goes and what it says; strategies compare that
with what is scheduled, and the outbox sends it when its time has come, with the data of that moment.
"""
