"""Deep peak regulation: how far plant is below its base load rate, and what that is offered at.

With y the capacity that is on, b the base load rate and e_0 = b > e_1 > ... the edges of tiers,
output g and depths d_k obey

    g + d_1 + d_2 + ... >= b y,    0 <= d_k <= (e_(k-1) - e_k) y.

Offers rise from tier to tier, so that a shallower tier is used before a deeper one. Plant that is
neither a fleet nor a unit counts here as on with all that is available; where depth is measured
after the clearing, it is off while it gives nothing.
"""

from __future__ import annotations

import linopy
import numpy as np
import pandas as pd

from powermkt.common.arrays import names
from powermkt.common.values import NOISE_MW
from powermkt.dispatch.outcome import Outcome
from powermkt.inputs.case import Case
from powermkt.inputs.services import Charge
from powermkt.system.units import online_capacity

DEPTH = "DeepPeak-tier-"  # and its number: variables [snapshot x generator] in MW


def regulators(case: Case) -> pd.Index:
    """Generators that give deep peak regulation, no one without `services.deep_peak`."""
    data, table = case.market.services.deep_peak, case.generators
    if data is None:
        return table.index[:0]
    carriers = case.carriers.quota if data.carriers is None else data.carriers
    return table.index[table["carrier"].isin(carriers or []) & (table["p_nom"] > 0)]


def usual_payers(case: Case) -> list[Charge]:
    """Who pays where the market file does not say: energy of other plant in the same area.

    Wind, solar and nuclear plant, and plant that could regulate and does not.
    """
    data = case.market.services.deep_peak
    if data is None:
        return []
    present = [*case.generators["carrier"].unique(), *case.storage_units["carrier"].unique()]
    own = case.carriers.quota if data.carriers is None else data.carriers
    green = [*(case.carriers.wind or []), *(case.carriers.solar or [])]
    nuclear = [name for name in present if "nuclear" in name.lower()]
    carriers = list(dict.fromkeys([*(own or []), *green, *nuclear]))
    return [Charge(by="energy", carriers=carriers, above_base=True, area=data.area)]


def offers(case: Case) -> list[pd.Series]:
    """Offer in each tier by generator [money/MWh]: its own, that of its carrier, or the cap."""
    data, members = case.market.services.deep_peak, regulators(case)
    if data is None:
        return []
    carrier = case.generators["carrier"]
    caps = [tier.cap for tier in data.tiers]
    rows = [data.offers.get(name) or data.offers.get(carrier[name]) or caps for name in members]
    table = np.array(rows, dtype=float).reshape(len(members), len(caps))
    return [pd.Series(table[:, k], members) for k in range(len(caps))]


# ---- in the programme ------------------------------------------------------------------------


def offered_depths(case: Case) -> dict[str, pd.Series]:
    """Offers of depths, by variable [money/MWh]."""
    if regulators(case).empty:
        return {}
    return {f"{DEPTH}{k}": own for k, own in enumerate(offers(case), start=1)}


def add_depths(model: linopy.Model, case: Case) -> None:
    """Add depths by tier and the base load rate that they take output below."""
    data, members = case.market.services.deep_peak, regulators(case)
    if data is None or members.empty:
        return
    coords = [pd.Index(case.snapshots, name="snapshot"), names(members)]
    depths = [
        model.add_variables(lower=0, coords=coords, name=f"{DEPTH}{k}")
        for k in range(1, len(data.tiers) + 1)
    ]
    for number, (part, on) in enumerate(online_capacity(model, case, members)):
        total = 1 * model.variables["Generator-p"].sel(name=part)
        for k, (depth, width) in enumerate(zip(depths, data.widths, strict=True), start=1):
            mine = depth.sel(name=part)
            model.add_constraints(mine - width * on <= 0, name=f"{DEPTH}{k}-width-{number}")
            total = total + mine
        model.add_constraints(total - data.base * on >= 0, name=f"DeepPeak-base-{number}")


def hold_base(model: linopy.Model, case: Case) -> None:
    """Keep output at the base load rate or above."""
    data, members = case.market.services.deep_peak, regulators(case)
    if data is None or members.empty:
        return
    for number, (part, on) in enumerate(online_capacity(model, case, members)):
        output = model.variables["Generator-p"].sel(name=part)
        model.add_constraints(output - data.base * on >= 0, name=f"DeepPeak-minimum-{number}")


# ---- after the clearing ----------------------------------------------------------------------


def depths(case: Case, outcome: Outcome) -> list[pd.DataFrame]:
    """Depth in each tier, [snapshot x generator] in MW; 0 for who is off."""
    data, members = case.market.services.deep_peak, regulators(case)
    if data is None:
        return []
    on = outcome.capacity_on(case)[members].to_numpy()
    below = data.base * on - outcome.dispatch[members].to_numpy().clip(min=0.0)
    found = []
    for width in data.widths:
        part = np.clip(below, 0.0, width * on)
        part = np.where(part > NOISE_MW, part, 0.0)
        found.append(pd.DataFrame(part, outcome.dispatch.index, members))
        below = below - width * on
    return found


def is_below_base(case: Case, outcome: Outcome) -> pd.DataFrame:
    """Whether plant is on and below its base load rate, [snapshot x generator]."""
    data, members = case.market.services.deep_peak, regulators(case)
    assert data is not None
    on = outcome.capacity_on(case)[members]
    return data.base * on - outcome.dispatch[members] > NOISE_MW


def clearing_prices(case: Case, called: list[pd.DataFrame]) -> list[pd.DataFrame]:
    """Price of each tier, [snapshot x generator] in money/MWh; 0 where nobody is called.

    The highest offer among those called in a tier, in an area and snapshot, at most the cap.
    """
    data = case.market.services.deep_peak
    found = []
    for depth, own, tier in zip(called, offers(case), data.tiers if data else [], strict=True):
        area = areas(case, depth.columns)
        asked = pd.DataFrame(np.where(depth > 0, own.to_numpy(), np.nan), depth.index, own.index)
        highest = asked.T.groupby(area).max().T.reindex(columns=area)
        price = highest.set_axis(depth.columns, axis="columns").fillna(0.0)
        found.append(price.clip(upper=tier.cap))
    return found


def areas(case: Case, members: pd.Index) -> pd.Series:
    """Area of each generator: its province, or `all`."""
    data = case.market.services.deep_peak
    if data is None or data.area == "all":
        return pd.Series("all", members)
    return case.generators.loc[members, "province"]
