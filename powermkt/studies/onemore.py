"""What one more plant would earn under each regime, and what it takes from the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from powermkt.accounts.plantaccounts import stated
from powermkt.analysis.returns import COLUMNS as OF_PLANT
from powermkt.analysis.returns import measured
from powermkt.common.values import HOURS_A_YEAR
from powermkt.engine.regime import Regime, regime
from powermkt.engine.scheduling import parts_of
from powermkt.errors import Fault, InputError, nearest
from powermkt.inputs.case import Case
from powermkt.inputs.curves import mean_costs
from powermkt.inputs.intake import column, still_on
from powermkt.rules import EqualShares
from powermkt.rules.dispatch import same_energy
from powermkt.run import Run
from powermkt.studies.compare import DEFAULT_REGIMES, compare
from powermkt.studies.comparison import Comparison

_OTHERS: dict[str, tuple[str, str]] = {
    "others_hours_before": ("h/a", "full-load hours of the carrier in the province without it"),
    "others_hours_after": ("h/a", "the same of the others with it"),
    "others_cash_change": ("money/a", "change of the cash of all other plant of the carrier"),
    "system_cost_change": ("money/a", "change of resource cost of the system, fixed cost left out"),
    "emissions_change_t": ("t/a", "change of emissions"),
}
# column -> (unit, meaning)
COLUMNS: dict[str, tuple[str, str]] = {
    **OF_PLANT,
    "like": ("", "the plant it is a copy of"),
    **_OTHERS,
}
_PER_UNIT = ("start_up_cost", "shut_down_cost", "stand_by_cost")  # of committable units


def return_on_one_more(
    case: Case,
    regimes: Sequence[str | Path | Regime] = DEFAULT_REGIMES,
    carbon_prices: Sequence[float] = (0.0,),
    *,
    carrier: str = "coal",
    province: str | Sequence[str] | None = None,
    mw: float = 1000.0,
    base: Comparison | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Clear a case with one more plant and say what it earns.

    The plant is a copy of one in the province, at another size: of the median of its carrier by
    marginal cost, weighted by capacity. The schedules of the ties stay as they were planned without
    it. So does the energy that a load factor plans for the quota plant of a province: the load
    factor falls to what it is of all of them (`rules.dispatch.same_energy`).

    Parameters
    ----------
    case, regimes, carbon_prices, **options
        As for `compare`.
    carrier : str, default "coal"
        Of generators.
    province : str or sequence of str, optional
        Where it is built, one clearing each; "all": every province that has the carrier; default:
        the one that has most of it.
    mw : float, default 1000
        Its capacity [MW].
    base : Comparison, optional
        The same regimes and carbon prices without the plant, if they are cleared already.

    Returns
    -------
    DataFrame
        One row per province, regime and carbon price; columns as in `COLUMNS`.

    Raises
    ------
    InputError
        If there is no such plant, its size is none, or nothing states what it costs; and as
        `compare`.
    ClearingError, ExecutionError, StorageError
        As `compare`.
    """
    places = _places(case, carrier, province, mw)
    stated(case)
    case = case.with_market(case.market.model_copy(update={"calibration": None}))
    progress = options.pop("progress", None)
    base = base or compare(case, regimes, carbon_prices, progress=progress, **options)
    rows = []
    names = [f"{mw:,.0f} MW more of {carrier} in {place}" for place in places]
    told = parts_of(progress, len(names), names)
    for place, part in zip(places, told, strict=True):
        like = median_plant(case, carrier, place)
        name = _name(case, carrier, place)
        more = with_copy(case, like, name, mw)
        planned = [with_same_energy(regime(item), case, more) for item in regimes]
        after = compare(more, planned, carbon_prices, progress=part, **options)
        rows += [_row(_without(run, base.runs), run, name).assign(like=like) for run in after.runs]
    return pd.concat(rows, ignore_index=True)[list(COLUMNS)]


def median_plant(case: Case, carrier: str, province: str) -> str:
    """Return the generator of the median marginal cost of its carrier, weighted by capacity."""
    table = case.generators
    members = table[(table["carrier"] == carrier) & (table["province"] == province)]
    cost = mean_costs(case._n)[members.index].mean().sort_values(kind="stable")
    capacity = members["p_nom"][cost.index]
    return str(capacity.index[capacity.cumsum() >= capacity.sum() / 2][0])


