"""
Internal: how Sphinx builds the documentation.
"""

import os
import sys
from pathlib import Path

import django

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs" / "_ext")]
# autodoc imports the package, and its models need a configured Django.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from edx_ace import __version__  # noqa: E402  (needs sys.path and Django as set above)

project = "edx-ace"
author = "the edx-ace contributors"
version = release = __version__

# Napoleon reads the Args: and Raises: of docstrings.
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "ace_settings"]
exclude_patterns = ["_build"]
# Docstrings write `name` for anything that is code.
default_role = "code"
nitpicky = False

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True

html_theme = "furo"
html_title = f"edx-ace {release}"
html_copy_source = False
