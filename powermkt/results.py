"""Read what was decided, and what it is worth at the margin, from an optimal point."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from powermkt.case import Case
from powermkt.errors import ClearingError
from powermkt.outcome import Outcome, commitment_cost
from powermkt.products import book_of
from powermkt.programme import Point, Programme
from powermkt.slack import EXCESS
from powermkt.soft import BRANCHES, overload
from powermkt.units import SHUT, START, STATUS, Commitment


def by_bus(case: Case, programme: Programme, vector: np.ndarray) -> pd.DataFrame:
    """What a vector [row] holds for each bus and hour."""
    found = programme.balance(vector)
    missing = case.provinces.index.difference(found.columns)
    if len(missing):
        raise ClearingError(f"no nodal balance found for buses {missing.tolist()}")
    return found[case.provinces.index]


def prices_of(case: Case, programme: Programme, point: Point, objective: str) -> pd.DataFrame:
    """Marginal value of an objective at each bus: LMP = dual / weight."""
    return by_bus(case, programme, point.row_duals[objective]).div(case.weights, axis="index")


def read_outcome(
    case: Case, programme: Programme, point: Point, output: pd.DataFrame, shed: pd.DataFrame
) -> Outcome:
    """Put together what a point decides; the cost is left to the caller."""
    snapshots = case.weights.index

    def values(name: str) -> pd.DataFrame:
        if name not in programme.variables:
            return pd.DataFrame(index=snapshots)
        frame = programme.values(name, point)
        if not frame.index.equals(snapshots):  # one level for the whole window
            frame = pd.DataFrame(
                np.repeat(frame.to_numpy(), len(snapshots), axis=0), snapshots, frame.columns
            )
        return frame

    online, started = values("Fleet-online"), values("Fleet-start")
    done = Commitment(values(STATUS), values(START), values(SHUT))
    flows = [values(name) for name in ("Link-p", "Line-s", "Transformer-s")]
    net = values("StorageUnit-p_dispatch") - values("StorageUnit-p_store")
    return Outcome(
        dispatch=output[case.generators.index],
        online=online,
        started=started,
        status=done.status,
        start_up=done.start_up,
        shut_down=done.shut_down,
        commitment_cost=commitment_cost(case, online, started, done),
        flows=pd.concat(flows, axis=1),
        overload=pd.concat([values(overload(name)) for name in BRANCHES], axis=1),
        storage=pd.concat([net, values("Store-p")], axis=1),
        state_of_charge=pd.concat(
            [values("StorageUnit-state_of_charge"), values("Store-e")], axis=1
        ),
        spill=values("StorageUnit-spill"),
        shed=shed,
        excess=slack_of(-output, EXCESS),
        reserve=awards_of(case, programme, point),
        reserve_price=reserve_prices_of(case, programme, point),
        reserve_short=_short(case, programme, point),
        offer_price=prices_of(case, programme, point, "offer"),
        cost_price=prices_of(case, programme, point, "cost"),
        marginal_emission=prices_of(case, programme, point, "emission"),
        marginal_exposure=prices_of(case, programme, point, "exposure"),
        price_unique=by_bus(case, programme, point.unique),
        cost=0.0,
        solver_seconds=point.seconds,
    )


def awards_of(case: Case, programme: Programme, point: Point) -> pd.DataFrame:
    """Awards, [snapshot x (product, quality, provider)] in MW; no column where no rule procures."""
    found = {}
    book = book_of(case)
    for lot in book.lots if book is not None else ():
        if lot.variable in programme.variables:
            values = programme.values(lot.variable, point)
            for name in lot.providers:
                found[lot.product, lot.quality, name] = values[name]
    return _labelled(case, found, ["product", "quality", "provider"])


def reserve_prices_of(case: Case, programme: Programme, point: Point) -> pd.DataFrame:
    """Dual of each requirement, [snapshot x (product, zone)] in money/(MW h)."""
    found = {}
    book = book_of(case)
    for zone in book.zones if book is not None else ():
        if zone.row in programme.constraints:
            found[zone.key] = programme.dual(zone.row, point, "offer").iloc[:, 0]
    table = _labelled(case, found, ["product", "zone"])
    return table.div(case.weights, axis="index") if table.shape[1] else table


def _short(case: Case, programme: Programme, point: Point) -> pd.DataFrame:
    """What lacks of each requirement, [snapshot x (product, zone)] in MW."""
    found = {}
    book = book_of(case)
    for zone in book.zones if book is not None else ():
        if zone.row in programme.variables:
            found[zone.key] = programme.values(zone.row, point).sum(axis=1)
    return _labelled(case, found, ["product", "zone"])


def _labelled(
    case: Case, columns: Mapping[Any, pd.Series], levels: list[str]
) -> pd.DataFrame:  # fmt: skip
    if not columns:
        return pd.DataFrame(index=case.snapshots)
    table = pd.DataFrame(columns, index=case.snapshots)
    return table.rename_axis(columns=levels)


def slack_of(output: pd.DataFrame, prefix: str) -> pd.DataFrame:
    """Output of the generators that stand for slack, [snapshot x bus] in MW."""
    columns = [name for name in output.columns if name.startswith(prefix)]
    return output[columns].rename(columns=lambda name: name.removeprefix(prefix)).clip(lower=0.0)
