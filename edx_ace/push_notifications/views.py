"""
Public: the REST view at which an app registers its device. Only code that serves it imports this module.

Needs the extra ``push``, and ``push_notifications`` in INSTALLED_APPS.
"""

from edx_ace.errors import MissingExtraError

try:
    from push_notifications.api.rest_framework import GCMDeviceAuthorizedViewSet
except ImportError as error:
    raise MissingExtraError("The view for registering devices", "push") from error


class GCMDeviceViewSet(GCMDeviceAuthorizedViewSet):
    """
    Lists, registers, changes and removes the devices of whoever asks, and nobody else's.

    With ``PUSH_NOTIFICATIONS_SETTINGS["UPDATE_ON_DUPLICATE_REG_ID"]`` a device that somebody else registered before
    passes to whoever registers it now.
    """
