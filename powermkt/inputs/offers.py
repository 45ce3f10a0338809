"""Offers that were submitted: price-quantity ladders by generator and hour, from file or table.

A row is one block: so many MW more at so much a MWh. The blocks of a generator and snapshot stand
in the order of their prices, and end its output: what is not offered is not there.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pypsa

from powermkt.common.files import read_parquet
from powermkt.errors import Fault, InputError, nearest

COLUMNS = ("generator", "snapshot", "quantity_mw", "price")
FILES = ("offers.csv", "offers.parquet")

_MOST = 5  # generators named for each kind of fault
_TOLERANCE_MW = 1e-6


def find_file(folder: Path) -> Path | None:
    """Return the file of offers in a folder, None without one.

    Raises
    ------
    InputError
        If there are two.
    """
    found = [folder / name for name in FILES if (folder / name).is_file()]
    if len(found) > 1:
        what = f"holds {' and '.join(FILES)}"
        raise InputError([Fault(str(folder), what, "keep one of them, or name one (--offers)")])
    return found[0] if found else None


def offers_of(
    source: pd.DataFrame | str | Path | None, n: pypsa.Network, tops: pd.Series, where: str
) -> tuple[pd.DataFrame | None, list[Fault]]:
    """Turn submitted offers into the ladders of a case.

    Parameters
    ----------
    source : DataFrame, str, Path or None
        Rows with `COLUMNS`, of which snapshot may be absent; or their file.
    n : pypsa.Network
        Whose generators offer; it may have faults of its own.
    tops : Series [generator], MW
        Where the output of a generator ends before its `p_nom` does.
    where : str
        How to name a table in messages; a file is named by its path.

    Returns
    -------
    DataFrame or None
        Columns generator, snapshot (NaT or NaN: every one), step, top_mw, price [money/MWh]; None
        where nothing was offered. Offers of inactive generators are left out.
    list of Fault
        Everything that is wrong, told for the first generators of each kind.
    """
    if source is None:
        return None, []
    try:
        place, table = _read(source, where)
    except InputError as error:
        return None, error.faults
    faults = list(_column_faults(table, place))
    if faults:
        return None, faults
    rows = _rows(table, n)
    faults = [*_row_faults(rows, n, place), *_ladder_faults(rows, n, tops, place)]
    active = n.generators.index[n.generators["active"].astype(bool)]
    rows = rows[rows["generator"].isin(active)]
    return (_ladders(rows, n.snapshots) if len(rows) and not faults else None), faults


def _read(source: pd.DataFrame | str | Path, where: str) -> tuple[str, pd.DataFrame]:
    """Where a table is said to be, and the table; text of a CSV file stays text."""
    if isinstance(source, pd.DataFrame):
        return where, source
    path = Path(source)
    try:
        if path.suffix == ".csv":
            # A generator may be called NA.
            return str(path), pd.read_csv(path, dtype=str, keep_default_na=False)
        if path.suffix == ".parquet":
            return str(path), read_parquet(path)
    except (OSError, ValueError) as error:  # pandas' and Arrow's errors of reading are ValueErrors
        detail = " ".join(str(error).split())
        raise InputError([Fault(str(path), f"cannot be read: {detail}", "check it")]) from None
    raise InputError([Fault(str(path), "is no file of offers", "give a .csv or .parquet file")])


def _column_faults(table: pd.DataFrame, place: str) -> Iterator[Fault]:
    for name in table.columns:
        if name not in COLUMNS:
            yield Fault(place, f"unknown column {str(name)!r}", nearest(str(name), COLUMNS))
    for name in COLUMNS:
        count = list(table.columns).count(name)
        if count > 1:
            yield Fault(place, f"column {name!r} stands there {count} times", "keep one")
        if count == 0 and name != "snapshot":
            yield Fault(place, f"no column {name!r}", f"give {', '.join(COLUMNS)}")


def _rows(table: pd.DataFrame, n: pypsa.Network) -> pd.DataFrame:
    """Rows with numbers, and with the position of their snapshot: -1 every one, -2 unknown."""
    generator = table["generator"].astype(object)
    snapshot = table["snapshot"] if "snapshot" in table else pd.Series(np.nan, table.index)
    snapshot = snapshot.astype(object)
    known = _positions(n.snapshots, list(snapshot.dropna().unique()))
    return pd.DataFrame(
        {
            "generator": generator.where(generator.notna(), "").astype(str).astype(object),
            "said": snapshot,
            "at": snapshot.map(known).where(snapshot.notna(), -1).astype(int),
            "quantity": pd.to_numeric(table["quantity_mw"], errors="coerce").astype(float),
            "price": pd.to_numeric(table["price"], errors="coerce").astype(float),
        }
    ).reset_index(drop=True)


def _positions(snapshots: pd.Index, said: list[object]) -> dict[object, int]:
    """Position of each snapshot as it is said: -1 for an empty one, -2 for none of these."""
    found: dict[object, int] = {"": -1}
    times = isinstance(snapshots, pd.DatetimeIndex)
    position: dict[object, int] = {
        (label if times else str(label)): i for i, label in enumerate(snapshots)
    }
    for item in said:
        if isinstance(item, str) and item == "":
            continue
        label: object = str(item)
        if times:
            try:
                label = pd.Timestamp(item)  # type: ignore[arg-type]
            except (ValueError, TypeError):
                label = None
        found[item] = position.get(label, -2)
    return found


def _row_faults(rows: pd.DataFrame, n: pypsa.Network, place: str) -> Iterator[Fault]:
    """Name rows that say nothing usable, whatever the others say."""
    names = rows["generator"]
    unknown = list(names[~names.isin(n.generators.index)].unique())
    for name in unknown[:_MOST]:
        what = f"unknown generator {name!r}" if name else "a row names no generator"
        yield Fault(place, what, nearest(name, n.generators.index))
    if len(unknown) > _MOST:
        what = f"{len(unknown) - _MOST} more unknown generators"
        yield Fault(place, what, "name generators of the network")
    strange = rows[rows["at"] == -2]
    if len(strange):
        axis = n.snapshots
        span = f" ({axis[0]} .. {axis[-1]})" if len(axis) else ""
        first = strange.iloc[0]
        yield Fault(
            place,
            f"{strange['said'].nunique()} times that are no snapshots of the network{span}, first "
            f"{first['said']} of generator {first['generator']!r}",
            "give its snapshots, or leave the column empty for every snapshot",
        )
    for column in ("quantity", "price"):
        said = f"{column}_mw" if column == "quantity" else column
        bad = ~np.isfinite(rows[column])
        yield from _told(place, rows[bad], f"{said} is no finite number", "give a number")
    short = rows["quantity"] <= 0
    yield from _told(place, rows[short], "quantity_mw is not above 0", "give the MW of each block")


def _ladder_faults(
    rows: pd.DataFrame, n: pypsa.Network, tops: pd.Series, place: str
) -> Iterator[Fault]:
    """Name ladders that fall, or that do not fit the generator that offers them."""
    rows = rows[rows["generator"].isin(n.generators.index) & (rows["at"] > -2)]
    if rows.empty:
        return
    ladder = [rows["generator"], rows["at"]]
    falls = rows["price"].groupby(ladder).diff() < 0
    remedy = "give blocks in the order of their prices"
    yield from _told(place, rows[falls], "price falls with quantity", remedy)
    total = rows["quantity"].groupby(ladder).transform("sum")
    sound = np.isfinite(rows["quantity"]) & (rows["quantity"] > 0)
    last = ~rows.duplicated(["generator", "at"], keep="last")
    last &= sound.groupby(ladder).transform("all")
    g = n.generators
    p_nom = pd.to_numeric(g["p_nom"], errors="coerce")
    names = pd.Index(rows["generator"].unique())
    most = n.get_switchable_as_dense("Generator", "p_max_pu")[names].max().clip(lower=1.0)
    top = (most * p_nom[names]).clip(upper=tops.reindex(names).fillna(np.inf))
    above = last & (total > rows["generator"].map(top) + _TOLERANCE_MW)
    remedy = "offer no more than p_nom, or than the end of the cost curve"
    yield from _told(place, rows[above], "more is offered than the unit has", remedy)
    low = n.get_switchable_as_dense("Generator", "p_min_pu")[names] * p_nom[names]
    below = last & (total < _lowest(rows, low) - _TOLERANCE_MW)
    remedy = "offer at least p_min_pu, in as many blocks as you like"
    yield from _told(place, rows[below], "less is offered than the unit's minimum", remedy)
    draws = rows["generator"].map((low < -_TOLERANCE_MW).any()) & last
    remedy = "leave it out: blocks are output"
    yield from _told(place, rows[draws], "the unit may have negative output", remedy)


def _lowest(rows: pd.DataFrame, low: pd.DataFrame) -> pd.Series:
    """Minimum that each row's ladder must reach [MW]: in its snapshot, or in all without one."""
    column = low.columns.get_indexer(pd.Index(rows["generator"]))
    found = pd.Series(low.to_numpy()[rows["at"].clip(lower=0), column], rows.index)
    everywhere = rows["at"] == -1
    dated = rows[~everywhere].groupby("generator")["at"].unique()
    rest: dict[str, float] = {}
    for name in rows["generator"][everywhere].unique():
        others = np.delete(low[name].to_numpy(), dated.get(name, np.array([], dtype=int)))
        rest[name] = others.max() if len(others) else -np.inf
    found[everywhere] = rows["generator"][everywhere].map(rest)
    return found


