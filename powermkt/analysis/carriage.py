"""What a clearing generated, moved, stored and used, as arrays over hours and buses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from powermkt.common.values import NOISE_MW
from powermkt.dispatch.cutting import carried
from powermkt.dispatch.outcome import Outcome
from powermkt.errors import Fault
from powermkt.inputs.case import Case
from powermkt.inputs.intake import column
from powermkt.methods.carbonflow import Grid, Stores
from powermkt.rules.locational import ports

NEGATIVE_LOAD = "negative load"
_CLOSED = 1e-3  # MWh, and share of the largest level, within which storage ends as it began


@dataclass(frozen=True)
class Carriage:
    """A clearing as a grid that contents are followed through (`carbonflow.follow`).

    Contents are emissions by province where they arise, then generation by carrier.

    Attributes
    ----------
    buses, provinces : Index
    province : array of int [bus]
    grid : Grid
    stores : Stores
    emitted : array [hour, bus], t/h
    output : DataFrame [hour x (bus, carrier)], MW
        Generation, by positions of bus and carrier.
    carriers : list of str
    used, excess : array [hour, bus], MW
    """

    buses: pd.Index
    provinces: pd.Index
    province: np.ndarray
    grid: Grid
    stores: Stores
    emitted: np.ndarray
    output: pd.DataFrame
    carriers: list[str]
    used: np.ndarray
    excess: np.ndarray

    def supply(self, hours: slice) -> np.ndarray:
        """Return contents generated, [hour, bus, content] per hour."""
        count, buses = len(self.provinces), np.arange(len(self.buses))
        size = hours.stop - hours.start
        found = np.zeros((size, len(buses), count + len(self.carriers)))
        found[:, buses, self.province] = self.emitted[hours]
        bus, carrier = (self.output.columns.get_level_values(i).to_numpy(int) for i in (0, 1))
        found[:, bus, count + carrier] = self.output.to_numpy()[hours]
        return found

    def generated(self) -> np.ndarray:
        """Return generation at each bus, inflow of storage included, [hour, bus] in MW."""
        at = self.output.columns.get_level_values(0).to_numpy(int)
        stores, size = self.stores, len(self.buses)
        return _summed(self.output.to_numpy(), at, size) + _summed(stores.inflow, stores.node, size)

    def by_province(self, values: np.ndarray) -> np.ndarray:
        """Sum [hour, bus, ...] to [hour, province, ...]."""
        found = np.zeros((len(values), len(self.provinces), *values.shape[2:]))
        for bus, province in enumerate(self.province):
            found[:, province] += values[:, bus]
        return found


def rate_faults(case: Case) -> list[Fault]:
    """Return carriers that burn coal or the like and whose emissions nobody states.

    Generators have no `emission_rate`, and `co2_emissions` of their carrier is 0 as by default: for
    carriers that get quotas or run for heat (`Carriers`) that is no statement.
    """
    n, table = case._n, case.generators
    given = column(n.generators, "emission_rate", np.nan).notna()
    fuel = [*(case.carriers.quota or []), *(case.carriers.heat or [])]
    open_ = ~given & (table["emission_rate"] == 0) & table["carrier"].isin(fuel)
    gives = (case.availability > 0).any()
    remedy = "give generators.emission_rate, or carriers.co2_emissions"
    return [
        Fault(f"{case.name}: emission rate of carrier {name!r}", "is missing", remedy)
        for name in dict.fromkeys(table.loc[open_ & gives, "carrier"])
    ]


def carried_by(case: Case, outcome: Outcome) -> Carriage:
    """Return what a clearing carried.

    Parameters
    ----------
    case : Case
    outcome : Outcome
    """
    buses = case.provinces.index
    size = len(buses)
    provinces = pd.Index(case.provinces.unique(), name="province")
    storage = _rechargeable(case, outcome)
    plant = _plant(case, outcome, storage.index)
    names = [*plant.columns.get_level_values(1), *storage["carrier"]]
    carriers = list(dict.fromkeys(names))
    position = pd.Series(range(len(carriers)), carriers, dtype=int)
    output = plant.set_axis(
        pd.MultiIndex.from_arrays(
            [
                buses.get_indexer(plant.columns.get_level_values(0)),
                position[plant.columns.get_level_values(1)].to_numpy(),
            ]
        ),
        axis="columns",
    )

    def at_bus(frame: pd.DataFrame, bus: pd.Series | pd.Index) -> np.ndarray:
        return _summed(frame.to_numpy(), buses.get_indexer(pd.Index(bus)), size)

    generators = case.generators["bus"]
    given = outcome.dispatch.clip(lower=0.0)
    taken = (-outcome.dispatch).clip(lower=0.0)
    emitted = at_bus(given * case.generators["emission_rate"], generators)
    served = outcome.served(case).clip(lower=0.0)
    used = at_bus(served, case.loads["bus"]) + at_bus(taken, generators)
    excess = at_bus(outcome.excess, outcome.excess.columns)
    net = outcome.storage[storage.index]
    charge = (-net).clip(lower=0.0)
    start, end, sent = [], [], []
    for table, here, there, power in _moves(case, outcome):
        moving = power.any(axis=0)
        start.append(buses.get_indexer(pd.Index(table[here]))[moving])
        end.append(buses.get_indexer(pd.Index(table[there]))[moving])
        sent.append(power[:, moving])
    used = used + _swallowed(case, outcome, buses)
    own = len(provinces) + position[storage["carrier"]].to_numpy(int)
    stores = _stores(case, outcome, storage, charge, own, buses)
    fed = at_bus(plant, plant.columns.get_level_values(0)) > 0
    fed |= at_bus(net.clip(lower=0.0), storage["bus"]) > 0
    empty = np.zeros((len(case.snapshots), 0))
    grid = Grid(
        np.concatenate([np.zeros(0, dtype=int), *start]),
        np.concatenate([np.zeros(0, dtype=int), *end]),
        np.concatenate([empty, *sent], axis=1),
        used + excess + at_bus(charge, storage["bus"]),
        fed,
    )
    province = provinces.get_indexer(case.provinces)
    return Carriage(
        buses, provinces, province, grid, stores, emitted, output, carriers, used, excess
    )


def _summed(values: np.ndarray, at: np.ndarray, size: int) -> np.ndarray:
    """Sum columns by where they are, [hour, place]."""
    found = np.zeros((len(values), size))
    for number, place in enumerate(at):
        found[:, place] += values[:, number]
    return found


def _rechargeable(case: Case, outcome: Outcome) -> pd.DataFrame:
    """Bus, carrier and component of storage that was charged; the rest is plant."""
    n = case._n
    kinds = {"StorageUnit": n.storage_units, "Store": n.stores}
    tables = [of[["bus", "carrier"]].assign(component=name) for name, of in kinds.items()]
    table = pd.concat(tables)
    charged = (outcome.storage[table.index] < -NOISE_MW).any().to_numpy()
    # A store has no inflow: what it gives was put in, or was there.
    return table[charged | (table["component"] == "Store").to_numpy()]


def _plant(case: Case, outcome: Outcome, stored: pd.Index) -> pd.DataFrame:
    """Generation, [snapshot x (bus, carrier)] in MW."""
    units = case.storage_units.drop(index=stored, errors="ignore")
    load = outcome.served(case)
    parts = [
        (outcome.dispatch, case.generators["bus"], case.generators["carrier"]),
        (outcome.storage[units.index], units["bus"], units["carrier"]),
        (-load, case.loads["bus"], pd.Series(NEGATIVE_LOAD, case.loads.index)),
    ]
    frames = []
    for power, bus, carrier in parts:
        given = power.clip(lower=0.0)
        if not len(given.columns):
            continue
        keys = [bus[given.columns].to_numpy(), carrier[given.columns].to_numpy()]
        frames.append(given.T.groupby(keys).sum().T)
    whole = pd.concat(frames, axis=1)
    return whole.loc[:, (whole > 0).any()]


def _moves(
    case: Case, outcome: Outcome
) -> Iterator[tuple[pd.DataFrame, str, str, np.ndarray]]:  # fmt: skip
    """Branches with the end that sends, the end that receives, and what is sent [MW]."""
    n, flows = case._n, outcome.flows
    for table in (n.lines, n.transformers):
        power = flows[table.index].to_numpy()
        yield table, "bus0", "bus1", power.clip(min=0.0)
        yield table, "bus1", "bus0", (-power).clip(min=0.0)
    taken, given = _ports(case, outcome)
    total = sum(given.values())
    for here, takes in taken.items():
        for there, gives in given.items():
            if here != there:
                # What links take at several ends mixes in them, and is shared by what they give.
                share = np.divide(gives, total, out=np.zeros_like(gives), where=total > 0)
                known = (n.links[[here, there]].replace("", np.nan).notna()).all(axis=1)
                yield n.links, here, there, takes * share * known.to_numpy()


def _ports(case: Case, outcome: Outcome) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What links take and give at each end, [snapshot, link] in MW."""
    links = case._n.links
    power = outcome.flows[links.index].to_numpy()
    at = {"bus0": power}
    for port in ports(case._n):
        factor = case.dense("Link", "efficiency" if port == "1" else f"efficiency{port}")
        at[f"bus{port}"] = -power * factor[links.index].to_numpy()
    taken = {end: value.clip(min=0.0) for end, value in at.items()}
    return taken, {end: (-value).clip(min=0.0) for end, value in at.items()}


