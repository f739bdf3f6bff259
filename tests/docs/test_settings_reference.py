"""
Internal: what the reference of settings is made from.
"""

import importlib.util
import inspect
from pathlib import Path

import pytest

from edx_ace import conf
from edx_ace.outbox import conf as outbox_conf
from edx_ace.preferences import conf as preferences_conf
from edx_ace.tracking import conf as tracking_conf
from edx_ace.web import conf as web_conf

EXTENSION = Path(__file__).parents[2] / "docs/_ext/ace_settings.py"


@pytest.fixture
def settings_of():
    """The function of the Sphinx extension, which lives outside the package."""
    pytest.importorskip("sphinx")
    spec = importlib.util.spec_from_file_location("ace_settings", EXTENSION)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.settings_of


def test_every_setting_is_in_the_reference(settings_of):
    """
    Each setting of the core has its prefix, type, default and meaning.
    """
    found = {setting.name: setting for setting in settings_of(inspect.getsource(conf))}

    assert list(found) == [f"ACE_{name}" for name in conf.Settings.__annotations__]
    assert found["ACE_ENABLED_CHANNELS"][1:3] == ("list[str]", "[]")
    assert found["ACE_EMAIL_MAX_ATTACHMENT_BYTES"].default == "10 * 1024 * 1024"
    assert found["ACE_MESSAGE_TYPES"].text.startswith("What message types say about themselves")


@pytest.mark.parametrize("module", [outbox_conf, preferences_conf, tracking_conf, web_conf])
def test_every_setting_of_a_sub_app_is_in_the_reference(settings_of, module):
    """
    Those of the core are not there a second time.
    """
    found = [setting.name for setting in settings_of(inspect.getsource(module))]

    assert found == [f"ACE_{name}" for name in module.Settings.__annotations__]


def test_a_setting_without_a_meaning_stops_the_build(settings_of):
    """
    A setting that nobody described is an error and not an empty entry.
    """
    with pytest.raises(ValueError, match="The setting FROM_EMAIL has no `#:` line above it"):
        list(settings_of("class Settings:\n    FROM_EMAIL: str = ''\n"))
