"""Everything that can be wrong with a network, found at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pypsa
from scipy import sparse
from scipy.sparse import csgraph

from powermkt.errors import Fault, name_list, nearest
from powermkt.inputs.curves import curve_faults, quadratic_faults
from powermkt.inputs.finance import finance_faults
from powermkt.inputs.market import Market

# component list name -> attribute -> lowest and highest value; every one must be a number, and
# finite but for capacities
_INF = float("inf")
_NUMBERS: dict[str, dict[str, tuple[float, float]]] = {
    "generators": {
        "p_nom": (0, _INF),
        "marginal_cost": (-_INF, _INF),
        "marginal_cost_quadratic": (0, _INF),
        "p_min_pu": (-_INF, _INF),
        "p_max_pu": (-_INF, _INF),
        "efficiency": (0, _INF),
        "start_up_cost": (0, _INF),
        "shut_down_cost": (0, _INF),
        "stand_by_cost": (0, _INF),
    },
    "loads": {"p_set": (-_INF, _INF)},
    "links": {
        "p_nom": (0, _INF),
        "marginal_cost": (-_INF, _INF),
        "p_min_pu": (-_INF, _INF),
        "p_max_pu": (-_INF, _INF),
        "efficiency": (-_INF, _INF),
    },
    "lines": {"s_nom": (0, _INF), "x": (-_INF, _INF)},
    "transformers": {"s_nom": (0, _INF), "x": (-_INF, _INF)},
    "storage_units": {
        "p_nom": (0, _INF),
        "marginal_cost": (-_INF, _INF),
        "max_hours": (0, _INF),
        "inflow": (0, _INF),
        "efficiency_store": (0, 1),
        "efficiency_dispatch": (1e-6, 1),
    },
    "stores": {"e_nom": (0, _INF), "marginal_cost": (-_INF, _INF)},
}
_UNBOUNDED = ("p_nom", "s_nom", "e_nom")
# own columns: may be absent or empty (default), else in a range
OWN: dict[str, dict[str, tuple[float, float]]] = {
    "generators": {
        "units": (1e-9, _INF),
        "emission_rate": (0, _INF),
        "benchmark": (0, _INF),
        "own_use": (0, 1),
        "allowance_bank": (0, _INF),
        "tariff": (0, _INF),
        "min_stable_pu": (0, 1),
    },
    "loads": {"tariff": (0, _INF), "network_charge": (0, _INF), "contract_base": (0, _INF)},
    "storage_units": {"tariff": (0, _INF)},
    "links": {"wheeling_fee": (0, _INF)},
}
# Global constraints that PyPSA writes, the last three of what is built: nothing is, here.
_LIMITS = (
    "primary_energy", "operational_limit", "transmission_volume_expansion_limit",
    "transmission_expansion_cost_limit", "tech_capacity_expansion_limit",
)  # fmt: skip
USER_CLASSES = ("industrial_commercial", "energy_intensive", "residential_agricultural")


def check(n: pypsa.Network, market: Market, where: str) -> list[Fault]:
    """Return every fault of a network and its market file; empty if it can be cleared."""
    faults = [*_structure(n, where)]
    if not faults:
        faults += [*_numbers(n, where), *_names(n, market, where), *_support(n, where)]
        faults += [*_units(n, where), *curve_faults(n, where), *quadratic_faults(n, where)]
        faults += finance_faults(n, market, where)
    return faults


def _structure(n: pypsa.Network, where: str) -> Iterator[Fault]:
    if n.buses.empty:
        yield Fault(where, "the network has no buses", "add buses, loads and generators")
        return
    yield from _branch_faults(n, where)
    if n.loads.empty:
        yield Fault(where, "the network has no load", "add at least one Load with p_set")
    if n.generators.empty and n.storage_units.empty:
        yield Fault(where, "the network has no supply", "add generators or storage units")
    if len(n.snapshots) == 0:
        yield Fault(where, "the network has no snapshots", "call n.set_snapshots(...)")
    if n.snapshots.has_duplicates:
        yield Fault(where, "snapshots repeat", "give each snapshot once")
    for name in ("generators", "loads", "storage_units", "stores"):
        yield from _unknown_bus(n, where, name, static(n, name)["bus"])
    for name in ("links", "lines", "transformers"):
        table = static(n, name)
        ends = table.columns[table.columns.str.fullmatch(r"bus\d+")]
        for end in ends:
            stated = table[end].replace("", np.nan).notna() | (end in ("bus0", "bus1"))
            yield from _unknown_bus(n, where, name, table.loc[stated, end])


def _branch_faults(n: pypsa.Network, where: str) -> Iterator[Fault]:
    """Name unknown types of branches, and branches without impedance that form a ring."""
    bare = []
    for name, kinds in (("lines", n.line_types), ("transformers", n.transformer_types)):
        table = static(n, name)
        stated = table["type"].replace("", np.nan).dropna()
        for kind in stated[~stated.isin(kinds.index)].unique():
            yield Fault(f"{where}: {name}.type", f"unknown type {kind!r}",
                        nearest(kind, kinds.index))  # fmt: skip
        direct = table["bus0"].map(n.buses["carrier"]).eq("DC") & (name == "lines")
        zero = table["x"].mask(direct, table["r"]).eq(0)
        bare.append(table[zero & ~table.index.isin(stated.index)])
    none = pd.concat(bare)
    codes, buses = pd.factorize(none[["bus0", "bus1"]].to_numpy().ravel())
    edges, size = codes.reshape(-1, 2), len(buses)
    graph = sparse.coo_array((np.ones(len(edges)), edges.T), shape=(size, size))
    # A forest has as many edges as nodes less trees.
    if len(edges) and len(edges) > size - csgraph.connected_components(graph)[0]:
        yield Fault(f"{where}: lines.x", f"a ring without impedance: {name_list(none.index)}",
                    "give x (r of DC lines) above 0, or make one bus of the two")  # fmt: skip


def _unknown_bus(n: pypsa.Network, where: str, name: str, bus: pd.Series) -> Iterator[Fault]:
    for item, value in bus[~bus.isin(n.buses.index)].items():
        yield Fault(
            f"{where}: {name}[{item!r}]", f"unknown bus {value!r}", nearest(value, n.buses.index)
        )


def _which(test: Callable[[Any], Any], constant: pd.Series, frame: pd.DataFrame) -> list[str]:
    """Names of constants, and of series in any snapshot, of which a test is true."""
    found = [*constant.index[test(constant.to_numpy())]]
    if len(frame.columns):
        found += [*frame.columns[test(frame.to_numpy(dtype=float)).any(axis=0)]]
    return found


def _beyond(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return (values < low) | (values > high)


def _numbers(n: pypsa.Network, where: str) -> Iterator[Fault]:
    for name, columns in _NUMBERS.items():
        table, series = static(n, name), getattr(n, f"{name}_t")
        for column, (low, high) in columns.items():
            if table.empty:
                continue
            place = f"{where}: {name}.{column}"
            frame, constant = series.get(column, pd.DataFrame()), table[column]
            if len(frame.columns):
                constant = constant[constant.index.difference(frame.columns)]
            constant = pd.to_numeric(constant, errors="coerce").astype(float)
            if bad := _which(np.isnan, constant, frame):
                hours = int(frame.isna().sum().sum())
                detail = f" ({hours} values of the time series)" if hours else ""
                yield Fault(place, f"NaN for {name_list(bad)}{detail}", "give a number")
            if column not in _UNBOUNDED and (bad := _which(np.isinf, constant, frame)):
                yield Fault(place, f"infinite for {name_list(bad)}", "give a finite number")
            if bad := _which(partial(_beyond, low=low, high=high), constant, frame):
                yield Fault(place, f"{_outside(low, high)} for {name_list(bad)}", "correct it")
    for name, columns in OWN.items():
        table = static(n, name)
        for column, (low, high) in columns.items():
            if column not in table:
                continue
            values = pd.to_numeric(table[column], errors="coerce")
            wrong = (values < low) | (values > high) | (values == _INF)
            wrong |= values.isna() & table[column].replace("", np.nan).notna()
            if wrong.any():
                what = f"{_outside(low, high)} or no finite number"
                yield Fault(
                    f"{where}: {name}.{column}",
                    f"{what} for {name_list(table.index[wrong])}",
                    "correct the values, or leave them empty for the default",
                )
    if not n.generators.empty:
        low = n.get_switchable_as_dense("Generator", "p_min_pu")
        high = n.get_switchable_as_dense("Generator", "p_max_pu")
        unit = n.generators["committable"].astype(bool)
        low = low.loc[:, ~unit]  # units may be off
        high = high.loc[:, ~unit]
        crossed = low.columns[(low > high + 1e-9).any()]
        if len(crossed):
            yield Fault(
                f"{where}: generators.p_min_pu",
                f"above p_max_pu for {name_list(crossed)}",
                "lower p_min_pu or raise p_max_pu in those hours",
            )
    for component, name in (("Generator", "generators"), ("Link", "links")):
        for column in ("ramp_limit_up", "ramp_limit_down") if len(static(n, name)) else ():
            ramp = n.get_switchable_as_dense(component, column)
            falling = ramp.columns[(ramp < 0).any()]
            if len(falling):
                yield Fault(f"{where}: {name}.{column}", f"negative for {name_list(falling)}",
                            "give the size of the step, per p_nom and snapshot")  # fmt: skip
    load = n.get_switchable_as_dense("Load", "p_set")
    if not load.isna().any().any() and not (load.to_numpy() > 0).any():
        yield Fault(f"{where}: loads.p_set", "all loads are zero", "give loads in MW")
    weights = n.snapshot_weightings
    if missing := {"objective", "stores", "generators"} - set(weights.columns):
        yield Fault(f"{where}: snapshot_weightings", f"no column {name_list(sorted(missing))}",
                    "set all three to the hours a snapshot stands for")  # fmt: skip
    elif (weights <= 0).any().any() or weights.isna().any().any():
        yield Fault(f"{where}: snapshot_weightings", "not above zero", "give hours > 0")
    elif not np.allclose(weights["objective"], weights["generators"]):
        yield Fault(
            f"{where}: snapshot_weightings",
            "`objective` and `generators` differ: money and energy would not add up",
            "set both to the hours a snapshot stands for",
        )


def _outside(low: float, high: float) -> str:
    if high == _INF:
        return "negative" if low == 0 else f"not above {0 if low < 1e-3 else low:g}"
    return f"outside {low:g} .. {high:g}"


def _names(n: pypsa.Network, market: Market, where: str) -> Iterator[Fault]:
    for name in ("generators", "storage_units"):
        carriers = static(n, name)["carrier"].fillna("").astype(str)
        for carrier in sorted(set(carriers[carriers != ""]) - set(n.carriers.index)):
            yield Fault(
                f"{where}: {name}.carrier",
                f"unknown carrier {carrier!r} of {name_list(carriers.index[carriers == carrier])}",
                nearest(carrier, n.carriers.index)
                + f"; or n.add('Carrier', {carrier!r}, co2_emissions=...)",
            )
    used = set(n.generators["carrier"]) | set(n.storage_units["carrier"]) | set(n.carriers.index)
    for kind in type(market.carriers).model_fields:
        for carrier in getattr(market.carriers, kind) or []:
            if carrier not in used:
                yield Fault(
                    f"market.yaml: carriers.{kind}",
                    f"unknown carrier {carrier!r}",
                    nearest(carrier, used),
                )
    groups = market.calibration.groups if market.calibration else {}
    for fuel, members in groups.items():
        for carrier in members:
            if carrier not in used:
                yield Fault(
                    f"market.yaml: calibration.groups.{fuel}",
                    f"unknown carrier {carrier!r}",
                    nearest(carrier, used),
                )
    provinces = provinces_of(n)
    for province in market.quota.load_factor:
        if province not in set(provinces):
            yield Fault(
                "market.yaml: quota.load_factor",
                f"unknown province {province!r}",
                nearest(province, set(provinces)),
            )
    if "user_class" in n.loads:
        given = n.loads["user_class"].replace("", np.nan).dropna()
        for value in sorted(set(given.astype(str)) - set(USER_CLASSES)):
            yield Fault(
                f"{where}: loads.user_class",
                f"unknown class {value!r}",
                nearest(value, USER_CLASSES),
            )


def _support(n: pypsa.Network, where: str) -> Iterator[Fault]:
    """Name what a network may contain but powermkt does not clear."""
    for name, usual in (("generators", 1), ("loads", -1), ("storage_units", 1), ("stores", 1)):
        table = static(n, name)
        turned = table.index[table["sign"] != usual]
        if len(turned):
            yield Fault(
                f"{where}: {name}.sign",
                f"not {usual} for {name_list(turned)}",
                "give negative power instead of another sign",
            )
    if "wheeling_fee" in n.links:
        fee = pd.to_numeric(n.links["wheeling_fee"], errors="coerce").fillna(0.0) > 0
        backwards = (n.get_switchable_as_dense("Link", "p_min_pu") < 0).any()
        both = n.links.index[fee & backwards.reindex(n.links.index, fill_value=False)]
        if len(both):
            yield Fault(
                f"{where}: links.wheeling_fee",
                f"on links that run both ways: {name_list(both)}",
                "use two links, one for each direction, with p_min_pu >= 0",
            )
    kinds = n.global_constraints["type"].astype(str)
    for kind in sorted(set(kinds) - set(_LIMITS)):
        yield Fault(
            f"{where}: global_constraints[{kinds.index[kinds == kind][0]!r}]",
            f"no type {kind!r}",
            nearest(kind, _LIMITS),
        )
    for name, nominal in (
        ("generators", "p_nom"),
        ("links", "p_nom"),
        ("storage_units", "p_nom"),
        ("lines", "s_nom"),
        ("transformers", "s_nom"),
        ("stores", "e_nom"),
    ):
        table = static(n, name)
        extendable = table.index[table[f"{nominal}_extendable"].astype(bool)]
        if len(extendable):
            yield Fault(
                f"{where}: {name}.{nominal}_extendable",
                f"capacities to be found: {name_list(extendable)}",
                "fix them, e.g. n.optimize.fix_optimal_capacities()",
            )
        if name == "links" and table["committable"].astype(bool).any():
            yield Fault(
                f"{where}: links.committable",
                f"unit commitment of links: {name_list(table.index[table['committable']])}",
                "set committable=False; only generators are committed",
            )
        quadratic = table.get("marginal_cost_quadratic")
        if quadratic is None or name == "generators":
            continue
        series = getattr(n, f"{name}_t")["marginal_cost_quadratic"]
        curved = table.index[quadratic.fillna(0) != 0].union(series.columns[(series != 0).any()])
        if len(curved):
            yield Fault(
                f"{where}: {name}.marginal_cost_quadratic",
                f"quadratic costs of {name_list(curved)}",
                "leave them out; only generators may have them",
            )


def _units(n: pypsa.Network, where: str) -> Iterator[Fault]:
    """Name what is wrong with units that are committed one by one."""
    g = n.generators[n.generators["committable"].astype(bool)]
    if g.empty:
        return
    low = n.get_switchable_as_dense("Generator", "p_min_pu")[g.index].max()
    high = n.get_switchable_as_dense("Generator", "p_max_pu")[g.index].max()
    fleet = pd.to_numeric(g.get("min_stable_pu", pd.Series(0.0, g.index))).fillna(0.0) > 0
    up, down, output = g["up_time_before"], g["down_time_before"], g["p_init"]
    off = was_off(g)
    bottom, top = low * g["p_nom"] - 1e-6, high * g["p_nom"] + 1e-6
    for column, wrong, what, remedy in (
        ("p_min_pu", low > high + 1e-9, "minimum above the largest p_max_pu",
         "lower p_min_pu"),
        ("p_min_pu", low < 0, "negative for a unit that can be off", "give p_min_pu >= 0"),
        ("min_stable_pu", fleet, "a fleet and a committable unit at once",
         "keep min_stable_pu (fleets) or committable=True with p_min_pu (units)"),
        ("up_time_before, down_time_before", (up > 1) & (down > 0), "on and off before the start",
         "set the one that is not true to 0"),
        ("p_init", off & (output > 1e-6), "output before the start of a unit that was off",
         "set p_init to 0, or down_time_before to 0 and up_time_before above 0"),
        ("p_init", ~off & ((output < bottom) | (output > top)),
         "outside p_min_pu .. p_max_pu of a unit that was on", "correct p_init, or leave it empty"),
    ):  # fmt: skip
        if wrong.any():
            yield Fault(f"{where}: generators.{column}",
                        f"{what}: {name_list(g.index[wrong])}", remedy)  # fmt: skip
    for column in ("min_up_time", "min_down_time", "up_time_before", "down_time_before"):
        wrong = (g[column] < 0) | (g[column] % 1 != 0) | g[column].isna()
        if wrong.any():
            yield Fault(f"{where}: generators.{column}",
                        f"no whole number of snapshots >= 0 for {name_list(g.index[wrong])}",
                        "correct it")  # fmt: skip


def was_off(generators: pd.DataFrame) -> pd.Series:
    """Whether units were off before the first snapshot, as PyPSA reads its columns."""
    off: pd.Series = (generators["down_time_before"] > 0) | (generators["up_time_before"] <= 0)
    return off


def static(n: pypsa.Network, name: str) -> pd.DataFrame:
    """Static table of a component by its list name, e.g. `generators`."""
    table: pd.DataFrame = getattr(n, name)
    return table


def provinces_of(n: pypsa.Network) -> pd.Series:
    """Province of each bus: `buses.province`, by default the bus itself."""
    own = pd.Series(n.buses.index, index=n.buses.index, dtype=object)
    if "province" not in n.buses:
        return own
    given = n.buses["province"].astype(object).replace("", np.nan)
    return given.where(given.notna(), own)


def sound(n: pypsa.Network) -> bool:
    """Whether the tables of a network hang together, so that other data can be set beside them."""
    return not any(_structure(n, ""))
