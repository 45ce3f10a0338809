"""What results were made of, beside them: the case, the regimes, what was cleared.

A folder `evidence` holds the network as netCDF, tables beside it as Parquet, texts as JSON, and
outcomes and certificates as `packing` lays them out. Nothing in it is executed when it is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import pydantic
import pypsa
import yaml

from powermkt.common.files import read_parquet
from powermkt.dispatch.outcome import Outcome
from powermkt.dispatch.packing import DamagedError, pack, unpack, unpack_certificates
from powermkt.engine.capped import Capped
from powermkt.engine.obligedprices import Obliged
from powermkt.engine.regime import Regime, regime
from powermkt.errors import Fault, InputError
from powermkt.inputs.case import Case
from powermkt.inputs.intake import still_on
from powermkt.inputs.levels import Seams
from powermkt.inputs.market import Market
from powermkt.methods.certificate import Certificate
from powermkt.run import Run

FOLDER = "evidence"
_CASE, _RUNS, _NETWORK, _FILES = "case.json", "runs.json", "network.nc", "files"
_FRAMES = ("schedule", "ladders", "offers")
_OBLIGED = [item.name for item in fields(Obliged) if item.name not in ("table", "savings")]
_SEAMS = ("start", "end", "value")
_REMEDY = "compare again, or audit without evidence"


class EvidenceError(Exception):
    """Evidence cannot be written or read; the text says why."""


# ---- writing -------------------------------------------------------------------------------------


def write_evidence(
    folder: Path, case: Case, runs: Sequence[Run], calibration: Run | None = None
) -> None:
    """Write the evidence of runs on one case into a folder of its own.

    Parameters
    ----------
    folder : Path
        Of the results.
    case : Case
    runs : sequence of Run
    calibration : Run, optional
        What is set beside observation.
    """
    target = folder / FOLDER
    target.mkdir()
    every = [*runs, *([calibration] if calibration is not None else [])]
    _write_case(target, case)
    _write_files(target / _FILES, case, every)
    known: dict[int, str] = {}
    entries = []
    for i, run in enumerate(every):
        outcome = run.outcome
        if id(outcome) not in known:
            known[id(outcome)] = f"outcome-{len(known) + 1:02d}"
            _write_outcome(target / known[id(outcome)], outcome)
        if run.obliged is not None:
            for name in ("table", "savings"):
                getattr(run.obliged, name).to_parquet(target / f"obliged-{i:02d}-{name}.parquet")
        said = run.obliged
        entries.append(
            {
                "regime": run.regime.to_yaml(),
                "carbon_price": run.carbon_price,
                "outcome": known[id(outcome)],
                "calibration": run is calibration,
                "cap": None if run.cap is None else asdict(run.cap),
                "obliged": None
                if said is None
                else {name: getattr(said, name) for name in _OBLIGED},
            }
        )
    (target / _RUNS).write_text(json.dumps(entries, indent=1, ensure_ascii=False), "utf-8")


def _write_case(target: Path, case: Case) -> None:
    try:
        case._n.export_to_netcdf(str(target / _NETWORK), compression={"zlib": True, "complevel": 4})
    except RuntimeError as error:  # netCDF's word for a disk that takes no more
        raise OSError(str(error)) from error
    position = {label: case.snapshots.get_indexer(index) for label, index in case.windows.items()}
    content = {
        "name": case.name,
        "market": case.market.model_dump(mode="json"),
        "windows": {label: _spans(at) for label, at in position.items()},
        "look_ahead": case.look_ahead,
        "forecast": list(case.forecast),
    }
    (target / _CASE).write_text(json.dumps(content, indent=1, ensure_ascii=False), "utf-8")
    frames = {name: getattr(case, name) for name in _FRAMES}
    frames |= {f"forecast-{i:02d}": frame for i, frame in enumerate(case.forecast.values())}
    if case.seams is not None:
        frames |= {f"seams-{name}": getattr(case.seams, name) for name in _SEAMS}
    for name, frame in frames.items():
        if frame is not None:
            frame.to_parquet(target / f"{name}.parquet")


def _spans(at: np.ndarray) -> list[list[int]]:
    """Positions as spans from, to (not included)."""
    parts = np.split(at, np.flatnonzero(np.diff(at) != 1) + 1)
    return [[int(part[0]), int(part[-1]) + 1] for part in parts if len(part)]


def _write_files(target: Path, case: Case, runs: Sequence[Run]) -> None:
    """Copy the files that the market data and the rules name."""
    for name in sorted(_named_files(case.market, [run.regime for run in runs])):
        source = (case.folder or Path()) / name
        if _inside(name) and source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes(source.read_bytes())


def _named_files(market: Market, regimes: Sequence[Regime]) -> set[str]:
    given = [getattr(rule, "file", None) for item in regimes for rule in item.rules]
    found = {str(file) for file in given if file is not None}
    return found | ({market.calibration.observed} if market.calibration is not None else set())


def _inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name


def _write_outcome(target: Path, outcome: Outcome) -> None:
    target.mkdir()
    ahead = outcome.day_ahead
    bare = replace(
        outcome,
        certificates=[],
        day_ahead=None if ahead is None else replace(ahead, certificates=[]),
    )
    (target / "outcome.cell").write_bytes(pack(bare))
    by_window: dict[str, list[Certificate]] = {}
    for item in outcome.certificates:
        by_window.setdefault(item.window, []).append(item)
    for i, found in enumerate(by_window.values()):
        (target / f"window-{i:03d}.certificate").write_bytes(pack(found))


# ---- reading -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cleared:
    """One run of the evidence.

    Attributes
    ----------
    run : Run
    folder : Path
        Where its outcome and certificates are.
    calibration : bool
        Whether it is what is set beside observation.
    """

    run: Run
    folder: Path
    calibration: bool

    def certificates(self) -> Iterator[list[Certificate]]:
        """Yield the certificates of one window after another.

        Raises
        ------
        EvidenceError
            If a file is damaged.
        """
        for path in sorted(self.folder.glob("*.certificate")):
            try:
                yield unpack_certificates(path.read_bytes())
            except _BROKEN as error:
                raise EvidenceError(f"{path.name} of {self.folder.name} is damaged") from error


_BROKEN = (
    DamagedError, OSError, ValueError, KeyError, TypeError, AttributeError, IndexError,
    pydantic.ValidationError, yaml.YAMLError, RuntimeError,
)  # fmt: skip


def read_evidence(folder: Path) -> tuple[Case, list[Cleared]]:
    """Read the evidence of a results folder.

    Parameters
    ----------
    folder : Path
        Of the results.

    Raises
    ------
    EvidenceError
        If it is damaged, or names what this version does not know.
    """
    target = folder / FOLDER
    try:
        case = _read_case(target)
        entries = json.loads((target / _RUNS).read_text("utf-8"))
        outcomes: dict[str, Outcome] = {}
        found = []
        for i, entry in enumerate(entries):
            found.append(_read_run(target, case, i, entry, outcomes))
    except EvidenceError:
        raise
    except InputError as error:
        raise EvidenceError(f"evidence: {error}") from error
    except _BROKEN as error:
        what = str(error) or type(error).__name__
        raise EvidenceError(f"evidence is damaged ({what})") from error
    wrong = [name for name in _named_files(case.market, [c.run.regime for c in found])
             if not _inside(name)]  # fmt: skip
    if wrong:
        raise EvidenceError(f"evidence names a file outside of it: {wrong[0]}")
    return case, found


def _read_run(
    target: Path, case: Case, i: int, entry: dict[str, Any], outcomes: dict[str, Outcome]
) -> Cleared:
    name = str(entry["outcome"])
    if not _inside(name):
        raise EvidenceError(f"evidence names a folder outside of it: {name}")
    if name not in outcomes:
        outcomes[name] = unpack((target / name / "outcome.cell").read_bytes())
    item = regime(yaml.safe_load(entry["regime"]))
    obliged = None
    if entry["obliged"] is not None:
        table, savings = (
            read_parquet(target / f"obliged-{i:02d}-{part}.parquet")
            for part in ("table", "savings")
        )
        obliged = Obliged(table, savings, **entry["obliged"])
        # Prices and savings are no part of a regime's text.
        item = item.priced(obliged.prices, obliged.saved)
    cap = None if entry["cap"] is None else Capped(**entry["cap"])
    run = Run(case, item, float(entry["carbon_price"]), outcomes[name], cap, obliged)
    return Cleared(run, target / name, bool(entry["calibration"]))


def _read_case(target: Path) -> Case:
    content = json.loads((target / _CASE).read_text("utf-8"))
    n = pypsa.Network(str(target / _NETWORK))
    frames = {name: _frame(target, name) for name in _FRAMES}
    case = object.__new__(Case)
    case.name, case._n = str(content["name"]), n
    case.market = Market.model_validate(content["market"])
    case.windows = {
        str(label): n.snapshots[np.concatenate([np.arange(*span) for span in spans])]
        for label, spans in content["windows"].items()
    }
    case.folder, case.look_ahead = target / _FILES, content["look_ahead"]
    case.schedule, case.offers = frames["schedule"], frames["offers"]
    ladders = frames["ladders"]
    if ladders is None:
        raise InputError([Fault(str(target), "lacks ladders.parquet", _REMEDY)])
    case.ladders = ladders
    forecasts = [_frame(target, f"forecast-{i:02d}") for i in range(len(content["forecast"]))]
    case.forecast = {
        str(name): frame
        for name, frame in zip(content["forecast"], forecasts, strict=True)
        if frame is not None
    }
    seams = [_frame(target, f"seams-{name}") for name in _SEAMS]
    case.seams = None
    if all(frame is not None for frame in seams):
        case.seams = Seams(*(frame for frame in seams if frame is not None))
    case.initial_online = case.initial_output = case.after = None
    case.still_on = still_on(n)
    return case


def _frame(target: Path, name: str) -> pd.DataFrame | None:
    path = target / f"{name}.parquet"
    return read_parquet(path) if path.is_file() else None
