"""What flows carry with them: proportional sharing at every node, solved hour by hour.

All that enters a node mixes, and all that leaves it has the content of the mix. With x the content
of a MWh that leaves node j (a row: several contents at once), s what is generated there, and f the
flows as they are sent::

    (take_j + sum_k f_jk) x_j = s_j + sum_i f_ij x_i

where `take` is load, charging and excess. This is ``(diag(P) - A) x = s`` of Kang et al.
2012 (doi:10.1038/srep00479) and the upstream tracing of Bialek 1996
(doi:10.1049/ip-gtd:19960461). A flow delivers all the content it was sent with, so that whoever
takes what is left of it bears its losses. Columns of the matrix sum to what is taken at a node:
what is generated is taken somewhere, to the last digit, whatever the loops.

Storage is a node in time. Its content is that of all it holds: energy drawn has the mean content
of the level, and what is lost on the way in, out and in store stays with what is left. The level
before the first hour of a window that repeats itself has the content that the last hour ends with.
Contents of an hour depend linearly on those before, so that this is one small linear system.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse
import scipy.sparse.linalg

_DENSE = 120  # nodes up to which batches of dense systems are quicker
_NUMBERS = 6_000_000  # held at once

Contents = Callable[[slice], np.ndarray]


@dataclass(frozen=True)
class Grid:
    """Who sends how much to whom.

    Attributes
    ----------
    start, end : array of int [edge]
    sent : array [hour, edge], MW
        At the start; not below 0.
    taken : array [hour, node], MW
        What leaves each node otherwise: load, charging, excess.
    fed : array of bool [hour, node]
        Where anything is generated or discharged.
    """

    start: np.ndarray
    end: np.ndarray
    sent: np.ndarray
    taken: np.ndarray
    fed: np.ndarray

    def out(self) -> np.ndarray:
        """Return all that leaves each node, [hour, node] in MW."""
        total = self.taken.copy()
        for edge, node in enumerate(self.start):
            total[:, node] += self.sent[:, edge]
        return total

    def reached(self) -> np.ndarray:
        """Return whether anything generated comes to each node, [hour, node]."""
        found, moves = self.fed.copy(), self.sent > 0
        while True:
            before = int(found.sum())
            for edge, (start, end) in enumerate(zip(self.start, self.end, strict=True)):
                found[:, end] |= found[:, start] & moves[:, edge]
            if int(found.sum()) == before:
                return found


@dataclass(frozen=True)
class Stores:
    """What storage does.

    Attributes
    ----------
    node : array of int [storage]
    charge : array [hour, storage], MW
        Taken from the node.
    drawn : array [hour, storage]
        Share of what is held that leaves in the hour [1].
    inflow : array [hour, storage], MW
        Of its own kind, from outside; `own` says which content that is.
    own : array of int [storage]
    hours : array [hour]
        Length of each [h].
    windows : list of slice
        Hours that hang together.
    opening : array [window, storage], MWh
        What is held before a window, in terms of what it gives, where nothing says its content.
    handed : array of bool [storage]
        Whether what is held is handed on from window to window.
    cyclic : array of bool [storage]
        Whether it ends with what it began with: each window, or all of them if it is handed on.
    """

    node: np.ndarray
    charge: np.ndarray
    drawn: np.ndarray
    inflow: np.ndarray
    own: np.ndarray
    hours: np.ndarray
    windows: list[slice]
    opening: np.ndarray
    handed: np.ndarray
    cyclic: np.ndarray


@dataclass(frozen=True)
class Traced:
    """Contents in some hours.

    Attributes
    ----------
    hours : slice
    content : array [hour, node, content]
        Of a MWh that leaves the node; 0 where nothing comes.
    discharged : array [hour, storage, content]
        Content a storage gives to its node in an hour, per hour.
    """

    hours: slice
    content: np.ndarray
    discharged: np.ndarray


def follow(grid: Grid, supply: Contents, contents: int, stores: Stores) -> Iterator[Traced]:
    """Trace contents through a grid and its storage.

    Parameters
    ----------
    grid : Grid
    supply : callable
        Contents generated, [hour, node, content] per hour, of a slice of hours.
    contents : int
        Their number.
    stores : Stores
        May be of no storage.

    Yields
    ------
    Traced
        In the order of the hours, some at a time.
    """
    system = _System(grid, supply, contents, stores)
    begin = _beginnings(system)
    for number, window in enumerate(stores.windows):
        held = begin[number]
        for hours in system.pieces(window):
            own, through = system.solved(hours)
            discharged = np.zeros((hours.stop - hours.start, len(stores.node), contents))
            if len(stores.node):
                linear, constant = system.steps(hours, own, through)
                for t, hour in enumerate(range(hours.start, hours.stop)):
                    full = held + system.flowing(hour)
                    discharged[t] = stores.drawn[hour][:, None] * full / stores.hours[hour]
                    held = linear[t] @ full + constant[t]
                own = own + through @ discharged
            yield Traced(hours, own, discharged)


class _System:
    """The linear systems of all hours."""

    def __init__(self, grid: Grid, supply: Contents, contents: int, stores: Stores) -> None:
        self.grid, self.supply, self.contents, self.stores = grid, supply, contents, stores
        self.out = grid.out()
        self.alive = grid.reached() & (self.out > 0)

    def pieces(self, window: slice) -> Iterator[slice]:
        """Cut a window into as many hours as are held at once."""
        nodes = self.out.shape[1]
        wide = 3 * (self.contents + len(self.stores.node)) + (nodes if nodes <= _DENSE else 0)
        step = max(_NUMBERS // (nodes * wide), 1)
        for first in range(window.start, window.stop, step):
            yield slice(first, min(first + step, window.stop))

    def solved(self, hours: slice) -> tuple[np.ndarray, np.ndarray]:
        """Return contents without storage, and what a unit given by each storage makes of them.

        [hour, node, content] per MWh and [hour, node, storage] per MWh.
        """
        nodes, stores = self.out.shape[1], self.stores.node
        right = np.zeros((hours.stop - hours.start, nodes, self.contents + len(stores)))
        right[:, :, : self.contents] = self.supply(hours)
        right[:, stores, self.contents + np.arange(len(stores))] = 1.0
        right[~self.alive[hours]] = 0.0
        found = self._dense(hours, right) if nodes <= _DENSE else self._sparse(hours, right)
        return found[..., : self.contents], found[..., self.contents :]

    def _dense(self, hours: slice, right: np.ndarray) -> np.ndarray:
        grid, alive = self.grid, self.alive[hours]
        nodes = alive.shape[1]
        matrix = np.zeros((len(alive), nodes, nodes))
        for edge, (start, end) in enumerate(zip(grid.start, grid.end, strict=True)):
            matrix[:, end, start] -= grid.sent[hours, edge] * alive[:, end]
        at = np.arange(nodes)
        matrix[:, at, at] += np.where(alive, self.out[hours], 1.0)
        return np.linalg.solve(matrix, right)

    def _sparse(self, hours: slice, right: np.ndarray) -> np.ndarray:
        grid, found = self.grid, np.empty_like(right)
        nodes = right.shape[1]
        at = np.arange(nodes)
        rows, columns = np.concatenate([grid.end, at]), np.concatenate([grid.start, at])
        for t, hour in enumerate(range(hours.start, hours.stop)):
            alive = self.alive[hour]
            off = -grid.sent[hour] * alive[grid.end]
            values = np.concatenate([off, np.where(alive, self.out[hour], 1.0)])
            matrix = scipy.sparse.csc_array((values, (rows, columns)), shape=(nodes, nodes))
            found[t] = scipy.sparse.linalg.splu(matrix).solve(right[t])
        return found

    def steps(
        self, hours: slice, own: np.ndarray, through: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return how contents in store follow from those before: a matrix, and what is added."""
        stores = self.stores
        drawn, charge = stores.drawn[hours], stores.charge[hours]
        linear = charge[:, :, None] * through[:, stores.node] * drawn[:, None, :]
        at = np.arange(len(stores.node))
        linear[:, at, at] += 1.0 - drawn
        constant = (charge * stores.hours[hours, None])[:, :, None] * own[:, stores.node]
        return linear, constant

    def flowing(self, hour: int) -> np.ndarray:
        """Return what flows into storage from outside in an hour, [storage, content]."""
        stores = self.stores
        found = np.zeros((len(stores.node), self.contents))
        rate = stores.inflow[hour] * stores.hours[hour]
        found[np.arange(len(stores.node)), stores.own] = rate
        return found

    def passage(self, window: slice) -> tuple[np.ndarray, np.ndarray]:
        """Return how contents at the end of a window follow from those at its beginning."""
        count = len(self.stores.node)
        linear = np.eye(count)
        constant = np.zeros((count, self.contents))
        for hours in self.pieces(window):
            step, added = self.steps(hours, *self.solved(hours))
            for t, hour in enumerate(range(hours.start, hours.stop)):
                linear = step[t] @ linear
                constant = step[t] @ (constant + self.flowing(hour)) + added[t]
        return linear, constant


