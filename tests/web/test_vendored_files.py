"""
Internal: the files that others have written and the pages bring along.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from django.contrib.staticfiles.storage import ManifestStaticFilesStorage
from django.core.files.storage import FileSystemStorage

import edx_ace.web

STATIC = Path(edx_ace.web.__file__).parent / "static"
VENDOR = STATIC / "edx_ace/web/vendor"


def test_they_are_those_that_the_note_names():
    """
    Each by its checksum, and no other.
    """
    noted = dict(re.findall(r"^(\S+/\S+) +\S+ +([0-9a-f]{64})$", (VENDOR / "README.rst").read_text(), re.M))
    found = {
        path.relative_to(VENDOR).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*")
        if path.is_file() and path.name != "README.rst"
    }

    assert found == noted
    assert {path.rsplit("/")[1] for path in noted if path.endswith("LICENSE")} == {"LICENSE"}


def test_a_site_that_names_files_by_their_content_can_collect_them(tmp_path):
    """
    None refers to a file that is not there.
    """
    storage = ManifestStaticFilesStorage(location=tmp_path, base_url="/static/")
    source = FileSystemStorage(location=STATIC)
    names = [path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*") if path.is_file()]
    for name in names:
        with source.open(name) as file:
            storage.save(name, file)

    processed = list(storage.post_process({name: (source, name) for name in names}))

    assert [outcome for _, _, outcome in processed if outcome is not True] == []
