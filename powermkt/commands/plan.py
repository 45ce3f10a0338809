"""The command `plan`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from powermkt.commands.options import NetworkArgument, QuietOption, WorkersOption


def plan(
    network: NetworkArgument,
    out: Annotated[Path, typer.Option(help="PyPSA .nc file to write")],
    workers: WorkersOption = None,
    quiet: QuietOption = False,
) -> None:
    """Derive a framework schedule by least cost and write the network with it."""
    from contextlib import suppress

    from powermkt.analysis.plan import plan_schedule
    from powermkt.commands.session import progress_bar
    from powermkt.errors import Fault, InputError, StorageError
    from powermkt.inputs.reading import read

    case = read(network)
    if out.suffix != ".nc":
        raise InputError([Fault(str(out), "is no .nc file", "name a file that ends in .nc")])
    if out.is_dir() or not out.parent.is_dir() or not os.access(out.parent, os.W_OK):
        raise InputError([Fault(str(out), "cannot be written", "name a file in a folder of yours")])
    with progress_bar(quiet, f"planning {case.name}") as progress:
        planned = plan_schedule(case, workers, progress)
    n = planned.network()
    if planned.schedule is not None:
        n.links_t["p_set"] = planned.schedule
    part = out.with_name(f".{out.name}")
    try:
        n.export_to_netcdf(str(part))
        part.replace(out)
    except (OSError, RuntimeError) as error:  # netCDF's own are RuntimeErrors
        raise StorageError(f"{out}: cannot be written: {error}") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
