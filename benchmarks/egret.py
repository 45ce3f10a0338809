"""Commit and dispatch one day of RTS-GMLC with powermkt and with EGRET, in one run.

    python -m benchmarks.egret [--date 2020-07-10] [--gap 1e-4]

EGRET (Knueven, Ostrowski and Watson 2020, doi:10.1287/ijoc.2019.0944) writes a programme of its
own, the "tight" one, on the network of the same `Case`; both go to the same HiGHS with the same
options and the same gap. Two things must hold, or the command fails: the intervals between bound
and objective overlap, and each side, given the commitment of the other, finds the same cost.

Needs `pip install 'powermkt[validation]'`. What is set so that both mean the same:

* storage begins and ends the day half full, as EGRET knows no level that repeats itself; EGRET may
  charge and discharge at once, as PyPSA may, and must end at that level, not above it;
* excess costs as much as unserved load, as EGRET has one penalty;
* no reserve is required; a start costs what it costs from cold; branches have PyPSA's reactances.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyomo.environ as pyo
from egret.data.model_data import ModelData
from egret.model_library.unit_commitment.uc_model_generator import SlackType
from egret.models.unit_commitment import create_tight_unit_commitment_model
from pyomo.contrib.appsi.solvers import Highs
from rich.console import Console
from rich.table import Table

import powermkt as pm
from benchmarks.measure import silence
from benchmarks.study import quieten
from powermkt.dispatch.clearing import Builder
from powermkt.inputs import rts_gmlc
from powermkt.inputs.levels import bind_levels
from powermkt.methods.mip import _OPTIONS, UnitCommitment
from powermkt.system.units import STATUS

_BASE_MVA = 100.0
_TOLERANCE = 1e-6  # relative, of objectives
_UNSERVED = 10_000.0  # USD/MWh, of unserved load and of excess


@dataclass(frozen=True)
class Answer:
    """What one side found.

    Attributes
    ----------
    objective, bound : float
        Of the best commitment, and below which none can be [USD].
    seconds, solver_seconds : float
        From the case to the objective, and those of the search for a commitment [s].
    """

    objective: float
    bound: float
    seconds: float
    solver_seconds: float


def main() -> None:
    """Solve the day on both sides, print what they found and fail where they disagree."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.egret")
    parser.add_argument("--date", default="2020-07-10", help="day of 2020")
    parser.add_argument("--gap", type=float, default=1e-4, help="relative gap of both searches")
    options = parser.parse_args()
    quieten()
    case = day(options.date)
    with silence():
        ours, status = by_powermkt(case, options.gap)
        theirs, model = by_egret(case, options.gap)
        here = at_powermkt(
            case,
            pd.DataFrame(
                {
                    unit: [pyo.value(model.UnitOn[unit, i]) for i in model.TimePeriods]
                    for unit in status
                },
                index=status.index,
            ),
        )
        there = at_egret(model, status)
    table = Table(title=f"RTS-GMLC, {options.date}, gap {options.gap:g}", width=80)
    for head in ("", "objective USD", "bound USD", "gap", "seconds", "in HiGHS"):
        table.add_column(head, justify="left" if not head else "right")
    for name, answer in (("powermkt", ours), ("EGRET", theirs)):
        gap = (answer.objective - answer.bound) / answer.objective
        table.add_row(
            name, f"{answer.objective:,.2f}", f"{answer.bound:,.2f}", f"{gap:.2e}",
            f"{answer.seconds:.1f}", f"{answer.solver_seconds:.1f}",
        )  # fmt: skip
    Console(width=80).print(table)
    slack = _TOLERANCE * ours.objective
    overlap = max(ours.bound, theirs.bound) <= min(ours.objective, theirs.objective) + slack
    off = (there / ours.objective - 1, here / theirs.objective - 1)
    print(f"intervals [bound, objective] overlap: {'yes' if overlap else 'NO'}")
    print(f"EGRET with powermkt's commitment: {there:,.2f} USD, {off[0]:+.1e} of powermkt's")
    print(f"powermkt with EGRET's commitment: {here:,.2f} USD, {off[1]:+.1e} of EGRET's")
    if not overlap or max(map(abs, off)) > _TOLERANCE:
        sys.exit("powermkt and EGRET differ")


