"""The lean programme against stock PyPSA: objective, quantities, and the dual of every row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import linopy
import numpy as np
import pandas as pd
import pypsa
import pytest
import xarray as xr
from conftest import NETWORKS
from toys import add_rows, random_case

import powermkt as pm
from benchmarks.stock import SOLVER, model, offered, stock
from powermkt.dispatch.programme import Point, Programme
from powermkt.engine.regime import regime
from powermkt.system.fleet import HELD

HOURS = 12
FOLDERS = sorted(path.parent.name for path in NETWORKS.glob("*/market.yaml"))
SLOW = ("rts_gmlc", "china")
TWO_SEEDS = (0, pytest.param(1, marks=pytest.mark.slow))
PRESETS = ("fixed_tariff", "priority_dispatch", "full_market")


# ---- networks of one kind of component each ----------------------------------------------------


def base(rng: np.random.Generator, hours: int = HOURS) -> pypsa.Network:
    """Three buses joined by links, each with coal, gas, wind and load, every number noisy."""
    n = pypsa.Network()
    n.set_snapshots(pd.date_range("2022-01-03", periods=hours, freq="h"))
    for column in ("objective", "generators"):
        n.snapshot_weightings[column] = 2.5
    n.add("Carrier", ["coal", "gas", "onshore wind", "AC"])
    n.add("Bus", list("ABC"), v_nom=220.0, carrier="AC")
    loads: dict[str, dict[str, object]] = {}
    plant: dict[str, dict[str, object]] = {}
    for bus, scale in zip("ABC", (1.0, 0.7, 1.6), strict=True):
        loads[f"load {bus}"] = {"bus": bus, "p_set": scale * rng.uniform(80, 240, hours)}
        plant[f"coal {bus}"] = {
            "bus": bus, "carrier": "coal", "p_nom": rng.uniform(90, 140),
            "marginal_cost": rng.uniform(200, 400, hours),
        }  # fmt: skip
        plant[f"gas {bus}"] = {
            "bus": bus, "carrier": "gas", "p_nom": 500 + rng.uniform(0, 10),
            "marginal_cost": rng.uniform(500, 700, hours),
        }  # fmt: skip
        plant[f"wind {bus}"] = {
            "bus": bus, "carrier": "onshore wind", "p_nom": 90,
            "marginal_cost": rng.uniform(0, 5, hours), "p_max_pu": rng.uniform(0, 1, hours),
        }  # fmt: skip
    add_rows(n, "Load", loads)
    add_rows(n, "Generator", plant)
    n.generators_t["p_max_pu"].iloc[3] = 0.0  # both bounds of wind meet
    links: dict[str, dict[str, object]] = {
        f"{a}{b}": {
            "bus0": a, "bus1": b, "carrier": "AC", "p_nom": rng.uniform(20, 60),
            "efficiency": rng.uniform(0.93, 0.97), "marginal_cost": rng.uniform(1, 3, hours),
        }
        for a, b in ("AB", "BC", "CA")
    }  # fmt: skip
    add_rows(n, "Link", links)
    return n


def storage(rng: np.random.Generator) -> pypsa.Network:
    """Reservoirs with inflow, spill, standing loss and losses both ways; one starts as given."""
    n = base(rng)
    for i, (bus, cyclic) in enumerate([("A", True), ("B", False)]):
        n.add(
            "StorageUnit", f"reservoir {i}", bus=bus, p_nom=rng.uniform(40, 60), max_hours=3,
            efficiency_store=0.91, efficiency_dispatch=0.88, standing_loss=0.01,
            inflow=rng.uniform(1, 90, HOURS), cyclic_state_of_charge=cyclic, p_min_pu=-0.6,
            state_of_charge_initial=31.0, marginal_cost=rng.uniform(1, 2, HOURS),
        )  # fmt: skip
    return n


def links(rng: np.random.Generator) -> pypsa.Network:
    """Links that lose, that feed two more outlets, and that run both ways."""
    n = base(rng)
    n.add("Bus", ["heat", "steam"], carrier="AC")
    n.add("Load", ["heat", "steam"], bus=["heat", "steam"], p_set=[17.3, 9.1])
    n.add(
        "Link", "plant", bus0="A", bus1="B", bus2="heat", bus3="steam", p_nom=70.0, p_min_pu=0.1,
        efficiency=0.41, efficiency2=rng.uniform(0.3, 0.5, HOURS), efficiency3=0.1,
        marginal_cost=rng.uniform(2, 4, HOURS),
    )  # fmt: skip
    for bus in ("heat", "steam"):
        n.add(
            "Generator", f"boiler {bus}", bus=bus, p_nom=50, carrier="gas", p_min_pu=-1,
            marginal_cost=rng.uniform(300, 400, HOURS),
        )  # fmt: skip
    n.add("Link", "both", bus0="A", bus1="C", p_nom=25.3, p_min_pu=-0.7,
          marginal_cost=rng.uniform(-1, 1, HOURS))  # fmt: skip
    return n


def mesh(rng: np.random.Generator) -> pypsa.Network:
    """Two cycles of lines and a transformer beside the links."""
    n = base(rng)
    n.add("Bus", "D", v_nom=220.0, carrier="AC")
    n.add("Load", "load D", bus="D", p_set=rng.uniform(20, 40, HOURS))
    n.add("Generator", "gas D", bus="D", p_nom=99, carrier="gas", marginal_cost=801.0)
    for a, b in ("AB", "BC", "CA", "CD"):
        n.add("Line", f"{a}{b}", bus0=a, bus1=b, x=rng.uniform(5, 15), r=0.1,
              s_nom=rng.uniform(15, 40), s_max_pu=0.9)  # fmt: skip
    n.add("Transformer", "AD", bus0="A", bus1="D", x=0.2, s_nom=rng.uniform(15, 40))
    return n


def ramps(rng: np.random.Generator) -> pypsa.Network:
    """Ramp limits on coal, up and down, as PyPSA writes them."""
    n = base(rng)
    coal = n.generators.index[n.generators["carrier"] == "coal"]
    n.generators.loc[coal, "ramp_limit_up"] = rng.uniform(0.05, 0.2, len(coal))
    n.generators.loc[coal, "ramp_limit_down"] = rng.uniform(0.05, 0.2, len(coal))
    return n


def stores(rng: np.random.Generator) -> pypsa.Network:
    """Stores with standing loss between limits that change in time, cyclic and not."""
    n = base(rng)
    for bus, cyclic in (("A", True), ("C", False)):
        n.add(
            "Store", f"tank {bus}", bus=bus, e_nom=rng.uniform(90, 120), e_cyclic=cyclic,
            e_initial=55.0, standing_loss=0.02, marginal_cost=rng.uniform(-1, 1, HOURS),
            e_min_pu=rng.uniform(0.05, 0.2, HOURS), e_max_pu=rng.uniform(0.8, 1, HOURS),
        )  # fmt: skip
    return n


def must_run(rng: np.random.Generator) -> pypsa.Network:
    """Least output that changes in time, so that it binds in some hours; a fixed hour as well."""
    n = base(rng)
    for unit in ("coal A", "coal C"):
        low, high = rng.uniform(0, 0.4, HOURS), np.ones(HOURS)
        low[5] = high[5] = 0.5
        n.generators_t["p_min_pu"][unit] = low
        n.generators_t["p_max_pu"][unit] = high
    return n


def committed(rng: np.random.Generator) -> pypsa.Network:
    """Unit commitment, which PyPSA relaxes to a linear programme."""
    n = base(rng)
    coal = n.generators.index[n.generators["carrier"] == "coal"]
    n.generators.loc[coal, "committable"] = True
    n.generators.loc[coal, "p_min_pu"] = 0.4
    n.generators.loc[coal, "start_up_cost"] = rng.uniform(2e3, 6e3, len(coal))
    n.generators.loc[coal, "shut_down_cost"] = rng.uniform(5e2, 9e2, len(coal))
    n.generators.loc[coal, "min_up_time"] = 3
    return n


KINDS: tuple[Callable[[np.random.Generator], pypsa.Network], ...] = (
    storage, links, mesh, ramps, stores, must_run,
)  # fmt: skip


# ---- both solutions ----------------------------------------------------------------------------


def solved(m: linopy.Model) -> tuple[Programme, Point]:
    """Solve a model by stock linopy and, on its own, by the programme; objectives are equal."""
    programme = Programme(m, HELD)
    cost = programme.cost
    point = programme.solve(cost, programme.lower, programme.upper, {"offer": cost})
    m.solve(solver_name="highs", io_api="direct", **SOLVER)
    assert m.termination_condition == "optimal"
    assert cost @ point.columns == pytest.approx(m.objective.value, rel=1e-9)
    return programme, point


def grid(array: xr.DataArray) -> np.ndarray:
    """Values as [snapshot, name], one row without snapshots."""
    timed = "snapshot" in array.dims
    values = (array.transpose("snapshot", ...) if timed else array).to_numpy()
    return values.reshape(values.shape[0] if timed else 1, -1)


class Rows:
    """The rows of a model as linopy gives them to a solver, with any duals laid onto them."""

    def __init__(self, m: linopy.Model) -> None:
        matrices = m.matrices
        self.model, self.a = m, matrices.A.tocsr()
        self.sense, self.rhs = matrices.sense, matrices.b.astype(float)
        self.cost, self.low, self.high = (
            np.asarray(part, dtype=float) for part in (matrices.c, matrices.lb, matrices.ub)
        )
        self.row = np.full(matrices.clabels.max() + 1, -1)
        self.row[matrices.clabels] = np.arange(len(matrices.clabels))
        self.single = np.diff(self.a.indptr) == 1

    def lay(self, frames: Iterator[tuple[str, np.ndarray]]) -> np.ndarray:
        """Put values by constraint name into one vector [row]."""
        vector = np.full(len(self.rhs), np.nan)
        for name, values in frames:
            labels = grid(self.model.constraints[name].labels)
            assert values.shape == labels.shape, name
            vector[self.row[labels[labels >= 0]]] = values[labels >= 0]
        assert not np.isnan(vector).any()
        return vector

    def named(self) -> Iterator[tuple[str, np.ndarray]]:
        """Rows of each constraint by its name."""
        for name, constraint in self.model.constraints.items():
            labels = grid(constraint.labels)
            yield name, self.row[labels[labels >= 0]]

    def ours(self, programme: Programme, point: Point) -> np.ndarray:
        """Duals of the programme, asked for by the name of every constraint."""
        return self.lay(
            (name, programme.dual(name, point, "offer").to_numpy())
            for name in self.model.constraints
        )

    def stock(self) -> np.ndarray:
        """Duals that linopy read from HiGHS."""
        return self.lay((name, grid(row.dual)) for name, row in self.model.constraints.items())

    def bounding(self, duals: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Duals in which rows that bound one variable at one value carry their sum together."""
        shared = duals.copy()
        tight = self.single & (np.abs(self.a @ x - self.rhs) < 1e-6)
        column = self.a[self.single].indices
        factor = self.a[self.single].data
        ties = np.bincount(column, weights=tight[self.single], minlength=len(x))
        total = np.bincount(column, weights=factor * duals[self.single], minlength=len(x))
        position = np.flatnonzero(self.single)
        several = ties[column] > 1
        shared[position[several]] = total[column[several]]
        return shared


