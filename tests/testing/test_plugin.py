"""
Internal: what the pytest plug-in promises to projects that do not use it.
"""

import subprocess
import sys


def test_the_plug_in_brings_no_django():
    """
    pytest imports it before Django is set up, and in projects that have no Django at all.
    """
    program = "import sys, edx_ace.testing.plugin; print(sorted({name.partition('.')[0] for name in sys.modules}))"

    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert "'edx_ace'" in loaded
    assert "django" not in loaded