def day(date: str) -> pm.Case:
    """Return one day, on which storage begins and ends half full."""
    n, _ = rts_gmlc.build()
    n.set_snapshots(n.snapshots[n.snapshots.normalize() == pd.Timestamp(date)])
    storage = n.storage_units
    half = storage["p_nom"] * storage["max_hours"] / 2
    bind_levels(n, half, half)
    market = pm.Market(value_of_lost_load=_UNSERVED, price_of_excess=_UNSERVED)
    return pm.Case(n, market, name="rts_gmlc")


def by_powermkt(case: pm.Case, gap: float) -> tuple[Answer, pd.DataFrame]:
    """Clear the day; return what was found and what units do, [snapshot x unit]."""
    dispatch = {"rule": "MeritOrder", "units": {"gap": gap}}
    regime = pm.regime({"extends": "full_market", "dispatch": dispatch})
    began = time.perf_counter()
    outcome = pm.clear(case, regime).outcome
    seconds = time.perf_counter() - began
    search = outcome.search.iloc[0]
    answer = Answer(outcome.cost, float(search["bound"]), seconds, float(search["seconds"]))
    return answer, outcome.status


def by_egret(case: pm.Case, gap: float) -> tuple[Answer, pyo.ConcreteModel]:
    """Solve the day with EGRET; return what was found and its model."""
    began = time.perf_counter()
    model = create_tight_unit_commitment_model(
        ModelData(model_data(case)),
        network_constraints="btheta_power_flow",
        slack_type=SlackType.BUS_BALANCE,
    )
    _as_pypsa_stores(model)
    solver = _highs(gap)
    start = time.perf_counter()
    result = solver.solve(model)
    done = time.perf_counter()
    answer = Answer(
        float(result.best_feasible_objective),
        float(result.best_objective_bound),
        done - began,
        done - start,
    )
    return answer, model


def at_powermkt(case: pm.Case, status: pd.DataFrame) -> float:
    """Objective of powermkt's programme where units do what they are told, [snapshot x unit]."""
    rules = pm.regime("full_market").rules
    programme = Builder(case).programme([rule.constrain for rule in rules])
    told = {STATUS: (status.round(), status.round())}
    bounds = programme.bounds([*(rule.limit(case) for rule in rules), told])
    return programme.commit(programme.cost, *bounds, UnitCommitment(gap=0.0)).objective


def at_egret(model: pyo.ConcreteModel, status: pd.DataFrame) -> float:
    """Objective of EGRET's model where units do what they are told, [snapshot x unit]."""
    for unit in status:
        for period, on in enumerate(status[unit].to_numpy(), start=1):
            model.UnitOn[unit, period].fix(round(on))
    return float(_highs(0.0).solve(model).best_feasible_objective)


def _highs(gap: float) -> Highs:
    """HiGHS as powermkt uses it."""
    solver = Highs()
    solver.config.mip_gap = gap
    solver.config.stream_solver = False
    solver.highs_options = dict(_OPTIONS)
    return solver


def _as_pypsa_stores(model: pyo.ConcreteModel) -> None:
    """Let storage charge and discharge at once, and end where it must."""
    for variable in (model.InputStorage, model.OutputStorage):
        for item in variable.values():
            item.domain = pyo.UnitInterval
    model.InputOutputComplementarity.deactivate()
    last = model.TimePeriods.last()
    for name in model.Storage:
        model.SocStorage[name, last].fix(pyo.value(model.EndPointSocStorage[name]))


# ---- the case as EGRET reads it --------------------------------------------------------------


