"""Read what was decided, and what it is worth at the margin, from an optimal point."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from powermkt.dispatch.demand import read_demand
from powermkt.dispatch.outcome import Outcome, commitment_cost
from powermkt.dispatch.programme import Point, Programme
from powermkt.dispatch.soft import BRANCHES, overload
from powermkt.errors import ClearingError
from powermkt.inputs.case import Case
from powermkt.methods.certificate import MINIMISED, OBJECTIVES, Certificate
from powermkt.system.products import GENERATOR, Lot, book_of
from powermkt.system.reserves import least_share
from powermkt.system.slack import EXCESS
from powermkt.system.units import SHUT, START, STATUS, Commitment


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


IMPORTS = "Import-unspecified"  # variable and row of imports that bear a carbon price


def import_price_of(case: Case, programme: Programme, point: Point) -> pd.DataFrame:
    """Marginal value of what is delivered by specified sources, [snapshot x ""] in money/MWh."""
    if IMPORTS not in programme.constraints:
        return pd.DataFrame(index=case.snapshots)
    return programme.dual(IMPORTS, point, "offer").div(case.weights, axis="index")


def certificate_of(point: Point, window: str, stage: str) -> Certificate:
    """What shows to anybody that a point is an optimum."""
    lean, known = point._lean, point._objectives
    duals = {
        name: point.all_duals(name)
        if name in (MINIMISED, "offer")
        # Of what is not minimised nothing says how starts of held levels would be priced.
        else lean.duals(known[name], point.row_duals[name][lean.rows])
        for name in OBJECTIVES
        if name in known
    }
    return Certificate.of(window, stage, point.columns, duals)


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

    reaction = read_demand(case, programme, point)
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
        reserve_required=_required(case, programme),
        reserve_short=_short(case, programme, point),
        offer_price=prices_of(case, programme, point, "offer"),
        cost_price=prices_of(case, programme, point, "cost"),
        marginal_emission=prices_of(case, programme, point, "emission"),
        marginal_exposure=prices_of(case, programme, point, "exposure"),
        marginal_priced=prices_of(case, programme, point, "priced"),
        price_unique=by_bus(case, programme, point.unique),
        import_price=import_price_of(case, programme, point),
        elastic=reaction["elastic"],
        shifted=reaction["shifted"],
        demand_cost=reaction["demand_cost"],
        cost=0.0,
        solver_seconds=point.seconds,
    )


def awards_of(case: Case, programme: Programme, point: Point) -> pd.DataFrame:
    """Awards, [snapshot x (product, quality, provider)] in MW; no column where no rule procures.

    A group shares its award in proportion to what each member has left: up of what is on, or of
    what is available where providers may be off, down to the least output.
    """
    book = book_of(case)
    lots = [] if book is None else [lot for lot in book.lots if lot.variable in programme.variables]
    shared = {lot.variable: programme.values(lot.variable, point) for lot in lots}
    room = _rooms(case, programme, point, lots)
    products = case.market.services.products
    found = {}
    # Who may be off comes last: its room is what is left then.
    for lot in sorted(lots, key=lambda lot: not products[lot.quality].online):
        product = products[lot.quality]
        value = shared[lot.variable][lot.group].set_axis(lot.providers, axis="columns")
        if (lot.group != lot.providers).any():
            left = room["up" if product.direction == "up" else "down", product.online]
            left = left[lot.providers].clip(lower=0.0)
            total = left.T.groupby(lot.group).transform("sum").T
            count = lot.group.map(lot.group.value_counts()).astype(float)
            value = value * (left / total.where(total > 0)).fillna(1.0 / count)
            if product.online and product.direction == "up":
                room["up", False][lot.providers] -= value
        for name in lot.providers:
            found[lot.product, lot.quality, name] = value[name]
    order = [(lot.product, lot.quality, name) for lot in lots for name in lot.providers]
    return _labelled(case, {key: found[key] for key in order}, ["product", "quality", "provider"])


def _rooms(
    case: Case, programme: Programme, point: Point, lots: list[Lot]
) -> dict[tuple[str, bool], pd.DataFrame]:
    """What generators have left, by direction and whether they must be on, in MW."""
    if all((lot.group == lot.providers).all() for lot in lots):
        return {}
    able = {name for lot in lots if lot.component == GENERATOR for name in lot.providers}
    members = case.generators.index[case.generators.index.isin(list(able))]
    output = programme.values("Generator-p", point)[members]
    available = case.availability[members]
    on = available.copy()
    for variable, scale in (("Fleet-online", 1.0), (STATUS, available)):
        if variable in programme.variables:
            level = programme.values(variable, point)
            here = members[members.isin(level.columns)]
            if not level.index.equals(case.snapshots):  # one level for the whole window
                level = pd.concat([level] * len(on)).set_axis(on.index, axis="index")
            on[here] = level[here] * (scale if isinstance(scale, float) else scale[here])
    least = least_share(case)[members] * on
    return {
        ("up", True): on - output,
        ("up", False): available - output,
        ("down", True): output - least,
    }


def reserve_prices_of(case: Case, programme: Programme, point: Point) -> pd.DataFrame:
    """Dual of each requirement, [snapshot x (product, zone)] in money/(MW h)."""
    found = {}
    book = book_of(case)
    for zone in book.zones if book is not None else ():
        if zone.row in programme.constraints:
            found[zone.key] = programme.dual(zone.row, point, "offer").iloc[:, 0]
    table = _labelled(case, found, ["product", "zone"])
    return table.div(case.weights, axis="index") if table.shape[1] else table


def _required(case: Case, programme: Programme) -> pd.DataFrame:
    """What is required, [snapshot x (product, zone)] in MW."""
    book = book_of(case)
    zones = [] if book is None else book.zones
    found = {zone.key: zone.mw for zone in zones if zone.row in programme.variables}
    return _labelled(case, found, ["product", "zone"])


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
