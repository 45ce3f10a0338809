"""A starter study: files to change, in a new folder."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from importlib import resources
from pathlib import Path

from powermkt.errors import Fault, InputError, StorageError
from powermkt.guide.schemas import schema

_SCHEMAS = ("market", "study", "regime")


def lay_out(folder: str | Path) -> Path:
    """Write a small network with market, study and regime files into a new or empty folder.

    The folder appears complete or not at all.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        If it holds anything, or is no folder: nothing is ever overwritten.
    StorageError
        If it cannot be written.
    """
    folder = Path(folder)
    remedy = "name another folder"
    if folder.is_dir():
        if any(folder.iterdir()):
            raise InputError([Fault(str(folder), "holds files", remedy)])
    elif folder.exists() or folder.is_symlink():
        raise InputError([Fault(str(folder), "is no folder", remedy)])
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            with resources.as_file(resources.files("powermkt") / "starter") as files:
                shutil.copytree(files, work, dirs_exist_ok=True)
            (work / "schemas").mkdir()
            for kind in _SCHEMAS:
                text = json.dumps(schema(kind), indent=1, ensure_ascii=False, allow_nan=False)
                (work / "schemas" / f"{kind}.schema.json").write_text(text, encoding="utf-8")
            work.chmod(0o755)
            os.replace(work, folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise StorageError(f"{folder}: cannot be written: {error.strerror or error}") from error
    return folder