def model_data(case: pm.Case) -> dict[str, Any]:
    """Return the network of a case as EGRET's ModelData dictionary."""
    n = case.network()
    n.calculate_dependent_values()
    reference = str(n.buses.index[0])
    return {
        "system": {
            "name": case.name,
            "baseMVA": _BASE_MVA,
            "reference_bus": reference,
            "reference_bus_angle": 0.0,
            "time_keys": [str(time) for time in case.snapshots],
            "time_period_length_minutes": 60,
            "load_mismatch_cost": case.market.value_of_lost_load,
        },
        "elements": {
            "bus": {
                name: {"base_kv": kv, "matpower_bustype": "ref" if name == reference else "PV"}
                for name, kv in n.buses["v_nom"].items()
            },
            "load": {
                name: {"bus": case.loads.loc[str(name), "bus"], "p_load": _over_time(series)}
                for name, series in case.dense("Load", "p_set").items()
            },
            "branch": {
                name: {
                    "from_bus": row["bus0"], "to_bus": row["bus1"], "in_service": True,
                    "branch_type": "line", "reactance": row["x_pu_eff"] * _BASE_MVA,
                    "rating_long_term": row["s_nom"] * row["s_max_pu"],
                    "angle_diff_min": -90.0, "angle_diff_max": 90.0,
                }
                for table in (n.lines, n.transformers)
                for name, row in table.iterrows()
            },
            "dc_branch": {
                name: {"from_bus": row["bus0"], "to_bus": row["bus1"], "in_service": True,
                       "rating_long_term": row["p_nom"]}
                for name, row in n.links.iterrows()
            },
            "generator": {**_units(case), **_others(case)},
            "storage": {name: _storage(row) for name, row in n.storage_units.iterrows()},
        },
    }  # fmt: skip


def _over_time(series: pd.Series) -> dict[str, Any]:
    return {"data_type": "time_series", "values": series.tolist()}


def _units(case: pm.Case) -> dict[Any, dict[str, Any]]:
    """Units that are committed, with the cost of output from their minimum up [USD/h]."""
    n, found = case.network(), {}
    units = n.generators[n.generators["committable"]]
    ladders = dict(iter(case.ladders.groupby("generator")))
    for name, row in units.iterrows():
        steps = ladders[name]
        top = steps["width_mw"].cumsum()
        money = row["stand_by_cost"] + (steps["width_mw"] * steps["price"]).cumsum()
        found[name] = {
            "bus": row["bus"], "generator_type": "thermal", "in_service": True,
            "fuel": row["carrier"],
            "p_min": row["p_nom"] * row["p_min_pu"], "p_max": row["p_nom"],
            "p_cost": {"data_type": "cost_curve", "cost_curve_type": "piecewise",
                       "values": list(zip(top, money, strict=True))},
            "startup_cost": [(row["min_down_time"], row["start_up_cost"])],
            "shutdown_cost": row["shut_down_cost"],
            "min_up_time": row["min_up_time"], "min_down_time": row["min_down_time"],
            "ramp_up_60min": row["p_nom"] * row["ramp_limit_up"],
            "ramp_down_60min": row["p_nom"] * row["ramp_limit_down"],
            "startup_capacity": row["p_nom"] * row["ramp_limit_start_up"],
            "shutdown_capacity": row["p_nom"] * row["ramp_limit_shut_down"],
            "initial_status": row["up_time_before"], "initial_p_output": row["p_init"],
        }  # fmt: skip
    return found


def _others(case: pm.Case) -> dict[Any, dict[str, Any]]:
    """Wind, sun and water."""
    n = case.network()
    most, least = case.availability, case.must_run
    return {
        name: {
            "bus": row["bus"], "generator_type": "renewable", "in_service": True,
            "fuel": row["carrier"],
            "p_min": _over_time(least[name]), "p_max": _over_time(most[name]),
        }
        for name, row in n.generators[~n.generators["committable"]].iterrows()
    }  # fmt: skip


def _storage(row: pd.Series) -> dict[str, Any]:
    energy = row["p_nom"] * row["max_hours"]
    level = row["state_of_charge_initial"] / energy
    ramps = {f"ramp_{way}_{kind}_60min": row["p_nom"]
             for way in ("up", "down") for kind in ("input", "output")}  # fmt: skip
    return {
        "bus": row["bus"], "in_service": True, "energy_capacity": energy,
        "max_discharge_rate": row["p_nom"], "max_charge_rate": -row["p_nom"] * row["p_min_pu"],
        "charge_efficiency": row["efficiency_store"],
        # EGRET 0.6 reads the second spelling
        "discharge_efficiency": row["efficiency_dispatch"],
        "discharge_efficienty": row["efficiency_dispatch"],
        "initial_state_of_charge": level, "end_state_of_charge": level, **ramps,
    }  # fmt: skip


if __name__ == "__main__":
    main()
