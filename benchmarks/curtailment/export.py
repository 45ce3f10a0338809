"""Everything that another tool needs to clear the cells, as files."""

from __future__ import annotations

import gzip
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

import powermkt as pm
from benchmarks.curtailment.answers import AMOUNT, MONEY, NAMES
from benchmarks.curtailment.cases import institution, system
from benchmarks.curtailment.peer import GROUP, curtailable
from benchmarks.curtailment.recipe import FILE, Cell, book
from benchmarks.stock import model, network
from powermkt.dispatch.programme import Adders
from powermkt.engine.regime import Regime
from powermkt.errors import Fault, InputError, StorageError
from powermkt.rules.dispatch import EqualShares, _heat_and_room, _periods, _quota
from powermkt.rules.trade import ProvinceFirst, _band
from powermkt.system.fleet import fleets

_GUIDE = Path(__file__).parent / "guide.md"


def export(cells: Iterable[Cell], folder: Path) -> Path:
    """Write networks, rules as numbers, whole programmes and a form for answers.

    Parameters
    ----------
    cells : iterable of Cell
    folder : Path
        Must not hold anything; it appears complete or not at all.

    Raises
    ------
    InputError
        If the folder holds something.
    StorageError
        If it cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError([Fault(str(folder), "is not empty", "name another --export")])
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            _write(cells, work)
            if folder.exists():
                folder.rmdir()
            work.rename(folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise StorageError(f"{folder}: cannot be written: {error.strerror or error}") from error
    return folder


def _write(cells: Iterable[Cell], folder: Path) -> None:
    forms = [_write_cell(cell, folder / cell.case) for cell in cells]
    form = pd.concat(forms).reindex(columns=[*NAMES, AMOUNT, *MONEY])
    form.to_csv(folder / "answers.csv", index=False)
    texts = book().model_dump(include={"definition", "tie_break", "range"})
    guide = _GUIDE.read_text(encoding="utf-8").format(**texts)
    (folder / "README.md").write_text(guide, encoding="utf-8")
    shutil.copy(FILE, folder / "recipe.yaml")
    folder.chmod(0o755)


def _write_cell(cell: Cell, folder: Path) -> pd.DataFrame:
    """Write one cell into the folder of its case; return its rows of the form."""
    case, regime = system(cell.case), institution(cell)
    if not folder.exists():
        folder.mkdir()
        network(case).export_to_csv_folder(folder / "network")
        _table(fleets(case).reset_index(), folder / "fleets.csv")
        _table(case.ladders, folder / "steps.csv")
    into = folder / cell.regime
    into.mkdir()
    rows = model(case, regime)
    with tempfile.TemporaryDirectory(dir=into) as scratch:
        plain = Path(scratch) / "programme.mps"
        rows.to_file(plain, progress=False)
        with plain.open("rb") as source, gzip.open(into / "programme.mps.gz", "wb", 6) as target:
            shutil.copyfileobj(source, target)
    columns = curtailable(case, rows)
    columns["column"] = "x" + columns["column"].astype(str)
    _table(columns, into / "curtailment.csv")
    _table(_offers(case, regime), into / "offers.csv")
    _table(_limits(case, regime), into / "limits.csv")
    _table(_quotas(case, regime), into / "quota.csv")
    _table(_exchange(case, regime), into / "exchange.csv")
    stated = [
        {"role": rule.role, "rule": type(rule).__name__, **rule.model_dump(mode="json")}
        for rule in regime.rules
    ]
    text = yaml.safe_dump(stated, sort_keys=False, allow_unicode=True)
    (into / "rules.yaml").write_text(text, encoding="utf-8")
    form = columns[GROUP].drop_duplicates()
    return form.assign(case=cell.case, regime=cell.regime)


def _table(table: pd.DataFrame, file: Path) -> None:
    if len(table):
        table.to_csv(file, index=False)


def _offers(case: pm.Case, regime: Regime) -> pd.DataFrame:
    """Columns variable, name, snapshot (empty: every one), kind, money_per_mwh."""
    parts = []
    for rule in regime.rules:
        for kind, adders in (("offer", rule.offer(case)), ("rank", rule.rank_by(case))):
            parts += [table.assign(kind=kind) for table in _adders(adders)]
    if not parts:
        return pd.DataFrame()
    table = pd.concat(parts, ignore_index=True)
    return table.loc[table["money_per_mwh"] != 0].reindex(
        columns=["variable", "name", "snapshot", "kind", "money_per_mwh"]
    )


def _adders(adders: Adders) -> list[pd.DataFrame]:
    found = []
    for variable, value in adders.items():
        if isinstance(value, pd.DataFrame):
            found.append(_long(value, "money_per_mwh").reset_index())
        elif isinstance(value, pd.Series):
            found.append(value.rename_axis("name").rename("money_per_mwh").reset_index())
        else:
            found.append(pd.DataFrame({"name": [""], "money_per_mwh": [float(value)]}))
        found[-1]["variable"] = variable
    return found


def _limits(case: pm.Case, regime: Regime) -> pd.DataFrame:
    """Columns variable, name, snapshot, low, high."""
    parts = []
    for rule in regime.rules:
        for variable, (low, high) in rule.limit(case).items():
            table = pd.concat([_long(low, "low"), _long(high, "high")], axis=1).reset_index()
            table.insert(0, "variable", variable)
            parts.append(table)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _long(value: pd.DataFrame | pd.Series, name: str) -> pd.Series:
    if isinstance(value, pd.Series):
        return value.rename_axis("name").rename(name)
    table = value.rename_axis(index="snapshot", columns="name").reset_index()
    return table.melt("snapshot", value_name=name).set_index(["snapshot", "name"])[name]


def _quotas(case: pm.Case, regime: Regime) -> pd.DataFrame:
    """Columns period, province, name, heat_mwh, room_mwh, band, load_factor."""
    parts = []
    for rule in regime.rules:
        if not isinstance(rule, EqualShares):
            continue
        band = case.market.quota.band if rule.band is None else rule.band
        plan = case.market.quota.load_factor if rule.load_factor is None else rule.load_factor
        members = _quota(case)
        several = members.groupby("province")["p_nom"].transform("size") > 1
        members = members[several | members["province"].isin(list(plan))]
        for period, snapshots in _periods(case, rule.period):
            heat, room = _heat_and_room(case, members, snapshots)
            table = pd.DataFrame(
                {
                    "period": period,
                    "province": members["province"],
                    "heat_mwh": heat,
                    "room_mwh": room,
                    "band": band,
                    "load_factor": members["province"].map(plan),
                }
            )
            parts.append(table[table["room_mwh"] > 1e-6].rename_axis("name").reset_index())
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _exchange(case: pm.Case, regime: Regime) -> pd.DataFrame:
    """Columns snapshot, name, low, high, hurdle."""
    for rule in regime.rules:
        if isinstance(rule, ProvinceFirst):
            low, high = _band(case, rule.band, rule.shape)
            hurdle = case.market.trade.hurdle_rate if rule.hurdle_rate is None else rule.hurdle_rate
            if np.isfinite(hurdle) and not low.empty:
                both = pd.concat([_long(low, "low"), _long(high, "high")], axis=1)
                return both.reset_index().assign(hurdle=hurdle)
    return pd.DataFrame()