def certify(rows: Rows, y: np.ndarray, x: np.ndarray) -> None:
    """Check that duals prove the optimum, whether or not others would: signs, slackness, values."""
    scale = 1e-6 * np.abs(rows.cost).max()
    slack = rows.a @ x - rows.rhs
    assert (y[rows.sense == ">"] >= -scale).all() and (y[rows.sense == "<"] <= scale).all()
    loose = np.abs(slack) > 1e-5 * (1 + np.abs(rows.rhs))
    assert (np.abs(y[loose]) <= scale).all()
    reduced = rows.cost - rows.a.T @ y
    assert (reduced[x > rows.low + 1e-5] <= scale).all()
    assert (reduced[x < rows.high - 1e-5] >= -scale).all()
    at_bound = np.where(np.abs(reduced) > scale, reduced * x, 0.0).sum()
    assert rows.rhs @ y + at_bound == pytest.approx(rows.cost @ x, rel=1e-6)


def assert_same(m: linopy.Model, prices: float) -> tuple[Programme, Point]:
    """Check objective, every variable and every dual where there is one optimum only."""
    programme, point = solved(m)
    for name, variable in m.variables.items():
        values = programme.values(name, point).to_numpy()
        assert np.allclose(values, np.nan_to_num(grid(variable.solution)), atol=1e-5), name
    rows = Rows(m)
    ours, theirs = rows.ours(programme, point), rows.stock()
    certify(rows, ours, point.columns)
    apart = np.abs(rows.bounding(ours, point.columns) - rows.bounding(theirs, point.columns))
    assert not {name for name, at in rows.named() if (apart[at] > 1e-5 * prices).any()}
    return programme, point


