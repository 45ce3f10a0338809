"""Remedies that add something new: batteries, electric boilers.

One MW of either is small: what it does follows from the marginal values of what is minimised, and
what that changes follows from those of cost and of curtailed energy.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.optimize import linprog

from powermkt.dispatch.sensitivity import COST, CURTAILED, LOOSE, MINIMISED, Sensitivity
from powermkt.dispatch.ties import waste_tie
from powermkt.engine.causes import on_copy
from powermkt.engine.regime import Regime
from powermkt.engine.remedytypes import Newcomer, Remedy, RemedySettings, Slope
from powermkt.errors import Fault, InputError
from powermkt.inputs.case import Case
from powermkt.rules import ElectricBoilers
from powermkt.system.heat import boiler_sites, heat_of, heat_plant, with_boilers

BATTERY = "battery"  # carrier of new storage
_PAYS = -1e-6  # money of the horizon per MW; less is a tie


def new_battery(case: Case, province: str, settings: RemedySettings) -> list[Remedy]:
    """A battery at the bus with most load."""
    buses = case.provinces.index[case.provinces == province]
    load = case.dense("Load", "p_set").T.groupby(case.loads["bus"]).sum().T
    energy = load.reindex(columns=buses, fill_value=0.0).mul(case.weights, axis="index").sum()
    if energy.max() <= 0:
        return []
    bus = str(energy.idxmax())
    return [
        Newcomer(
            name="storage_power",
            where=province,
            apply=partial(_with_battery, bus=bus, settings=settings),
            slope=partial(_battery_slope, bus=bus, settings=settings),
        )
    ]


def _with_battery(
    case: Case, regime: Regime, size: float, bus: str, settings: RemedySettings
) -> tuple[Case, Regime]:
    changed = on_copy(case)
    n = changed._n
    name = f"new {BATTERY} {bus}"
    while name in n.storage_units.index:
        name += "+"
    one_way = settings.round_trip**0.5
    n.add(
        "StorageUnit", name, bus=bus, carrier=BATTERY, p_nom=size,
        max_hours=settings.battery_hours, efficiency_store=one_way, efficiency_dispatch=one_way,
        cyclic_state_of_charge=True,
    )  # fmt: skip
    if BATTERY not in n.carriers.index:
        n.add("Carrier", BATTERY)
    return changed, regime


def _battery_slope(at: Sensitivity, case: Case, bus: str, settings: RemedySettings) -> Slope:
    """What a battery of 1 MW does that earns most at the marginal values of what is minimised."""
    value = {name: at.balance(name)[bus].to_numpy() for name in (MINIMISED, COST, CURTAILED)}
    hours = case._n.snapshot_weightings["stores"].to_numpy(float)
    count, one_way = len(hours), settings.round_trip**0.5
    # Columns: charge, discharge, level; level_t = level_(t-1) + h (e charge - discharge / e).
    every = np.arange(count)
    before = sparse.csr_array((np.ones(count), (every, np.roll(every, 1))))
    step = sparse.eye_array(count) - before
    rows = sparse.hstack(
        [-one_way * sparse.diags_array(hours), sparse.diags_array(hours) / one_way, step]
    ).tocsr()
    price = np.concatenate(
        [
            value[MINIMISED] + (waste_tie(case) * case.weights).to_numpy(),
            -value[MINIMISED],
            np.zeros(count),
        ]
    )
    bounds = [(0.0, 1.0)] * (2 * count) + [(0.0, settings.battery_hours)] * count
    found = linprog(price, A_eq=rows, b_eq=np.zeros(count), bounds=bounds, method="highs")
    taken = found.x[:count] - found.x[count : 2 * count]
    loose = (at.balance(LOOSE)[bus].to_numpy() != 0) & (np.abs(taken) > 1e-9)
    cost, unused = (float(value[name] @ taken) for name in (COST, CURTAILED))
    return Slope(cost, unused, bool(loose.any()))


def electric_boilers(case: Case, settings: RemedySettings) -> list[Remedy]:
    """Boilers beside plant that must run for heat: it may give less while they run."""
    replaced = settings.boiler_efficiency / settings.heat_to_power
    return [
        Newcomer(
            name="electric_boilers",
            where=str(province),
            apply=partial(_with_boilers, province=str(province), replaced=replaced),
            slope=partial(_boiler_slope, province=str(province), replaced=replaced),
        )
        for province in heat_plant(case)["province"].unique()
    ]


def _with_boilers(
    case: Case, regime: Regime, size: float, province: str, replaced: float
) -> tuple[Case, Regime]:
    there = [rule for rule in regime.rules if isinstance(rule, ElectricBoilers)]
    if any(rule.replaced != replaced for rule in there):
        what, remedy = "boilers of another kind are there", "give them the same `replaced`"
        raise InputError([Fault(f"electric boilers in {province}", what, remedy)])
    changed = with_boilers(case, province, size, replaced)
    if there:
        return changed, regime
    return changed, replace(regime, rules=(*regime.rules, ElectricBoilers(replaced=replaced)))


def _boiler_slope(at: Sensitivity, case: Case, province: str, replaced: float) -> Slope:
    """What boilers of 1 MW do that pay at the marginal values of what is minimised."""
    found = [
        (share, _boiler_at(at, case, str(bus), replaced))
        for bus, share in boiler_sites(case, province).items()
    ]
    return Slope(
        sum(share * slope.cost for share, slope in found),
        sum(share * slope.curtailed for share, slope in found),
        any(slope.loose for _, slope in found),
    )


def _boiler_at(at: Sensitivity, case: Case, bus: str, replaced: float) -> Slope:
    """Slope of boilers at one bus.

    Hour by hour where it pays; and through all hours at which a plant's heat holds its online
    capacity up, where that pays for all of them.
    """
    heat = heat_of(case, bus)
    total = heat.sum(axis=1)
    share = heat.div(total.where(total > 0), axis="index").fillna(0.0)
    programme, small = at.programme, 2.0**-10
    place = programme.variables["Generator-p"][heat.columns].to_numpy()
    bound = (heat > 0).to_numpy() & (np.abs(at.lower[place] - heat.to_numpy()) < 1e-6)
    lower = at.lower.copy()
    lower[place[bound]] -= small * replaced * share.to_numpy()[bound]
    change = at.of_bounds(lower, at.upper)
    hourly, jointly = {}, {}
    for name in (MINIMISED, COST, CURTAILED, LOOSE):
        part = programme.frame("Generator-p", change.columns[name])[heat.columns] / small
        hourly[name] = part.sum(axis=1) + at.balance(name)[bus]
        jointly[name] = pd.Series(0.0, heat.columns)
        if "Fleet-online" in programme.variables:
            level = programme.variables["Fleet-online"]
            mine = heat.columns.intersection(level.columns)
            part = programme.frame("Fleet-online", change.columns[name])[mine] / small
            one = [len(level) == 1 or level[plant].iloc[0] in at.held for plant in mine]
            jointly[name] = part.loc[:, one].sum()
            if len(level) > 1:
                hourly[name] += part.loc[:, [not item for item in one]].sum(axis=1)
    hourly[MINIMISED] += waste_tie(case) * case.weights  # as `declared_order` has it
    gain = hourly[MINIMISED].where(total > 0, np.inf)
    runs = gain < _PAYS * case.weights
    taken: list[str] = []
    peaks = {plant: heat[plant] >= heat[plant].max() - 1e-6 for plant in jointly[COST].index}
    every = pd.concat(peaks, axis=1).any(axis=1) if peaks else runs & False
    for plants, hours in [(list(peaks), every), *(([plant], at_) for plant, at_ in peaks.items())]:
        new = [plant for plant in plants if plant not in taken]
        if jointly[MINIMISED][new].sum() + gain[hours & ~runs].sum() < _PAYS:
            runs, taken = runs | hours, taken + new
    cost, unused = (
        float(hourly[name][runs].sum() + jointly[name][taken].sum()) for name in (COST, CURTAILED)
    )
    return Slope(cost, unused, bool((hourly[LOOSE][runs] != 0).any()))
