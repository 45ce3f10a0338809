"""The command line for tests: as a process of its own, or inside this one, which is faster."""

from __future__ import annotations

import contextlib
import io
import logging
import subprocess
import sys
import traceback
import warnings
from pathlib import Path
from unittest import mock

from powermkt.cli import main

Done = subprocess.CompletedProcess[str]


def process(*arguments: str, cwd: Path) -> Done:
    """Run `powermkt` as a user does."""
    command = [sys.executable, "-m", "powermkt.cli", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)


def inside(*arguments: str, cwd: Path) -> Done:
    """Run `powermkt` without a new process: the same entry, streams and exit code."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    loggers = [logging.getLogger(name) for name in ("pypsa", "linopy", "distributed")]
    levels = [logger.level for logger in loggers]
    with (
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        warnings.catch_warnings(),
        mock.patch.object(sys, "argv", ["powermkt", *arguments]),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(bool(end.code))
        except Exception:
            traceback.print_exc()
            code = 1
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())
