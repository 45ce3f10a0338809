"""Clear cells of the recipe, and what they curtail as tables."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

import powermkt as pm
from benchmarks.curtailment.cases import institution, system
from benchmarks.curtailment.peer import ALL, GROUP, peer_of, plant
from benchmarks.curtailment.recipe import FILE, Cell, Tolerances, book
from benchmarks.measure import machine, versions
from powermkt.analysis.counterfactuals import kinds_of
from powermkt.common.files import load_yaml
from powermkt.common.writing import write_results
from powermkt.errors import Fault, InputError
from powermkt.inputs.periods import months_of

CELL = ["case", "regime"]
KINDS = ("wind", "solar", "hydro")
_PEER_SHARE = 1e-9  # within which of the optimum the range of the peer is found

# column -> (unit, meaning)
CELLS: dict[str, tuple[str, str]] = {
    "case": ("", "case of the recipe"),
    "regime": ("", "regime"),
    "carbon_price": ("money/t", "carbon price"),
    "wind_mwh": ("MWh", "curtailed wind, by the declared order"),
    "solar_mwh": ("MWh", "likewise solar"),
    "hydro_mwh": ("MWh", "likewise hydro"),
    "curtailment_mwh": ("MWh", "all of it"),
    "available_mwh": ("MWh", "what could have been given"),
    "curtailment_rate": ("1", "curtailed over available"),
    "least_mwh": ("MWh", "sum of the least of every province and carrier: no less is possible"),
    "most_mwh": ("MWh", "sum of the most: no more is possible"),
    "cost": ("money", "resource cost"),
    "objective": ("money", "what is minimised: cost, what is added to offers, what ranks plant"),
    "seconds": ("s", "powermkt, with ranges"),
    "peer_mwh": ("MWh", "curtailed by stock PyPSA; empty where it was not asked"),
    "peer_off": ("1", "its objective against powermkt's, relative"),
    "peer_inside": ("", "whether it curtails within the range in every province and carrier"),
    "peer_range_off": ("MWh", "largest difference of the ranges it finds itself; empty: not asked"),
    "peer_least_mwh": ("MWh", "least of all together that it finds; empty where not asked"),
    "peer_most_mwh": ("MWh", "most of it"),
    "peer_seconds": ("s", "PyPSA, without its ranges"),
}  # fmt: skip
DETAIL: dict[str, tuple[str, str]] = {
    "case": ("", "case of the recipe"),
    "regime": ("", "regime"),
    "province": ("", "province of the plant"),
    "carrier": ("", "its carrier"),
    "available_mwh": ("MWh", "what could have been given"),
    "curtailment_mwh": ("MWh", "curtailed, by the declared order"),
    "curtailment_rate": ("1", "curtailed over available"),
    "min": ("MWh", "least over all optima"),
    "max": ("MWh", "most over all optima"),
    "peer_mwh": ("MWh", "curtailed by stock PyPSA"),
    "peer_min": ("MWh", "least by stock PyPSA's own search"),
    "peer_max": ("MWh", "most by the same"),
}


@dataclass(frozen=True)
class Results:
    """What the cells curtail.

    Attributes
    ----------
    cells : DataFrame
        One row for each case and regime; columns as in `CELLS`.
    detail : DataFrame
        One row for each of them, province and carrier; columns as in `DETAIL`.
    months : DataFrame
        Columns case, regime, province, carrier, month, curtailment_mwh [MWh].
    """

    cells: pd.DataFrame
    detail: pd.DataFrame
    months: pd.DataFrame

    @property
    def agreed(self) -> bool:
        """Whether stock PyPSA agrees wherever it was asked."""
        asked = self.cells[self.cells["peer_off"].notna()]
        near = asked["peer_off"] <= book().tolerances.objective
        return bool((near & asked["peer_inside"].astype(bool)).all())

    def record(self) -> dict[str, object]:
        """What was run: recipe, versions, machine."""
        return {
            "recipe": load_yaml(FILE),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine(),
            "versions": versions(),
            "columns": {"cells": CELLS, "curtailment": DETAIL},
        }

    def write(self, folder: Path) -> Path:
        """Write tables as Parquet and CSV, and the record.

        Raises
        ------
        InputError, StorageError
            As `write_results`.
        """
        tables = {"cells": self.cells, "curtailment": self.detail, "months": self.months}
        return write_results(folder, tables, self.record())


def read_results(folder: Path) -> Results:
    """Read what `Results.write` wrote.

    Raises
    ------
    InputError
        If tables are missing.
    """
    names = ("cells", "curtailment", "months")
    missing = [name for name in names if not (folder / f"{name}.parquet").is_file()]
    if missing:
        remedy = "make them: python -m benchmarks.curtailment --out DIR"
        raise InputError([Fault(str(folder), f"lacks {', '.join(missing)}.parquet", remedy)])
    return Results(*(pd.read_parquet(folder / f"{name}.parquet") for name in names))


def run(cells: Iterable[Cell], peers: bool = True) -> Results:
    """Clear cells, by powermkt and where the recipe says so by stock PyPSA.

    Parameters
    ----------
    cells : iterable of Cell
        At least one.
    peers : bool, default True
        Whether PyPSA is asked.
    """
    *_, last = growing(cells, peers)
    return last


def growing(cells: Iterable[Cell], peers: bool = True) -> Iterator[Results]:
    """Yield the results so far after each cell; parameters as of `run`."""
    rows: list[dict[str, object]] = []
    details, months = [], []
    for cell in cells:
        row, detail, by_month = _cleared(cell)
        if peers and cell.peered:
            row |= _beside_peer(cell, row, detail)
        rows.append(row)
        details.append(detail.reset_index().assign(case=cell.case, regime=cell.regime))
        months.append(by_month.assign(case=cell.case, regime=cell.regime))
        yield Results(
            pd.DataFrame(rows).reindex(columns=list(CELLS)),
            pd.concat(details, ignore_index=True).reindex(columns=list(DETAIL)),
            pd.concat(months, ignore_index=True)[[*CELL, *GROUP, "month", "curtailment_mwh"]],
        )


def names_of(cells: Iterable[Cell], loaded: Collection[str]) -> pd.DataFrame:
    """What may be answered of cells, without clearing them.

    Parameters
    ----------
    cells : iterable of Cell
    loaded : collection of str
        Cases of which provinces and carriers are given as well.

    Returns
    -------
    DataFrame
        Columns case, regime, province, carrier.
    """
    parts = [pd.DataFrame(columns=[*CELL, *GROUP])]
    for cell in cells:
        table = pd.DataFrame([dict.fromkeys(GROUP, "")])
        if cell.case in loaded:
            table = pd.concat([members[GROUP] for _, members, _ in plant(system(cell.case))])
        parts.append(table.drop_duplicates().assign(case=cell.case, regime=cell.regime))
    return pd.concat(parts, ignore_index=True)


def slack(available: pd.Series, tolerances: Tolerances) -> pd.Series:
    """How far beyond the range an answer may be [MWh]."""
    return tolerances.mwh + tolerances.share * available


def _cleared(cell: Cell) -> tuple[dict[str, object], pd.DataFrame, pd.DataFrame]:
    """Row of the cell, and its detail and months by province and carrier."""
    case = system(cell.case)
    began = time.perf_counter()
    run = pm.clear(case, institution(cell), ranges=True, workers=1)
    seconds = time.perf_counter() - began
    detail = run.curtailment.set_index(GROUP)
    lost, whole = detail["curtailment_mwh"], detail["available_mwh"]
    by_kind = lost.groupby(detail.index.get_level_values("carrier").map(kinds_of(case))).sum()
    row: dict[str, object] = {
        **cell._asdict(),
        **{f"{kind}_mwh": float(by_kind.get(kind, 0.0)) for kind in KINDS},
        "curtailment_mwh": float(lost.sum()),
        "available_mwh": float(whole.sum()),
        "curtailment_rate": float(lost.sum() / whole.sum()),
        "least_mwh": float(detail["min"].sum()),
        "most_mwh": float(detail["max"].sum()),
        "cost": run.objective,
        "objective": run.outcome.minimised,
        "seconds": seconds,
    }
    return row, detail, _by_month(run)


def _by_month(run: pm.Run) -> pd.DataFrame:
    """Curtailed by province, carrier and month [MWh]."""
    case, outcome = run.case, run.outcome
    parts = []
    for _, members, available in plant(case):
        at = members.index
        unused = (
            available - outcome.dispatch[at] if at[0] in outcome.dispatch else outcome.spill[at]
        )
        energy = unused.mul(case.weights, axis="index")
        by_month = energy.groupby(months_of(case.snapshots)).sum().clip(lower=0.0)
        table = by_month.rename_axis("month").T.join(members[GROUP])
        parts.append(table.melt(GROUP, var_name="month", value_name="curtailment_mwh"))
    return pd.concat(parts).groupby([*GROUP, "month"], as_index=False, sort=False).sum()


def _beside_peer(cell: Cell, row: dict[str, object], detail: pd.DataFrame) -> dict[str, object]:
    """Ask stock PyPSA: its columns of the row; those of the detail are added to it."""
    began = time.perf_counter()
    peer = peer_of(cell)
    detail["peer_mwh"] = peer.solve()
    seconds = time.perf_counter() - began
    found: dict[str, object] = {
        "peer_mwh": float(detail["peer_mwh"].sum()),
        "peer_off": relative(peer.optimum, float(str(row["objective"]))),
        "peer_inside": bool(within(detail, detail["peer_mwh"]).all()),
        "peer_seconds": seconds,
    }
    if cell.recipe.size == "small":
        ends = peer.ranges(_PEER_SHARE)
        for name, column in (("peer_least_mwh", "min"), ("peer_most_mwh", "max")):
            found[name] = ends.loc[ALL, column]
        detail[["peer_min", "peer_max"]] = ends.drop(index=[ALL])
        apart = detail[["peer_min", "peer_max"]].to_numpy() - detail[["min", "max"]].to_numpy()
        found["peer_range_off"] = float(abs(apart).max())
    return found


def within(detail: pd.DataFrame, curtailed: pd.Series) -> pd.Series:
    """Whether curtailment lies in the range, within the tolerance of the recipe."""
    about = slack(detail["available_mwh"], book().tolerances)
    return curtailed.between(detail["min"] - about, detail["max"] + about)


def relative(value: float, reference: float) -> float:
    """Difference relative to a reference that is not near 0 [1]."""
    return abs(value - reference) / max(abs(reference), 1.0)