def _told(place: str, bad: pd.DataFrame, what: str, remedy: str) -> Iterator[Fault]:
    """One fault for each of the first generators, and one for all others."""
    for name, part in islice(bad.groupby("generator", sort=False), _MOST):
        first = part.iloc[0]
        time = "every snapshot" if first["at"] == -1 else f"snapshot {first['said']}"
        more = f" (and in {len(part) - 1} more rows)" if len(part) > 1 else ""
        yield Fault(f"{place}: generator {name!r}, {time}", f"{what}{more}", remedy)
    rest = bad["generator"].nunique() - _MOST
    if rest > 0:
        yield Fault(place, f"{what}: {rest} more generators", remedy)


def _ladders(rows: pd.DataFrame, snapshots: pd.Index) -> pd.DataFrame:
    """Ladders in an order that does not depend on that of the rows of different ladders."""
    rows = rows.sort_values(["generator", "at"], kind="stable", ignore_index=True)
    ladder = rows.groupby(["generator", "at"])
    times = snapshots if isinstance(snapshots, pd.DatetimeIndex) else snapshots.astype(object)
    snapshot = pd.Series(times[rows["at"].clip(lower=0).to_numpy()])
    return pd.DataFrame(
        {
            "generator": rows["generator"],
            "snapshot": snapshot.where(rows["at"] >= 0),
            "step": ladder.cumcount(),
            "top_mw": ladder["quantity"].cumsum(),
            "price": rows["price"],
        }
    )