# ---- tests -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", TWO_SEEDS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_quantities_and_all_duals_are_pypsas(
    kind: Callable[[np.random.Generator], pypsa.Network], seed: int
) -> None:
    n = kind(np.random.default_rng(seed))
    assert_same(n.optimize.create_model(include_objective_constant=False), prices=1000.0)


@pytest.mark.parametrize("seed", TWO_SEEDS)
def test_relaxed_unit_commitment_is_pypsas(seed: int) -> None:
    """A unit at rest leaves duals of its commitment free: they must prove the optimum."""
    n = committed(np.random.default_rng(seed))
    m = n.optimize.create_model(include_objective_constant=False, linearized_unit_commitment=True)
    programme, point = solved(m)
    rows = Rows(m)
    certify(rows, rows.ours(programme, point), point.columns)


@pytest.mark.parametrize("price", [pytest.param(0.0, marks=pytest.mark.slow), 60.0])
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("seed", [None, pytest.param(1, marks=pytest.mark.slow)])
def test_clearing_costs_what_stock_pypsa_finds(
    two_province: pm.Case, seed: int | None, preset: str, price: float
) -> None:
    """Resource cost, offers and rankings of what powermkt decides are PyPSA's least."""
    case = two_province if seed is None else random_case(seed)
    run = pm.clear(case, preset, price)
    assert offered(run) == pytest.approx(stock(case, run.regime).objective, rel=1e-6)


