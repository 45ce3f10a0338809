"""Clear a case under a regime: windows in parallel, one live solver per window and structure."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import loky
import pandas as pd
import pypsa

from powermkt import metrics
from powermkt.case import Case
from powermkt.chained import clear_chained
from powermkt.errors import Fault, InputError
from powermkt.horizon import with_horizon
from powermkt.ledger import Ledger
from powermkt.outcome import Outcome, join
from powermkt.regime import Regime, regime
from powermkt.rules import Cleared, Prices
from powermkt.rules.pricing import ports
from powermkt.window import clear_window

Progress = Callable[[int, int, str], None]

# Below this many generator-hours a pool of processes costs more than it saves.
_WORTH_A_POOL = 50_000


@dataclass(frozen=True)
class Run:
    """Result of one regime at one carbon price; frames are computed when asked for."""

    case: Case
    regime: Regime
    carbon_price: float
    outcome: Outcome

    def __repr__(self) -> str:
        return f"Run({self.case.name!r}, {self.regime.name!r}, carbon_price={self.carbon_price:g})"

    @property
    def objective(self) -> float:
        """Resource cost of the horizon, without carbon payments [money]."""
        return self.outcome.cost

    @property
    def emissions(self) -> float:
        """Direct emissions of the horizon [t]."""
        rate = self.outcome.emissions(self.case)
        return float(rate.mul(self.case.weights, axis="index").to_numpy().sum())

    @property
    def prices(self) -> pd.DataFrame:
        """Hourly price signal, [snapshot x bus] in money/MWh.

        The settlement price in a market; under priority dispatch the resource cost of one more
        MWh (information, paid to nobody); under a fixed tariff the on-grid tariff.
        """
        return self.announced.nodal

    @property
    def dispatch(self) -> pd.DataFrame:
        """Output, [snapshot x generator] in MW."""
        return self.outcome.dispatch

    @property
    def flows(self) -> pd.DataFrame:
        """Flow at bus0, [snapshot x branch] in MW, + from bus0 to bus1."""
        return self.outcome.flows

    @property
    def storage(self) -> pd.DataFrame:
        """Net output, [snapshot x storage unit or store] in MW, + discharging."""
        return self.outcome.storage

    @property
    def reserves(self) -> pd.DataFrame:
        """Reserve awards: snapshot, product, zone, provider, reserve_mw (no product yet)."""
        return pd.DataFrame(columns=["snapshot", "product", "zone", "provider", "reserve_mw"])

    @property
    def reserve_prices(self) -> pd.DataFrame:
        """Reserve prices: snapshot, product, zone, price in money/(MW h) (no product yet)."""
        return pd.DataFrame(columns=["snapshot", "product", "zone", "price"])

    @cached_property
    def curtailment(self) -> pd.DataFrame:
        """Curtailment by province and carrier, as `metrics.curtailment`."""
        return metrics.curtailment(self.case, self.outcome)

    @cached_property
    def generation(self) -> pd.DataFrame:
        """Energy, emissions and utilisation by province and carrier."""
        return metrics.generation(self.case, self.outcome)

    @cached_property
    def _cleared(self) -> Cleared:
        return Cleared(self.case, self.outcome, self.regime.carbon_adder(self.case))

    @cached_property
    def announced(self) -> Prices:
        """Nodal, wholesale and retail prices as the pricing rule states them."""
        return self.regime.pricing.prices(self._cleared)

    @cached_property
    def ledger(self) -> pd.DataFrame:
        """Payments: payer, payee, product, period, quantity, price, amount."""
        labels = {t: label for label, index in self.case.windows.items() for t in index}
        periods = pd.Series(self.case.snapshots.map(labels), index=self.case.snapshots)
        ledger = Ledger(periods, self.case.weights)
        for rule in self.regime.rules:
            rule.settle(ledger, self._cleared)
        return ledger.table()

    def summary(self) -> pd.Series:
        """One row of the comparison table; `powermkt.COLUMNS` has meanings and units."""
        return metrics.summary(
            self.case,
            self.outcome,
            self.announced,
            self.ledger,
            self.regime.name,
            self.carbon_price,
        )

    @cached_property
    def network(self) -> pypsa.Network:
        """A PyPSA network with the results, for `n.statistics`, `n.plot` and `n.explore`."""
        n, out = self.case.network(), self.outcome
        n.generators_t["p"] = out.dispatch
        n.loads_t["p"] = out.served(self.case)
        n.buses_t["marginal_price"] = self.prices
        units, stores = n.storage_units.index, n.stores.index
        n.storage_units_t["p"] = out.storage[units]
        n.storage_units_t["state_of_charge"] = out.state_of_charge[units]
        n.stores_t["e"] = out.state_of_charge[stores]
        n.storage_units_t["spill"] = out.spill
        n.stores_t["p"] = out.storage[stores]
        sent = out.flows[n.links.index]
        n.links_t["p0"] = sent
        for port in ports(n):
            factor = self.case.dense("Link", "efficiency" if port == "1" else f"efficiency{port}")
            n.links_t[f"p{port}"] = -sent * factor
        for table, series in ((n.lines, n.lines_t), (n.transformers, n.transformers_t)):
            series["p0"] = out.flows[table.index]
            series["p1"] = -out.flows[table.index]
        return n


def clear(
    case: Case,
    regime: str | Path | Regime,
    carbon_price: float | None = None,
    *,
    weeks: int | None = None,
    year: bool = False,
    look_ahead: float | None = None,
    workers: int | None = None,
    ranges: bool = False,
) -> Run:
    """Clear a case under one regime at one carbon price.

    Parameters
    ----------
    case : Case
    regime : str, Path or Regime
        A preset's name, a YAML file, or a regime.
    carbon_price : float, optional
        [money/t]; default: what the regime's carbon rule states, in the presets 0.
    weeks : int, optional
        Clear this many representative weeks; default as the network's market file says, and all
        snapshots in one programme where it says nothing.
    year : bool, default False
        Clear every week; reservoirs follow a plan of the year (`powermkt.seams`).
    look_ahead : float, optional
        With `year`: clear the weeks one after another, each with this many hours of the next, and
        carry storage levels and what is online over (`powermkt.chained`). Takes no `ranges`.
    workers : int, optional
        Processes; default: one per core where it pays.
    ranges : bool, default False
        Give curtailment with its range over all optima; a few more solves per province and carrier.

    Returns
    -------
    Run

    Raises
    ------
    InputError
        If the regime or the case lacks something.
    ClearingError
        If a window has no optimum, or unserved load or excess generation that nobody declared.
    """
    check_look_ahead(look_ahead, year, ranges)
    case = with_horizon(case, weeks, year)
    cells = [(regime, carbon_price)]
    return clear_all(case, cells, workers, ranges=ranges, look_ahead=look_ahead)[0]


def clear_all(
    case: Case,
    cells: Sequence[tuple[str | Path | Regime, float | None]],
    workers: int | None = None,
    progress: Progress | None = None,
    ranges: bool = False,
    look_ahead: float | None = None,
) -> list[Run]:
    """Clear the windows of a case under several regimes and carbon prices.

    Parameters
    ----------
    case : Case
        With the windows to clear.
    cells : sequence of (regime, carbon price)
    workers : int, optional
    progress : callable, optional
        Called with parts done, parts in all, and what was done.
    ranges : bool, default False
        Find the range of curtailment as well.
    look_ahead : float, optional
        Clear the windows of each regime one after another with this look-ahead [h].

    Returns
    -------
    list of Run, one a cell
    """
    chosen = [regime(name) if price is None else regime(name).at(price) for name, price in cells]
    regimes = [(item, item.carbon_price) for item in chosen]
    faults = {str(fault): fault for item, _ in regimes for fault in item.faults(case)}
    if faults:
        raise InputError(faults.values())
    if look_ahead is not None:
        return _one_after_another(case, regimes, look_ahead, progress)
    structures: dict[str, list[int]] = {}
    for i, (item, _) in enumerate(regimes):
        structures.setdefault(item.structure, []).append(i)
    # By structure: windows of one regime take alike, so that long and short ones do not pair up.
    tasks = [(label, members) for members in structures.values() for label in case.windows]
    size = len(case.generators) * len(case.snapshots) * len(structures)
    wanted = (os.cpu_count() or 1) if workers is None else workers
    wanted = min(wanted, len(tasks)) if size >= _WORTH_A_POOL else 1
    found: dict[tuple[str, int], Outcome] = {}
    done = 0

    def keep(label: str, members: list[int], outcomes: list[Outcome]) -> None:
        nonlocal done
        done += 1
        found.update({(label, i): outcome for i, outcome in zip(members, outcomes, strict=True)})
        if progress is not None:
            progress(done, len(tasks), f"{regimes[members[0]][0].name}, {label}")

    def job(label: str, members: list[int]) -> tuple[Case, list[Regime], bool]:
        return case.window(label), [regimes[i][0] for i in members], ranges

    if wanted <= 1:
        for label, members in tasks:
            keep(label, members, clear_window(*job(label, members)))
    else:
        pool = loky.get_reusable_executor(max_workers=wanted)
        futures = {
            pool.submit(clear_window, *job(label, members)): (label, members)
            for label, members in tasks
        }
        try:
            for future in as_completed(futures):
                keep(*futures[future], future.result())
        finally:
            for future in futures:
                future.cancel()
    return [
        Run(case, item, price, join([found[label, i] for label in case.windows]))
        for i, (item, price) in enumerate(regimes)
    ]


def _one_after_another(
    case: Case,
    regimes: Sequence[tuple[Regime, float]],
    look_ahead: float,
    progress: Progress | None,
) -> list[Run]:
    runs: list[Run] = []
    for item, price in regimes:
        outcomes: list[Outcome] = []
        for outcome in clear_chained(case, item, look_ahead):
            outcomes.append(outcome)
            if progress is not None:
                done, whole = len(case.windows) * len(runs) + len(outcomes), len(case.windows)
                progress(done, whole * len(regimes), f"{item.name}, {done} windows")
        runs.append(Run(case, item, price, join(outcomes)))
    return runs


def check_look_ahead(look_ahead: float | None, year: bool, ranges: bool) -> None:
    """Refuse a look-ahead that is no time or has no weeks in a row to look at."""
    if look_ahead is None:
        return
    if not (look_ahead >= 0):
        raise InputError([Fault("look_ahead", f"{look_ahead} is no time", "give hours >= 0")])
    if ranges:
        raise InputError([Fault("look_ahead", "gives no ranges of curtailment", "leave one away")])
    if not year:
        raise InputError(
            [Fault("look_ahead", "there are no weeks in a row", "clear every week: year, --year")]
        )