def _swallowed(case: Case, outcome: Outcome, buses: pd.Index) -> np.ndarray:
    """What links take and give nobody, used where they take it, [hour, bus] in MW."""
    taken, given = _ports(case, outcome)
    nothing = sum(given.values()) <= 0
    found = np.zeros((len(case.snapshots), len(buses)))
    for end, takes in taken.items():
        gone = takes * nothing
        some = gone.any(axis=0)
        at = buses.get_indexer(case._n.links[end])[some]
        found += _summed(gone[:, some], at, len(buses))
    return found


def _stores(
    case: Case, outcome: Outcome, storage: pd.DataFrame, charge: pd.DataFrame, own: np.ndarray,
    buses: pd.Index,
) -> Stores:  # fmt: skip
    """Storage that carries contents, and how its windows hang together."""
    n, names = case._n, storage.index
    units = names[storage["component"] == "StorageUnit"]
    index, hours = case.snapshots, n.snapshot_weightings["stores"].to_numpy(dtype=float)

    def of_units(attribute: str, else_: float) -> np.ndarray:
        frame = pd.DataFrame(else_, index, names)
        if len(units):
            frame[units] = case.dense("StorageUnit", attribute)[units]
        return frame.to_numpy(dtype=float)

    gives, takes = of_units("efficiency_dispatch", 1.0), of_units("efficiency_store", 1.0)
    spill = outcome.spill.reindex(columns=names, fill_value=0.0).to_numpy(dtype=float)
    inflow = (of_units("inflow", 0.0) - spill).clip(min=0.0)
    discharge = outcome.storage[names].clip(lower=0.0).to_numpy()
    level = outcome.state_of_charge[names].clip(lower=0.0).to_numpy()
    drawn = discharge / gives * hours[:, None]
    held = level + drawn
    share = np.divide(drawn, held, out=np.zeros_like(held), where=held > 0)
    share[drawn < NOISE_MW * 1e-3] = 0.0
    put = (charge.to_numpy() * takes + inflow) * hours[:, None]
    windows = [slice(*_ends(case, label)) for label in case.windows]
    starts = [window.start for window in windows]
    before = (held - put)[starts].clip(min=0.0)  # what is lost by standing is left away
    ends = level[[window.stop - 1 for window in windows]]
    handed = names.isin(_handed(case))
    flag = pd.concat([n.storage_units["cyclic_state_of_charge"], n.stores["e_cyclic"]])
    cyclic = flag[names].astype(bool).to_numpy() if len(names) else np.zeros(0, dtype=bool)
    far = _CLOSED * np.maximum(level.max(axis=0, initial=0.0), 1.0)
    # What ends elsewhere than it began does not come back to its content.
    apart = np.where(handed, np.abs(ends[-1] - before[0]), np.abs(ends - before).max(axis=0))
    standing = pd.concat([n.storage_units["standing_loss"], n.stores["standing_loss"]])
    loose = standing[names].to_numpy() == 0 if len(names) else cyclic
    cyclic = cyclic & ~(loose & (apart > far))
    node = buses.get_indexer(pd.Index(storage["bus"]))
    return Stores(
        node, charge.to_numpy(), share, inflow * gives, own, hours,
        windows, before * gives[starts], handed, cyclic,
    )  # fmt: skip


def _ends(case: Case, label: str) -> tuple[int, int]:
    at = case.snapshots.get_indexer(case.windows[label])
    return int(at[0]), int(at[-1]) + 1


def _handed(case: Case) -> pd.Index:
    """Storage whose level is handed on from window to window."""
    if len(case.windows) == 1:
        return pd.Index([])
    if case.look_ahead is not None:
        return carried(case)
    return pd.Index([]) if case.seams is None else case.seams.start.columns