def _beginnings(system: _System) -> list[np.ndarray]:
    """Contents in store before each window, [storage, content]."""
    stores = system.stores
    count = len(stores.node)
    given = np.zeros((len(stores.windows), count, system.contents))
    given[:, np.arange(count), stores.own] = stores.opening
    # What is never drawn has no content to come back to: it begins with nothing.
    drawn = np.array([stores.drawn[window].any(axis=0) for window in stores.windows])
    given[:, stores.cyclic] = 0.0
    handed = np.flatnonzero(stores.handed)
    free = handed[(stores.cyclic & drawn.any(axis=0))[handed]]  # closes over all windows
    if not count or not (stores.cyclic.any() or len(handed)):
        return list(given)
    passages = [system.passage(window) for window in stores.windows]
    turning = [np.flatnonzero(stores.cyclic & ~stores.handed & used) for used in drawn]
    begin = np.zeros((count, len(free) + system.contents))  # affine in what is free
    begin[free, np.arange(len(free))] = 1.0
    rest = np.setdiff1d(handed, free)
    begin[rest, len(free) :] = given[0, rest]
    starts = []
    for number, (linear, constant) in enumerate(passages):
        here = begin.copy()
        own = np.setdiff1d(np.arange(count), handed)
        here[own] = 0.0
        here[own, len(free) :] = given[number, own]
        end = linear @ here
        end[:, len(free) :] += constant
        if len(back := turning[number]):
            block = linear[np.ix_(back, back)]
            here[back] = np.linalg.solve(np.eye(len(back)) - block, end[back])
            end = linear @ here
            end[:, len(free) :] += constant
        starts.append(here)
        begin = end
    level: np.ndarray = np.zeros((len(free), system.contents))
    if len(free):
        last = begin[free]
        level = np.linalg.solve(np.eye(len(free)) - last[:, : len(free)], last[:, len(free) :])
    return [here[:, : len(free)] @ level + here[:, len(free) :] for here in starts]