# Names of duals on a network, and the constraint each is read from.
MU = {
    ("generators", "mu_upper"): "Generator-fix-p-upper",
    ("generators", "mu_lower"): "Generator-fix-p-lower",
    ("generators", "mu_ramp_limit_up"): "Generator-p-ramp_limit_up",
    ("generators", "mu_ramp_limit_down"): "Generator-p-ramp_limit_down",
    ("links", "mu_upper"): "Link-fix-p-upper",
    ("links", "mu_lower"): "Link-fix-p-lower",
    ("lines", "mu_upper"): "Line-fix-s-upper",
    ("lines", "mu_lower"): "Line-fix-s-lower",
    ("transformers", "mu_upper"): "Transformer-fix-s-upper",
    ("transformers", "mu_lower"): "Transformer-fix-s-lower",
    ("storage_units", "mu_upper"): "StorageUnit-fix-state_of_charge-upper",
    ("storage_units", "mu_lower"): "StorageUnit-fix-state_of_charge-lower",
    ("storage_units", "mu_energy_balance"): "StorageUnit-energy_balance",
    ("stores", "mu_upper"): "Store-fix-e-upper",
    ("stores", "mu_lower"): "Store-fix-e-lower",
    ("stores", "mu_energy_balance"): "Store-energy_balance",
}


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(
            kind, id=kind.__name__, marks=[] if kind in (mesh, storage) else [pytest.mark.slow]
        )
        for kind in KINDS
    ],
)
def test_duals_that_pypsa_assigns_are_found_by_name(
    kind: Callable[[np.random.Generator], pypsa.Network],
) -> None:
    n = kind(np.random.default_rng(7))
    series = n.generators_t  # no hour in which both bounds meet
    series["p_max_pu"] = series["p_max_pu"].clip(lower=0.05) + 0.01
    n.optimize(
        include_objective_constant=False,
        log_to_console=False,
        solver_options=SOLVER,
        assign_all_duals=True,
    )
    programme = Programme(n.model)
    cost = programme.cost
    point = programme.solve(cost, programme.lower, programme.upper, {"offer": cost})
    compared = 0
    for (table, attribute), name in MU.items():
        theirs = getattr(n, f"{table}_t")[attribute]
        if theirs.empty or name not in n.model.constraints:
            continue
        ours = programme.dual(name, point, "offer")
        assert set(ours.columns) == set(theirs.columns), name
        ours = ours.reindex(index=theirs.index, fill_value=0.0)
        assert np.allclose(ours[theirs.columns], theirs, atol=1e-2), name
        compared += 1
    assert compared >= 4


@cache
def cut(folder: str, hours: int) -> pm.Case:
    """The first hours of a network of the collection, every number a little off its neighbours."""
    case = pm.read(NETWORKS / folder)
    n, rng = case.network(), np.random.default_rng(1)
    schedule = case.schedule
    n = n.copy(snapshots=n.snapshots[:hours])
    n.generators["marginal_cost"] += rng.uniform(0, 3, len(n.generators))
    n.generators["p_nom"] *= rng.uniform(0.99, 1, len(n.generators))
    units = n.generators.index[n.generators["committable"]]  # rows of programmes without integers
    n.generators.loc[units, "committable"] = False
    n.generators.loc[units, "p_min_pu"] = 0.0
    n.loads_t["p_set"] *= rng.uniform(0.99, 1, n.loads_t["p_set"].shape)
    short = pm.Case(n, case.market.model_copy(update={"value_of_lost_load": 20_640.0}))
    return short if schedule is None else short.with_schedule(schedule.loc[n.snapshots])


def _marks(folder: str, preset: str) -> list[pytest.MarkDecorator]:
    """Presets of their own dispatch in full; others on the toy, and elsewhere for those who ask."""
    if preset not in PRESETS:
        return [pytest.mark.slow if folder not in SLOW else pytest.mark.long]
    return [] if folder not in SLOW and preset == "fixed_tariff" else [pytest.mark.slow]


@pytest.mark.parametrize(
    ("folder", "preset"),
    [
        pytest.param(folder, name, marks=_marks(folder, name))
        for folder in FOLDERS
        for name in pm.presets()
        if pm.regime(name).two_settlement is None
    ],
)
def test_rows_of_every_preset_on_every_network(folder: str, preset: str) -> None:
    """Objective equal and every dual part of a proof, in a day of fleets, quotas and schedules."""
    case = cut(folder, 12)
    m = model(case, regime(preset).at(60.0))
    programme, point = solved(m)
    rows = Rows(m)
    certify(rows, rows.ours(programme, point), point.columns)