def with_copy(case: Case, like: str, name: str, mw: float) -> Case:
    """Return a case with one more generator: a copy of one, at another capacity.

    Parameters
    ----------
    case : Case
    like : str
        Generator that is copied with its series, costs and offers.
    name : str
        Of the copy.
    mw : float
        Capacity of the copy [MW]. Steps of cost and offers, starts and limits of energy are in
        proportion; it has no allowances banked. Load factors that the market file plans fall.
    """
    n = case._n.copy()
    components = n.components["Generator"]
    scale = mw / n.generators.loc[like, "p_nom"]
    row = components.static.loc[[like]].rename(index={like: name})
    row["p_nom"] = mw
    row["marginal_cost_quadratic"] /= scale
    proportional = ["e_sum_min", "e_sum_max", "p_init"]
    if row["committable"].astype(bool).item():
        proportional += _PER_UNIT
    else:
        row["units"] = column(row, "units", 1.0)
        proportional += ["units"]
    row[proportional] = row[proportional].astype(float) * scale
    if "allowance_bank" in row:
        row["allowance_bank"] = 0.0
    components.static = pd.concat([components.static, row]).rename_axis(
        components.static.index.name
    )
    for attribute, frame in components.dynamic.items():
        if like in frame:
            factor = 1 / scale if attribute == "marginal_cost_quadratic" else 1.0
            copied = (frame[like] * factor).rename(name)
            components.dynamic[attribute] = pd.concat([frame, copied], axis=1).rename_axis(
                columns=frame.columns.name
            )
    more = case._with(n, case.windows, case.seams)
    more.ladders = _copied(case.ladders, like, name, "width_mw", scale)
    if case.offers is not None:
        more.offers = _copied(case.offers, like, name, "top_mw", scale)
    more.forecast = {
        key: frame.assign(**{name: frame[like]}) if like in frame else frame
        for key, frame in case.forecast.items()
    }
    more.still_on = still_on(n)
    quota = case.market.quota
    plan = same_energy(quota.load_factor, case, more)
    update = {"quota": quota.model_copy(update={"load_factor": plan})}
    return more.with_market(case.market.model_copy(update=update))


def with_same_energy(regime: Regime, case: Case, more: Case) -> Regime:
    """Take for load factors that a regime plans itself those at which planned energy stays."""
    rules = [
        rule.model_copy(update={"load_factor": same_energy(rule.load_factor, case, more)})
        if isinstance(rule, EqualShares) and rule.load_factor
        else rule
        for rule in regime.rules
    ]
    return replace(regime, rules=tuple(rules))


def _copied(table: pd.DataFrame, like: str, name: str, mw: str, scale: float) -> pd.DataFrame:
    """Steps of all generators and of the copy."""
    own = table[table["generator"] == like]
    if own.empty:
        return table
    return pd.concat(
        [table, own.assign(generator=name, **{mw: own[mw] * scale})], ignore_index=True
    )


def _without(run: Run, runs: Sequence[Run]) -> Run:
    """Run of the same rules without the plant.

    A limit that does not bind has one run, which is that of no limit as well (`compare`).
    """
    own = [item for item in runs if item.regime.name == run.regime.name]
    limited = next((item for item in own if item.cap is not None), None)
    if run.cap is not None and limited is not None:
        return limited
    same = (item for item in own if item.cap is None and item.carbon_price == run.carbon_price)
    found = next(same, limited)
    assert found is not None
    return found


def _row(before: Run, run: Run, name: str) -> pd.DataFrame:
    """What the plant earns in one regime, and what changes."""
    old, new = before.plant, run.plant
    row = measured(new.loc[[name]], ["province", "carrier"])
    carrier, province = new.loc[name, ["carrier", "province"]]
    others = [plant[(plant["carrier"] == carrier) & (plant.index != name)] for plant in (old, new)]
    here = [plant[plant["province"] == province] for plant in others]
    hours = [plant["energy_mwh"].sum() / plant["capacity_mw"].sum() for plant in here]
    cash = [plant["cash_flow"].sum() for plant in others]
    a_year = HOURS_A_YEAR / float(run.case.weights.sum())
    return row.assign(
        regime=run.regime.name,
        carbon_price=run.carbon_price,
        others_hours_before=hours[0],
        others_hours_after=hours[1],
        others_cash_change=cash[1] - cash[0],
        system_cost_change=a_year * (run.objective - before.objective),
        emissions_change_t=a_year * (run.emissions - before.emissions),
    )


def _name(case: Case, carrier: str, province: str) -> str:
    """A name that nothing in the network has."""
    n, name = case._n, f"one more {carrier} {province}"
    tables = (n.generators, n.storage_units, n.stores, n.loads, n.links, n.lines, n.transformers)
    while any(name in table.index for table in tables):
        name += "+"
    return name


def _places(case: Case, carrier: str, province: str | Sequence[str] | None, mw: float) -> list[str]:
    """Provinces in which the plant is built, one after another; all faults at once."""
    table = case.generators[case.generators["p_nom"] > 0]
    faults = []
    if not (np.isfinite(mw) and mw > 0):
        faults.append(Fault("mw", f"{mw} is no capacity", "give a number of MW above 0"))
    members = table[table["carrier"] == carrier]
    if members.empty:
        known = table["carrier"].unique()
        faults.append(Fault("carrier", f"no generator of {carrier!r}", nearest(carrier, known)))
    capacity = members.groupby("province", sort=False)["p_nom"].sum()
    asked = [province] if isinstance(province, str) else list(province or [])
    if asked == ["all"] and "all" not in capacity:
        asked = list(capacity.index)
    if not asked and len(capacity):
        asked = [str(capacity.idxmax())]
    faults += [
        Fault("province", f"no {carrier} in {place!r}", nearest(place, capacity.index))
        for place in asked
        if len(capacity) and place not in capacity
    ]
    if faults:
        raise InputError(faults)
    return asked
