"""
Public: registering devices for push notifications; `edx_ace.push_notifications.views` is for those who serve it.
"""
