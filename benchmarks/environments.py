"""
Internal: the environments that are compared, made with one interpreter and one version of Django.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent

#: What all environments run on: the newest Django that the released edx-ace is tested with.
DJANGO = "Django~=5.2.0"

#: The requirements of each environment.
ENVIRONMENTS = {
    # Found by its path, as an installed package is; the default mode of editable installs slows every start-up.
    "ours": [
        DJANGO,
        "celery[redis]",
        "psycopg[binary]",
        "--config-settings",
        "editable_mode=compat",
        "--editable",
        f"{ROOT}[automation,campaigns,fast,links]",
    ],
    "released": [DJANGO, "celery[redis]", "edx-ace==1.15.0"],
    # Other queues. They render with the engine that we render with.
    "queues": [
        DJANGO,
        "psycopg[binary]",
        "django-post_office==3.12.0",
        "django-mailer==2.3.2",
        "django-rust-templates; python_version >= '3.12'",
    ],
}


def python_of(name: str) -> Path:
    """Return the interpreter of the environment called *name*, whether or not it was made yet."""
    return HERE / f".venv-{name}" / "bin" / "python"


def make(name: str) -> Path:
    """Make the environment called *name*, unless that was done before with this interpreter; return its interpreter."""
    requirements = ENVIRONMENTS[name]
    python = python_of(name)
    folder = python.parent.parent
    stamp = folder / "made-from"
    made_from = "\n".join([sys.version, *requirements, (ROOT / "setup.py").read_text(encoding="utf-8")])
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != made_from:
        print(f"Making {folder.relative_to(ROOT)}: {' '.join(requirements)}", file=sys.stderr)
        venv.create(folder, clear=True, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-qq", *requirements], check=True)
        stamp.write_text(made_from, encoding="utf-8")
    return python
