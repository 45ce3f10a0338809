"""Carbon-flow tracing of plain arrays and frames: whose emissions a MWh of load causes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from powermkt.errors import Fault, InputError, name_list
from powermkt.methods.carbonflow import Grid, Stores, follow

_TOLERANCE = 1e-6  # of what passes in an hour, beyond which a node is out of balance
Table = np.ndarray | pd.Series | pd.DataFrame | Sequence[Any]


@dataclass(frozen=True)
class StorageFlows:
    """What storage took from and gave to its nodes.

    Parameters
    ----------
    node : sequence [storage]
        Name of the node where each is, or its position where nodes have no names.
    charge, discharge : array [hour, storage], MW
        At the node.
    level : array [hour, storage], MWh
        At the end of each hour.
    efficiency_dispatch : float or array [storage], default 1
        What a MWh of the level gives at the node [1].
    cyclic : bool or array [storage], default True
        Whether it began with the level, and with the content, that it ends with. Otherwise what it
        held at first counts as free of emissions.
    """

    node: Sequence[Any]
    charge: np.ndarray
    discharge: np.ndarray
    level: np.ndarray
    efficiency_dispatch: float | np.ndarray = 1.0
    cyclic: bool | np.ndarray = True


@dataclass(frozen=True)
class Trace:
    """What consumption at each node emits elsewhere.

    Series or frames where frames were given, with a leading time axis where there was one.

    Attributes
    ----------
    intensity : [hour, node], t/MWh
        Of a MWh that leaves the node, losses on the way to it included; NaN where nothing passes.
    consumption_emissions, production_emissions : [hour, node], t/h
        Of load, and of generation. Their sums over nodes and hours differ by `stored`.
    transfers : [node, node], t
        Emissions at the node of the row for the load of that of the column, all hours together.
    mix : [node, carrier] or [hour, (node, carrier)], MWh/MWh, optional
        Generation by carrier for a MWh that leaves the node: 1 and what was lost on the way.
    stored : float, t
        What storage holds more at the end than at the beginning.
    """

    intensity: Any
    consumption_emissions: Any
    production_emissions: Any
    transfers: Any
    mix: Any
    stored: float


def trace(
    generation: Table,
    emission_rate: Table,
    flow: Table,
    load: Table,
    *,
    received: Table | None = None,
    storage: StorageFlows | None = None,
) -> Trace:
    """Trace emissions from generation to consumption by proportional sharing.

    Bialek 1996 (doi:10.1049/ip-gtd:19960461), Kang et al. 2012 (doi:10.1038/srep00479),
    Tranberg et al. 2019 (doi:10.1016/j.esr.2019.100367); see `carbonflow`.

    Parameters
    ----------
    generation : [node], [hour, node], or frame [hour x (node, carrier)], MW
        A series may be [(node, carrier)]. Hours are of one hour each.
    emission_rate : [node] or [hour, node]; by carrier: [carrier] or as generation, t/MWh
    flow : [node, node] or [hour, node, node], or frame [hour x (from, to)], MW
        From the node of the row to that of the column, as sent; not below 0.
    load : [node] or [hour, node], MW
    received : as flow, optional
        The same flows as they arrive; default: nothing is lost. Losses are the consumers'.
    storage : StorageFlows, optional

    Returns
    -------
    Trace

    Raises
    ------
    InputError
        Naming every entry that is missing, negative or of the wrong shape, every node that is out
        of balance, and every one with load where nothing comes in, with the hour.
    """
    given = _Given(generation, emission_rate, flow, load, received, storage)
    if given.faults:
        raise InputError(given.faults)
    return given.traced()


class _Given:
    """Input as arrays, with all that is wrong with it."""

    def __init__(
        self, generation: Table, emission_rate: Table, flow: Table, load: Table,
        received: Table | None, storage: StorageFlows | None,
    ) -> None:  # fmt: skip
        self.faults: list[Fault] = []
        self.framed = isinstance(generation, (pd.Series, pd.DataFrame))
        frame = generation.to_frame().T if isinstance(generation, pd.Series) else generation
        self.single = isinstance(generation, pd.Series) or np.ndim(generation) == 1
        self.carriers: list[Any] = []
        if isinstance(frame, pd.DataFrame):
            columns = frame.columns
            self.index = frame.index
            by_carrier = columns.nlevels == 2
            self.nodes = list(dict.fromkeys(columns.get_level_values(0)))
            named = load.index if isinstance(load, pd.Series) else getattr(load, "columns", [])
            self.nodes += [n for n in named if by_carrier and n not in self.nodes]
            self.carriers = list(dict.fromkeys(columns.get_level_values(1))) if by_carrier else []
        else:
            frame = np.atleast_2d(np.asarray(frame, dtype=float))
            self.index = pd.RangeIndex(len(frame))
            self.nodes = list(range(frame.shape[-1]))
        self.shape = (len(self.index), len(self.nodes))
        self._take_generation(frame, emission_rate)
        self.load = self._numbers("load", load)
        self._take_flow(flow, received)
        self.storage = storage
        self._take_storage(storage)
        if not self.faults:
            self._check_balance()

    def _hour(self, t: int) -> str:
        return "" if self.single else f" at {self.index[t]}"

    def _numbers(self, what: str, value: Table) -> np.ndarray:
        """Return a table as [hour, node]; NaN and what is below 0 are faults."""
        if isinstance(value, pd.Series):
            value = value.to_frame().T
        if isinstance(value, pd.DataFrame):
            lacking = [n for n in self.nodes if n not in value.columns]
            unknown = [n for n in value.columns if n not in self.nodes]
            if lacking:
                self._fault(what, f"lacks {name_list(lacking)}", "give a column for each node")
            if unknown:
                self._fault(
                    what, f"unknown nodes {name_list(unknown)}", "give them generation, or 0"
                )
            if lacking or unknown or not self._timely(what, value.index):
                return np.zeros(self.shape)
            value = value[self.nodes]
        found = np.asarray(value, dtype=float)
        if found.shape not in (self.shape, self.shape[1:], (1, self.shape[1])):
            wanted = f"{self.shape[1]} nodes" + ("" if self.single else f", {self.shape[0]} hours")
            self._fault(what, f"has the shape {found.shape}", f"give {wanted}")
            return np.zeros(self.shape)
        found = np.broadcast_to(found, self.shape)
        for t, node in np.argwhere(~(np.isfinite(found) & (found >= 0)))[:20]:
            told = f"{found[t, node]:g}" if np.isfinite(found[t, node]) else "missing"
            self._fault(f"{what}[{self.nodes[node]!r}]{self._hour(t)}", f"is {told}",
                        "give a number >= 0")  # fmt: skip
        return found

    def _timely(self, what: str, index: pd.Index) -> bool:
        """Whether a table has the hours of generation, where both name hours."""
        if len(index) <= 1 or not self.framed or index.equals(self.index):
            return True
        self._fault(what, "has other hours than generation", "give it for the same hours")
        return False

    def _fault(self, where: str, what: str, remedy: str) -> None:
        self.faults.append(Fault(where, what, remedy))

    def _take_generation(self, frame: Any, rate: Table) -> None:
        """Keep generation [hour, node, carrier] and what it emits [hour, node]."""
        if not self.carriers:
            self.generation = self._numbers("generation", frame)[..., None]
            self.emitted = self.generation[..., 0] * self._numbers("emission_rate", rate)
            return
        values = frame.to_numpy(dtype=float)
        if not (np.isfinite(values) & (values >= 0)).all():
            bad = frame.columns[~(np.isfinite(values) & (values >= 0)).all(axis=0)]
            self._fault("generation", f"is missing or below 0 for {name_list(bad)}",
                        "give numbers >= 0")  # fmt: skip
        if isinstance(rate, pd.DataFrame):
            rates = rate.reindex(columns=frame.columns, index=frame.index)
        else:
            series = pd.Series(rate) if not isinstance(rate, pd.Series) else rate
            keys = frame.columns
            keys = keys if series.index.nlevels == 2 else keys.get_level_values(1)
            row = series.reindex(keys).to_numpy(dtype=float)
            rates = pd.DataFrame(np.tile(row, (len(frame), 1)), frame.index, frame.columns)
        lacking = rates.isna().any() | (rates < 0).any()
        for carrier in dict.fromkeys(frame.columns[lacking].get_level_values(1)):
            self._fault(f"emission_rate[{carrier!r}]", "is missing or below 0",
                        "give t/MWh, 0 for a carrier without emissions")  # fmt: skip
        at = {node: i for i, node in enumerate(self.nodes)}
        of = {carrier: i for i, carrier in enumerate(self.carriers)}
        self.generation = np.zeros((*self.shape, len(self.carriers)))
        self.emitted = np.zeros(self.shape)
        for number, (node, carrier) in enumerate(frame.columns):
            self.generation[:, at[node], of[carrier]] += values[:, number]
            self.emitted[:, at[node]] += values[:, number] * rates.to_numpy()[:, number]

    def _take_flow(self, flow: Table, received: Table | None) -> None:
        sent = self._cube("flow", flow)
        came = sent if received is None else self._cube("received", received)
        size = self.shape[1]
        cubes = {"flow": sent} if received is None else {"flow": sent, "received": came}
        for what, cube in cubes.items():
            for t, i, j in np.argwhere(~(np.isfinite(cube) & (cube >= 0)))[:20]:
                value, (a, b) = cube[t, i, j], (self.nodes[i], self.nodes[j])
                told = f"{value:g} is below 0" if np.isfinite(value) else "is missing"
                remedy = f"give it as a flow from {b!r} to {a!r}"
                self._fault(f"{what}[{a!r}, {b!r}]{self._hour(t)}", told,
                            remedy if np.isfinite(value) else "give a number >= 0")  # fmt: skip
        for i in np.flatnonzero(np.diagonal(sent, axis1=1, axis2=2).any(axis=0)):
            name = self.nodes[i]
            self._fault(f"flow[{name!r}, {name!r}]", "flows to where it is", "leave it 0")
        more = came > sent + _TOLERANCE * np.maximum(sent, 1.0)
        for t, i, j in np.argwhere(more)[:20]:
            a, b = self.nodes[i], self.nodes[j]
            self._fault(f"received[{a!r}, {b!r}]{self._hour(t)}", "is more than is sent",
                        "give what arrives of the flow")  # fmt: skip
        self.start, self.end = np.nonzero((sent != 0).any(axis=0) & ~np.eye(size, dtype=bool))
        self.sent, self.came = sent[:, self.start, self.end], came[:, self.start, self.end]

    def _cube(self, what: str, value: Table) -> np.ndarray:
        """Return flows as [hour, node, node]."""
        size = self.shape[1]
        wanted = (self.shape[0], size, size)
        if isinstance(value, pd.DataFrame) and isinstance(value.columns, pd.MultiIndex):
            cube = np.zeros(wanted)
            at = {node: i for i, node in enumerate(self.nodes)}
            unknown = {n for pair in value.columns for n in pair if n not in at}
            if unknown or len(value) != wanted[0]:
                told = f"unknown nodes {name_list(unknown)}" if unknown else f"{len(value)} hours"
                self._fault(what, told, f"give {wanted[0]} hours of nodes that generation has")
                return cube
            if not self._timely(what, value.index):
                return cube
            for number, (a, b) in enumerate(value.columns):
                cube[:, at[a], at[b]] += value.to_numpy(dtype=float)[:, number]
            return cube
        if isinstance(value, pd.DataFrame) and self.framed:
            named = [*value.index, *value.columns]
            if strange := dict.fromkeys(n for n in named if n not in self.nodes):
                self._fault(what, f"unknown nodes {name_list(strange)}", "name those of generation")
                return np.zeros(wanted)
            value = value.reindex(index=self.nodes, columns=self.nodes)
        found = np.asarray(value, dtype=float)
        if found.shape not in (wanted, wanted[1:]):
            self._fault(what, f"has the shape {found.shape}", f"give {size} x {size} flows")
            return np.zeros(wanted)
        return np.broadcast_to(found, wanted)

    def _take_storage(self, storage: StorageFlows | None) -> None:
        self.place = np.zeros(0, dtype=int)
        self.charge = self.discharge = self.level = np.zeros((self.shape[0], 0))
        if storage is None:
            return
        known = {node: i for i, node in enumerate(self.nodes)}
        if unknown := [node for node in storage.node if node not in known]:
            self._fault("storage.node", f"unknown nodes {name_list(unknown)}", "name nodes")
            return
        tables = {}
        for name in ("charge", "discharge", "level"):
            table = np.asarray(getattr(storage, name), dtype=float)
            table = table.reshape(self.shape[0], -1) if table.ndim < 2 else table
            if table.shape != (self.shape[0], len(storage.node)):
                self._fault(f"storage.{name}", f"has the shape {table.shape}",
                            f"give {self.shape[0]} hours, {len(storage.node)} columns")  # fmt: skip
                return
            if not (np.isfinite(table) & (table >= 0)).all():
                self._fault(f"storage.{name}", "is missing or below 0", "give numbers >= 0")
            tables[name] = table
        sizes = {(), (1,), (len(storage.node),)}
        for name in ("efficiency_dispatch", "cyclic"):
            table = np.asarray(getattr(storage, name), dtype=float)
            if table.shape not in sizes or not ((table >= 0) & (table <= 1)).all():
                self._fault(f"storage.{name}", "cannot be", f"give one for each of "
                            f"{len(storage.node)} storages, of 0 to 1")  # fmt: skip
            elif name == "efficiency_dispatch" and not table.all():
                self._fault(f"storage.{name}", "is 0", "give a number above 0, up to 1")
        self.place = np.array([known[node] for node in storage.node], dtype=int)
        self.charge, self.discharge, self.level = tables.values()
        for t, s in np.argwhere((self.charge > 0) & (self.discharge > 0))[:20]:
            where = f"storage at {self.nodes[self.place[s]]!r}{self._hour(t)}"
            self._fault(where, "charges and discharges at once", "give the net")

    def _at_nodes(self, table: np.ndarray) -> np.ndarray:
        found = np.zeros(self.shape)
        for column, place in enumerate(self.place):
            found[:, place] += table[:, column]
        return found

    def _check_balance(self) -> None:
        fed = self.generation.sum(axis=2) + self._at_nodes(self.discharge)
        self.taken = self.load + self._at_nodes(self.charge)
        self.grid = Grid(self.start, self.end, self.sent, self.taken, fed > 0)
        out, came = self.grid.out(), fed.copy()
        for edge, node in enumerate(self.end):
            came[:, node] += self.came[:, edge]
        size = np.maximum(out.max(axis=1, initial=0.0), 1.0)[:, None] * _TOLERANCE
        empty = ~self.grid.reached() & (self.load > size)
        for t, node in np.argwhere(empty)[:20]:
            self._fault(f"{self.nodes[node]!r}{self._hour(t)}",
                        f"has a load of {self.load[t, node]:g} MW, but nothing comes in",
                        "give its generation, or the flow that brings it")  # fmt: skip
        for t, node in np.argwhere((np.abs(came - out) > size) & ~empty)[:20]:
            self._fault(f"{self.nodes[node]!r}{self._hour(t)}",
                        f"{came[t, node]:g} MW come in, {out[t, node]:g} MW go out",
                        "give flows as sent, and as `received` where they lose")  # fmt: skip

    def _stores(self, contents: int) -> Stores:
        count, hours = len(self.place), self.shape[0]
        storage = self.storage
        efficiency = 1.0 if storage is None else storage.efficiency_dispatch
        drawn = self.discharge / np.broadcast_to(efficiency, (count,))
        held = self.level + drawn
        share = np.divide(drawn, held, out=np.zeros_like(held), where=held > 0)
        cyclic = np.broadcast_to(True if storage is None else storage.cyclic, (count,))
        return Stores(
            self.place, self.charge, share, np.zeros_like(share), np.full(count, contents - 1),
            np.ones(hours), [slice(0, hours)], np.zeros((1, count)), np.zeros(count, dtype=bool),
            cyclic.astype(bool),
        )  # fmt: skip

    def traced(self) -> Trace:
        nodes = self.shape[1]
        kinds = self.generation.shape[2]
        contents = nodes + kinds

        def supply(hours: slice) -> np.ndarray:
            found = np.zeros((hours.stop - hours.start, nodes, contents))
            at = np.arange(nodes)
            found[:, at, at] = self.emitted[hours]
            found[:, :, nodes:] = self.generation[hours]
            return found

        intensity, transfers = np.zeros(self.shape), np.zeros((nodes, nodes))
        mix = np.zeros((*self.shape, kinds))
        stored = 0.0
        for part in follow(self.grid, supply, contents, self._stores(contents)):
            emitted = part.content[..., :nodes]
            intensity[part.hours] = emitted.sum(axis=2)
            transfers += np.einsum("tno,tn->on", emitted, self.load[part.hours])
            mix[part.hours] = part.content[..., nodes:]
            charged = self.charge[part.hours] * intensity[part.hours][:, self.place]
            stored += float(charged.sum() - part.discharged[..., :nodes].sum())
        used = self.load * intensity
        passing = self.grid.reached() & (self.grid.out() > 0)
        return Trace(
            self._shown(np.where(passing, intensity, np.nan)), self._shown(used),
            self._shown(self.emitted),
            pd.DataFrame(transfers, self.nodes, self.nodes) if self.framed else transfers,
            self._mix(np.where(passing[..., None], mix, np.nan)) if self.carriers else None,
            stored,
        )  # fmt: skip

    def _shown(self, values: np.ndarray) -> Any:
        if not self.framed:
            return values[0] if self.single else values
        frame = pd.DataFrame(values, self.index, self.nodes)
        return frame.iloc[0].rename(None) if self.single else frame

    def _mix(self, mix: np.ndarray) -> pd.DataFrame:
        if self.single:
            return pd.DataFrame(mix[0], self.nodes, self.carriers)
        columns = pd.MultiIndex.from_product([self.nodes, self.carriers], names=["node", "carrier"])
        return pd.DataFrame(mix.reshape(len(mix), -1), self.index, columns)
