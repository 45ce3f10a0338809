"""Read a case from a folder, a PyPSA netCDF file, a PyPSA CSV folder or a known source."""

from __future__ import annotations

import logging
import re
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pypsa

from powermkt.common.files import read_parquet
from powermkt.errors import Fault, InputError, collected, name_list
from powermkt.inputs import rts_gmlc
from powermkt.inputs.case import Case
from powermkt.inputs.csvfolder import csv_faults
from powermkt.inputs.forecasts import with_forecast_errors
from powermkt.inputs.market import Market, read_market, read_services
from powermkt.inputs.matpower import read_matpower
from powermkt.inputs.offers import find_file
from powermkt.inputs.servicecheck import WHERE as SERVICES

_SUFFIXES = (".nc", ".h5", ".m")


def read(
    path: str | Path, offers: str | Path | None = None, services: str | Path | None = None
) -> Case:
    """Read a case.

    Parameters
    ----------
    path : str or Path
        A PyPSA netCDF or HDF5 file, a PyPSA CSV folder, a MATPOWER case (.m), or a folder with a
        `market.yaml` and one of them (one file, or the CSV files in it or in its subfolder
        `network`), or one that names the `source` of its network instead. For a file, a
        `market.yaml` beside it is read, and so are offers, `offers.csv` or `offers.parquet`.
    offers : str or Path, optional
        Another file of offers, which takes the place of what lies beside the network.
    services : str or Path, optional
        A YAML file of ancillary services, which takes the place of `services` in `market.yaml`.

    Returns
    -------
    Case

    Raises
    ------
    InputError
        Listing everything that is wrong: missing files, faults of the network, of the market
        file and of the offers.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(
            [Fault(str(path), "no such file or folder", "give a PyPSA .nc file or a folder")]
        )
    folder = path if path.is_dir() else path.parent
    faults: list[Fault] = []
    market = Market()
    market_file = folder / "market.yaml"
    if market_file.is_file():
        market = read_market(market_file, faults)
        if faults and not _networks(path):  # it may have named one
            raise InputError(faults)
    if services is not None:
        with collected(faults):
            market = market.model_copy(update={"services": read_services(Path(services))})
    book = None
    with collected(faults):
        book = find_file(folder) if offers is None else Path(offers)
    network = None
    forecast: dict[str, pd.DataFrame] = {}
    with collected(faults):
        if market.source:
            network, forecast = _from_source(path)
        else:
            source = _found(path)
            wrong = csv_faults(source) if source.is_dir() else []
            faults += wrong
            network = _load(source, wrong)
    if path.is_dir() and network is not None:
        with collected(faults):
            forecast |= read_series(path / "forecast", network.snapshots)
    errors = market.forecast_errors
    if errors is not None and forecast:
        what = "forecasts are given, and errors of forecasts as well"
        faults.append(Fault("market.yaml: forecast_errors", what, "keep one of them"))
    name = market.name or path.resolve().stem
    if network is not None and faults:  # say what is wrong with the network as well
        try:
            Case(network, market, name=name, offers=book)
        except InputError as error:
            faults += _placed(error.faults, services)
    if faults or network is None:
        raise InputError(faults)
    try:
        case = Case(network, market, name=name, folder=folder, offers=book, forecast=forecast)
        return case if errors is None else with_forecast_errors(case, **errors.model_dump())
    except InputError as error:
        raise InputError(_placed(error.faults, services)) from None


def _placed(faults: list[Fault], services: str | Path | None) -> list[Fault]:
    """Name the file of services, where there is one, in the faults of what it states."""
    if services is None:
        return faults
    stated = re.compile(rf"^{re.escape(SERVICES)}(?:\.(.+))?$")
    return [
        replace(fault, where=f"{services}: {found[1]}" if found[1] else str(services))
        if (found := stated.match(fault.where))
        else fault
        for fault in faults
    ]


def _from_source(path: Path) -> tuple[pypsa.Network, dict[str, pd.DataFrame]]:
    """Build the network that the market file names, where there is no other; and its forecasts."""
    others = _networks(path)
    if others:
        what = f"names a network, and there is another: {name_list(others)}"
        raise InputError([Fault("market.yaml: source", what, "keep one of them")])
    return rts_gmlc.build()


def _networks(path: Path) -> list[Path]:
    """Networks in a path: it is a file, or there are folders with buses.csv, or files in it."""
    if path.is_file():
        return [path]
    tables = [folder for folder in (path, path / "network") if (folder / "buses.csv").is_file()]
    files = (sorted(path.glob(f"*{suffix}")) for suffix in _SUFFIXES)
    return tables[:1] or next((found for found in files if found), [])


def _found(path: Path) -> Path:
    """Find the one network in a path."""
    found = _networks(path)
    if path.is_file() and path.suffix not in _SUFFIXES:
        raise InputError([Fault(str(path), "is no PyPSA network", "give a .nc file")])
    if len(found) != 1:
        names = name_list([file.name for file in found])
        what = f"{len(found)} networks ({names})" if found else "no network"
        remedy = "keep one .nc file in it, or a CSV folder with buses.csv"
        raise InputError([Fault(str(path), what, remedy)])
    return found[0]


def _load(source: Path, wrong: list[Fault]) -> pypsa.Network | None:
    """Load a network; None where what is wrong with its files already says why it cannot be."""
    if source.suffix == ".m":
        return read_matpower(source).network
    logger = logging.getLogger("pypsa")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pypsa.Network(str(source))
    except Exception as error:  # PyPSA raises whatever its readers raise
        if wrong:
            return None
        detail = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(
            [Fault(str(source), f"cannot be read by PyPSA ({detail})", "check the file")]
        ) from None
    finally:
        logger.setLevel(level)


def read_series(folder: Path, snapshots: pd.Index) -> dict[str, pd.DataFrame]:
    """Read series from CSV or Parquet files named as PyPSA names them: `loads-p_set.csv`.

    Keys are those of `Case`: "loads_t.p_set". No series where there is no folder.

    Raises
    ------
    InputError
        If a file cannot be read, or a series stands in two.
    """
    found: dict[str, pd.DataFrame] = {}
    faults = []
    files = [*folder.glob("*.csv"), *folder.glob("*.parquet")]
    for file in sorted(files):
        table, _, attribute = file.stem.partition("-")
        if f"{table}_t.{attribute}" in found:
            faults.append(Fault(str(file), "stands there as CSV as well", "keep one of them"))
            continue
        try:
            csv = file.suffix == ".csv"
            frame = pd.read_csv(file, index_col=0) if csv else read_parquet(file)
            if isinstance(snapshots, pd.DatetimeIndex):
                with np.errstate(invalid="ignore"):
                    frame.index = pd.to_datetime(frame.index)
        except (OSError, ValueError, TypeError) as error:
            faults.append(Fault(str(file), f"cannot be read ({error})", "check the file"))
            continue
        found[f"{table}_t.{attribute}"] = frame.rename_axis(str(snapshots.name))
    if faults:
        raise InputError(faults)
    return found
