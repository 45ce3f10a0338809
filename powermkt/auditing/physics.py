"""Whether an outcome is physically possible, from its quantities and the network alone.

Nothing here is taken from the programme that was solved: balances and limits are written down again
from the equations of the network (Brown, Hörsch, Schlachtberger 2018, doi:10.5334/jors.188).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from powermkt.common.findings import AuditReport, Finding, apart, beyond, key
from powermkt.dispatch.outcome import Outcome
from powermkt.inputs.case import Case
from powermkt.system.products import book_of

# What the solver leaves of limits and balances: 1e-7 MW in its programme, ten times that here.
_MW = 1e-6
_SHARE = 1e-9  # of what is added up


def audit_physics(
    report: AuditReport, case: Case, outcome: Outcome, where: str, handed_on: bool = False
) -> None:
    """Check energy balances, storage, limits and reserves.

    Parameters
    ----------
    report : AuditReport
        Takes what is found.
    case : Case
    outcome : Outcome
        Of the snapshots of `case`.
    where : str
        Key of the run.
    handed_on : bool, default False
        Whether levels at the edges of windows come from elsewhere: they are then left out.
    """
    _check_numbers(report, outcome, where)
    _check_balance(report, case, outcome, where)
    _check_limits(report, case, outcome, where)
    _check_storage(report, case, outcome, where, handed_on)
    _check_reserves(report, case, outcome, where)


def _check_numbers(report: AuditReport, outcome: Outcome, where: str) -> None:
    for name in ("dispatch", "flows", "storage", "state_of_charge", "spill", "shed", "excess"):
        frame = getattr(outcome, name)
        bad = ~np.isfinite(frame.to_numpy(dtype=float))
        if bad.any():
            report.add([Finding(f"evidence: {name}", where, "holds no finite number")])


def _check_balance(report: AuditReport, case: Case, outcome: Outcome, where: str) -> None:
    """Generation, storage and imports of each bus and hour are what is served and sent away."""
    n, buses = case._n, case._n.buses.index
    total, turnover = (pd.DataFrame(0.0, case.snapshots, buses) for _ in range(2))

    def enter(frame: pd.DataFrame, bus: pd.Series) -> None:
        at = bus[bus.isin(buses)]
        part = frame[at.index].set_axis(at.to_numpy(), axis="columns").T
        for target, values in ((total, part), (turnover, part.abs())):
            found = values.groupby(level=0).sum().T
            target[found.columns] += found

    enter(outcome.dispatch * n.generators["sign"], n.generators["bus"])
    for table in (n.storage_units, n.stores):
        enter(outcome.storage[table.index] * table["sign"], table["bus"])
    load = case.dense("Load", "p_set") * n.loads["sign"]
    for change in (outcome.elastic, outcome.shifted):
        sign = n.loads["sign"].reindex(change.columns)
        load = load.add(change * sign, fill_value=0.0)[load.columns]
    enter(load, n.loads["bus"])
    for frame, sign in ((outcome.shed, 1.0), (outcome.excess, -1.0)):
        enter(sign * frame, pd.Series(frame.columns, frame.columns))
    for table in (n.lines, n.transformers):
        enter(-outcome.flows[table.index], table["bus0"])
        enter(outcome.flows[table.index], table["bus1"])
    enter(-outcome.flows[n.links.index], n.links["bus0"])
    for end in n.links.columns[n.links.columns.str.fullmatch(r"bus[1-9]\d*")]:
        port = end.removeprefix("bus")
        share = case.dense("Link", "efficiency" if port == "1" else f"efficiency{port}")
        enter(outcome.flows[n.links.index] * share[n.links.index], n.links[end].fillna(""))
    kept = [bus for bus in buses if bus in case.provinces.index]
    error = total[kept].abs() - _SHARE * turnover[kept]
    report.add(
        beyond("evidence: energy balance", error, _MW, "balance of a bus [MW]",
               ("snapshot", "bus"), where),
        "balances of buses", error.size,
    )  # fmt: skip


def _check_limits(report: AuditReport, case: Case, outcome: Outcome, where: str) -> None:
    n, out = case._n, outcome
    size = case.availability.abs()

    def at_most(
        table: str, value: pd.DataFrame, limit: pd.DataFrame, what: str
    ) -> None:  # fmt: skip
        limit = limit[value.columns]
        slack = _MW + _SHARE * limit.abs().where(np.isfinite(limit), 0.0)
        excess = (value - limit).where(np.isfinite(limit), -1.0)
        report.add(beyond(f"evidence: {table}", excess, slack, what, where=where),
                   "limits of plant and branches", value.size)  # fmt: skip

    at_most("dispatch", out.dispatch, case.availability, "output beyond what is available [MW]")
    at_most("dispatch", -out.dispatch, -case.must_run, "output below its least [MW]")
    units = out.status.columns
    if len(units):
        on = (out.status * size[units]).reindex(columns=units)
        at_most("dispatch", out.dispatch[units], on, "output of a unit that is off [MW]")
    branches = (
        ("Link", n.links, "p"),
        ("Line", n.lines, "s"),
        ("Transformer", n.transformers, "s"),
    )
    for kind, table, letter in branches:
        names = table.index
        top = case.dense(kind, f"{letter}_max_pu") * table[f"{letter}_nom"]
        low = case.dense(kind, "p_min_pu") * table["p_nom"] if kind == "Link" else -top
        over = out.overload.reindex(columns=names, fill_value=0.0)
        if len(names):
            at_most("flows", out.flows[names] - over, top, "flow beyond its limit [MW]")
            at_most("flows", -out.flows[names] - over, -low, "flow below its limit [MW]")
    zero = 0.0 * out.dispatch.iloc[:, :0]
    load = case.dense("Load", "p_set")
    for change in (out.elastic, out.shifted):
        load = load.add(change, fill_value=0.0)[load.columns]
    peak = load.clip(lower=0.0).T.groupby(n.loads["bus"]).sum().T
    shed = out.shed
    at_most(
        "shed", shed, peak.reindex(columns=shed.columns, fill_value=0.0), "more shed than asked"
    )
    for name, frame in (("shed", shed), ("excess", out.excess), ("spill", out.spill),
                        ("overload", out.overload)):  # fmt: skip
        at_most(name, -frame, zero.reindex(columns=frame.columns, fill_value=0.0), "below zero")
    for kind, table in (("StorageUnit", n.storage_units), ("Store", n.stores)):
        names, level = table.index, out.state_of_charge[table.index]
        if not len(names):
            continue
        letter, nominal = ("p", table["p_nom"]) if kind == "StorageUnit" else ("e", table["e_nom"])
        top = case.dense(kind, f"{letter}_max_pu") * nominal
        low = case.dense(kind, f"{letter}_min_pu") * nominal
        if kind == "StorageUnit":
            at_most("storage", out.storage[names], top, "storage gives more than it can [MW]")
            at_most("storage", -out.storage[names], -low, "storage takes more than it can [MW]")
            top = pd.DataFrame(1.0, level.index, names) * (table["max_hours"] * nominal)
            low = 0.0 * top
        at_most("state_of_charge", level, top, "level beyond what can be stored [MWh]")
        at_most("state_of_charge", -level, -low, "level below its least [MWh]")


def _check_storage(
    report: AuditReport, case: Case, outcome: Outcome, where: str, handed_on: bool
) -> None:
    """A level is that of the hour before, less losses, with what came in and went out."""
    n = case._n
    hours = n.snapshot_weightings["stores"]
    units, stores = n.storage_units, n.stores
    names = [*units.index, *stores.index]
    if not names:
        return
    net, level = outcome.storage[names], outcome.state_of_charge[names]

    def dense(attribute: str) -> pd.DataFrame:
        return case.dense("StorageUnit", attribute)[units.index]

    # What cannot discharge gives nothing.
    gives, takes = dense("efficiency_dispatch").replace(0.0, 1.0), dense("efficiency_store")
    loss = pd.concat([dense("standing_loss"), case.dense("Store", "standing_loss")], axis=1)[names]
    spill = outcome.spill.reindex(columns=units.index, fill_value=0.0)
    own = net[units.index]
    gain = dense("inflow") - spill - own.clip(lower=0.0) / gives - own.clip(upper=0.0) * takes
    change = pd.concat([gain, -net[stores.index]], axis=1)[names].mul(hours, axis="index")
    # Charging and discharging at once takes no more than both at full power would lose.
    burnt = ((1 / gives - takes).clip(lower=0.0) * units["p_nom"]).mul(hours, axis="index")
    burnt = burnt.reindex(columns=names, fill_value=0.0)
    kept = (1 - loss).pow(hours, axis="index")
    cyclic = pd.concat([units["cyclic_state_of_charge"], stores["e_cyclic"]]).astype(bool)
    initial = pd.concat([units["state_of_charge_initial"], stores["e_initial"]])
    for label, index in case.windows.items():
        before = level.loc[index].shift() * kept.loc[index]
        first, last = index[0], index[-1]
        before.loc[first] = (level.loc[last] * kept.loc[first]).where(cyclic.to_numpy(), initial)
        if case.seams is not None:
            start = case.seams.start.loc[label].reindex(names)
            before.loc[first] = start.fillna(before.loc[first])
        rows = index[1:] if handed_on or case.seams is not None else index
        expected = before.loc[rows] + change.loc[rows]
        scale = _MW + _SHARE * (level.loc[rows].abs() + change.loc[rows].abs())
        away = level.loc[rows] - expected
        report.add(
            beyond("evidence: state_of_charge", away, scale, "storage gains energy [MWh]",
                   where=where),
            "levels of storage", away.size,
        )  # fmt: skip
        report.add(
            beyond("evidence: state_of_charge", -away - burnt.loc[rows], scale,
                   "storage loses energy [MWh]", where=where)
        )  # fmt: skip


def _check_reserves(report: AuditReport, case: Case, outcome: Outcome, where: str) -> None:
    """What is awarded in a zone and what is short meet what is required."""
    required = outcome.reserve_required
    book = book_of(case)
    if book is None or not required.shape[1]:
        return
    awards = outcome.reserve
    report.add(beyond("evidence: reserve", -awards, _MW, "award below zero", where=where),
               "reserve awards", awards.size)  # fmt: skip
    for zone in book.zones:
        if zone.key not in required.columns:
            continue
        inside = [c for c in awards.columns if c[0] == zone.product and c[2] in zone.members]
        held = awards[inside].sum(axis=1) + outcome.reserve_short[zone.key]
        lacking = (required[zone.key] - held).to_frame()
        report.add(
            beyond("evidence: reserve", lacking, _MW + _SHARE * float(required[zone.key].max()),
                   "requirement neither met nor short [MW]", where=where),
            "reserve requirements", len(lacking),
        )  # fmt: skip
        report.add(
            apart("evidence: reserve_required", required[[zone.key]],
                  zone.mw.to_frame(zone.key), _MW, "requirement of the market file", where=where)
        )  # fmt: skip


def run_key(regime: str, carbon_price: float) -> str:
    """Key of a run as findings name it."""
    return key(regime=regime, carbon_price=f"{carbon_price:g}")
