"""Causes of curtailment: what may be taken away from a network and its rules to see what changes.

A cause relaxes one thing and leaves the rest. Where every rule minimises cost, none of the built-in
ones can make dispatch dearer; equal shares and other rules of their own may answer in either way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pypsa

from powermkt.engine.regime import Regime
from powermkt.errors import Fault, InputError, name_list, nearest
from powermkt.inputs.case import Case
from powermkt.rules import (
    Coupled,
    DeepPeakOffers,
    EqualShares,
    MeritOrder,
    ObligatoryMinimum,
    Rule,
)
from powermkt.rules.dispatch import DispatchRule
from powermkt.system.branches import electric_links
from powermkt.system.fleet import fleets
from powermkt.system.heat import heat_bound, leave_heat
from powermkt.system.products import procures
from powermkt.system.units import units

_RAMPS = ("ramp_limit_up", "ramp_limit_down")


@dataclass(frozen=True)
class Cause:
    """Something that may be the reason why energy is curtailed.

    Attributes
    ----------
    name : str
    relax : callable
        Returns a case and a regime without it, given those with it; both as they are where there
        is nothing to relax. It must not change what it is given, and find the same whatever other
        causes were relaxed before it.
    meaning : str
        What is relaxed, in a few words.
    """

    name: str
    relax: Callable[[Case, Regime], tuple[Case, Regime]]
    meaning: str = ""


def inflexible(case: Case) -> pd.Index:
    """Plant that is not renewable and must run, or is committed."""
    table = case.generators
    plant = ~table["carrier"].isin(case.carriers.renewable)
    bound = (heat_bound(case) > 0).any() | table["committable"] | (table["min_stable_pu"] > 0)
    return table.index[plant & bound]


def relax_flexibility(case: Case, regime: Regime) -> tuple[Case, Regime]:
    """Let plant that is not renewable give any output at any time.

    Technical minima, must-run (heat, that which electric boilers replace as well), starts, minimum
    times and commitment do not hold. No-load cost is fuel all the same: it is borne by output, at
    the least cost per MWh that commitment at will could reach. A ramp limit that is below what a
    start may jump to is raised to that. The
    obligatory minimum and offers of depth of deep peak regulation go with the minima.
    """
    names = inflexible(case)
    minima = ObligatoryMinimum | DeepPeakOffers
    kept = [rule for rule in regime.rules if not isinstance(rule, minima)]
    if len(names):
        regime = replace(regime, rules=tuple(kept))
        case = _flexible(case, names)
    return case, regime


def _flexible(case: Case, names: pd.Index) -> Case:
    idle, reach = _idle_cost(case), case.availability.max()
    unit, fleet = units(case).index, fleets(case).index
    changed = on_copy(case)
    n = changed._n
    least = n.get_switchable_as_dense("Generator", "p_min_pu")[names].clip(upper=0.0)
    put(n, "generators", "p_min_pu", least)
    leave_heat(n, names)
    for way, jump in (("up", "ramp_limit_start_up"), ("down", "ramp_limit_shut_down")):
        limit = n.get_switchable_as_dense("Generator", f"ramp_limit_{way}")[names]
        limit = limit.loc[:, limit.notna().any()]
        start = pd.Series(0.0, limit.columns)
        start.update(n.generators[jump].reindex(unit.intersection(limit.columns)))
        start.update(case.generators["min_stable_pu"][fleet.intersection(limit.columns)])
        put(n, "generators", f"ramp_limit_{way}", limit.clip(lower=start, axis="columns"))
    cost = n.get_switchable_as_dense("Generator", "marginal_cost")[idle.columns]
    flat = idle.columns[~idle.columns.isin(case.ladders["generator"])]
    put(n, "generators", "marginal_cost", (cost + idle / reach[idle.columns])[flat])
    n.generators.loc[names, "committable"] = False
    if "min_stable_pu" in n.generators:
        n.generators.loc[names, "min_stable_pu"] = 0.0
    changed.ladders = _hulls(case.ladders, idle.mean())
    changed.still_on = {name: left for name, left in case.still_on.items() if name not in names}
    key = "generators_t.p_min_pu"
    if key in changed.forecast:
        expected = changed.forecast[key]
        mine = expected.columns.intersection(names)
        expected = expected.assign(**{name: expected[name].clip(upper=0.0) for name in mine})
        changed.forecast = {**changed.forecast, key: expected}
    return changed


def _idle_cost(case: Case) -> pd.DataFrame:
    """No-load cost of all that is committed, with all of it on, [snapshot x generator] in money/h.

    No columns for those without.
    """
    table, unit = case.generators, units(case).index
    fleet = fleets(case).index
    of_units = case.dense("Generator", "stand_by_cost")[unit]
    of_fleets = case.availability[fleet].max() * table.loc[fleet, "no_load_cost"]
    of_fleets = pd.DataFrame(
        np.tile(of_fleets.to_numpy(), (len(case.snapshots), 1)), case.snapshots, fleet
    )
    both = pd.concat([of_units, of_fleets], axis=1)
    return both.loc[:, (both > 0).any() & (case.availability[both.columns].max() > 0)]


def _hulls(ladders: pd.DataFrame, idle: pd.Series) -> pd.DataFrame:
    """Cost curves with no-load cost in them: up to the output of least mean cost, that cost.

    The lower convex envelope of no output at no cost and of the curve.
    """
    ladders = ladders.copy()
    for name, ladder in ladders.groupby("generator"):
        if name in idle:
            width, price = ladder["width_mw"].to_numpy(), ladder["price"].to_numpy()
            mean = (idle[name] + (width * price).cumsum()) / width.cumsum()
            best = int(np.argmin(mean))
            ladders.loc[ladder.index[: best + 1], "price"] = mean[best]
    return ladders


def relax_network(case: Case, regime: Regime) -> tuple[Case, Regime]:
    """Let links, lines and transformers carry whatever they are asked to.

    Losses, fees, directions, Kirchhoff's laws and what trade rules say hold. A link counts if both
    its ends are electric, or of one carrier; others convert.

    Raises
    ------
    InputError
        If reserves are required for the largest infeed, which follows the ratings of links.
    """
    n, links = case._n, electric_links(case)
    lines, transformers = (table.index[table["s_nom"] > 0] for table in (n.lines, n.transformers))
    if not len(links) + len(lines) + len(transformers):
        return case, regime
    products = case.market.services.products
    follow = [
        name
        for name, product in products.items()
        if any(item.largest_infeed for item in product.requirements)
    ]
    if follow and len(links) and regime.procurement is not None:
        what = f"the largest infeed without limits of links has no size: {name_list(follow)}"
        raise InputError([Fault("network: services.products", what, "state mw, or leave it out")])
    changed = on_copy(case)
    n = changed._n
    # More than can be generated or used in all: nothing ever reaches it.
    plenty = float(case.dense("Load", "p_set").abs().sum(axis=1).max())
    for table in (n.generators, n.storage_units):
        plenty += float(table["p_nom"].where(np.isfinite(table["p_nom"]), 0.0).sum())
    ahead = (case.dense("Link", "p_max_pu")[links] > 0).any()
    back = (case.dense("Link", "p_min_pu")[links] < 0).any()
    for column, share in (("p_max_pu", 1.0 * ahead), ("p_min_pu", -1.0 * back)):
        series = n.links_t[column]
        n.links_t[column] = series.drop(columns=links, errors="ignore")
        n.links.loc[links, column] = share
    n.links.loc[links, "p_nom"] = plenty
    for branches, series, names in (
        (n.lines, n.lines_t, lines), (n.transformers, n.transformers_t, transformers),
    ):  # fmt: skip
        branches.loc[names, "s_nom"] = plenty
        branches.loc[names, "s_max_pu"] = 1.0
        series["s_max_pu"] = series["s_max_pu"].drop(columns=names, errors="ignore")
    return changed, regime


def relax_barrier(case: Case, regime: Regime) -> tuple[Case, Regime]:
    """Clear all provinces at once, with the capacity, losses and fees of the ties only."""
    trade = next(rule for rule in regime.rules if rule.role == "trade")
    if type(trade) is Coupled or not len(case.corridors):
        return case, regime
    return case, _with(regime, trade, Coupled())


def relax_dispatch_rule(case: Case, regime: Regime) -> tuple[Case, Regime]:
    """Dispatch by cost; the carbon price stays in offers where the regime has it there."""
    dispatch = next(rule for rule in regime.rules if rule.role == "dispatch")
    assert isinstance(dispatch, DispatchRule)
    by_cost = (
        isinstance(dispatch, MeritOrder)
        and dispatch.commitment == "hourly"
        and not (dispatch.submitted and case.offers is not None)
        and not dispatch.offer(case)
    )
    if by_cost:
        return case, regime
    return case, _with(regime, dispatch, MeritOrder(offers="cost", units=dispatch.units))


def relax_quota(case: Case, regime: Regime) -> tuple[Case, Regime]:
    """Let load factors of quota units differ; commitment stays as the dispatch rule has it."""
    dispatch = next(rule for rule in regime.rules if rule.role == "dispatch")
    if not isinstance(dispatch, EqualShares):
        return case, regime
    # A band of 1 around a level that is found leaves everything from 0 to full load.
    free = dispatch.model_copy(update={"band": 1.0, "load_factor": {}})
    return case, _with(regime, dispatch, free)


def relax_reserves(case: Case, regime: Regime) -> tuple[Case, Regime]:
    """Require no reserves."""
    if regime.procurement is None or not procures(case):
        return case, regime
    return case, regime.energy_alone


def relax_ramping(case: Case, regime: Regime) -> tuple[Case, Regime]:
    """Let generators and links change output and flow at once."""
    found = [
        (table, component, column)
        for table, component in (("generators", "Generator"), ("links", "Link"))
        for column in _RAMPS
        if len(getattr(case._n, table)) and case.dense(component, column).notna().any(axis=None)
    ]
    if not found:
        return case, regime
    changed = on_copy(case)
    n = changed._n
    for table, _, column in found:
        series = getattr(n, f"{table}_t")
        series[column] = series[column].iloc[:, :0]
        getattr(n, table)[column] = np.nan
    for jump in ("ramp_limit_start_up", "ramp_limit_shut_down"):
        n.generators[jump] = 1.0
    return changed, regime


CAUSES: dict[str, Cause] = {
    cause.name: cause
    for cause in (
        Cause("flexibility", relax_flexibility, "minimum output, heat and commitment of plant"),
        Cause("network", relax_network, "ratings of links, lines and transformers"),
        Cause("barrier", relax_barrier, "what trade between provinces is held to"),
        Cause("dispatch_rule", relax_dispatch_rule, "dispatch by anything but cost"),
        Cause("quota", relax_quota, "equal load factors of quota units"),
        Cause("reserves", relax_reserves, "reserve requirements"),
        Cause("ramping", relax_ramping, "ramp limits"),
    )
}
DEFAULT_CAUSES = ("flexibility", "network", "barrier", "dispatch_rule")


def chosen_causes(names: Sequence[str | Cause]) -> list[Cause]:
    """Return causes by name, or as they are.

    Raises
    ------
    InputError
        Naming every one that is unknown or stands twice.
    """
    faults = [
        Fault("causes", f"unknown cause {item!r}", nearest(str(item), CAUSES))
        for item in names
        if not isinstance(item, Cause) and item not in CAUSES
    ]
    found = [item if isinstance(item, Cause) else CAUSES[item] for item in names
             if isinstance(item, Cause) or item in CAUSES]  # fmt: skip
    labels = [cause.name for cause in found]
    for label in sorted({label for label in labels if labels.count(label) > 1}):
        faults.append(Fault("causes", f"{label!r} is given twice", "give each cause its own name"))
    if not names:
        faults.append(Fault("causes", "none given", f"name some of {', '.join(CAUSES)}"))
    if faults:
        raise InputError(faults)
    return found


def _with(regime: Regime, rule: Rule, other: Rule) -> Regime:
    """Return the regime with another rule in the place of one."""
    return replace(regime, rules=tuple(other if item is rule else item for item in regime.rules))


def on_copy(case: Case) -> Case:
    """Return a case on a copy of the network, to be changed."""
    return case._with(case.network(), case.windows, case.seams)


def put(n: pypsa.Network, table: str, column: str, values: pd.DataFrame) -> None:
    """Put numbers into a network: static where they are the same in every snapshot."""
    static, series = getattr(n, table), getattr(n, f"{table}_t")
    same = values.columns[(values == values.iloc[0]).all()]
    series[column] = series[column].drop(columns=values.columns, errors="ignore")
    static.loc[same, column] = values[same].iloc[0]
    rest = values.drop(columns=same)
    if len(rest.columns):
        joined = pd.concat([series[column], rest], axis=1)
        series[column] = joined.rename_axis(columns=series[column].columns.name)
