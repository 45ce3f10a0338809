"""Find the prices of obligations that couple all windows, by column generation.

The cheapest dispatch whose sums meet their targets is that of a master programme (`master`) over
dispatches of the windows. At its prices each window is cleared again and gives a new dispatch, and
a lower bound: what the windows cost at those prices less what the targets are worth. It ends where
cost and bound are as near as is asked for. In a linear programme the mixture of dispatches is its
optimum and the duals are the prices of certificates, permits, quotas.
"""

from __future__ import annotations

import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Lock

import numpy as np
import pandas as pd

from powermkt.dispatch.outcome import Outcome, join
from powermkt.engine.mixing import Answer, Window
from powermkt.engine.obligedprices import ENOUGH, SAVINGS, Obliged, negligible
from powermkt.engine.regime import Regime
from powermkt.engine.scheduling import Progress, default_workers
from powermkt.errors import ClearingError, Fault
from powermkt.inputs.case import Case
from powermkt.methods.master import Master, Mixture
from powermkt.rules import Obligation
from powermkt.system.slack import EXCESS_COST, UNSERVED_COST

# Gap between the mixture and its lower bound that is enough up to so many rounds, of what the
# obligations add to cost. Prices are known less well than cost: where windows are small and rounds
# are cheap, they go on until next to nothing is left.
_AIMS, _CHEAP = ((20, 1e-8), (40, 1e-6)), 100_000  # columns
_NOISE = 1e-12  # of cost: what solvers leave
_MOST_ROUNDS = 400
_STEP = 0.1  # of the mean cost of a MWh: how far the first prices may be from none
# Of the price of excess generation, or of unserved load: no obligation makes them pay.
_BELOW = 0.45
_DEAREST = 10.0  # times the dearest measure: where no plant counts, price of what is not met
_LEAST = 1e-6  # of the penalty: prices go that far at first at least

_Told = tuple[float, np.ndarray, Answer]  # by a window, as `Window.ask`


def clear_obliged(
    case: Case, regime: Regime, workers: int | None, progress: Progress | None, margins: bool
) -> tuple[Outcome, Obliged]:
    """Clear all windows of a case such that obligations over all of them are met.

    Parameters
    ----------
    case : Case
        With the windows to clear.
    regime : Regime
        With rules `Obligation`, and no `obliged_faults`.
    workers : int, optional
        Windows that are cleared at a time, in threads.
    progress, margins
        As in `scheduling.clear_cells`; progress counts rounds, of how many nobody knows (0).

    Returns
    -------
    Outcome
        Of all windows; prices are those at the prices of obligations that were found.
    Obliged

    Raises
    ------
    ClearingError
        If a target without a shortfall price cannot be met: how much there is.
    """
    began = time.perf_counter()
    with warnings.catch_warnings(), ThreadPoolExecutor(workers or default_workers(case)) as pool:
        warnings.simplefilter("ignore", FutureWarning)  # PyPSA announces its next string type
        search = _Search(case, regime, pool, progress)
        master, found, rounds = search.run()
        item, windows = regime.priced(*search.named(master, found)), search.windows
        parts = pool.map(lambda w, share: w.outcome(item, share, margins), windows, found.shares)
        outcome = join(list(parts))
    obliged = search.obliged(master, found, rounds, time.perf_counter() - began)
    # What is minimised holds measures and what is paid for what is short, no prices of obligations.
    return replace(
        outcome,
        minimised=found.value,
        notes=[*outcome.notes, *obliged.notes],
        solver_seconds=sum(window.seconds for window in windows),
    ), obliged


def obliged_faults(case: Case, regime: Regime) -> list[Fault]:
    """Return what stands against prices of obligations, if a regime has any, over all windows.

    The windows are to be linear programmes that are cleared for themselves.
    """
    if not regime.obligations:
        return []
    where, found = f"regime {regime.name!r}: obligation", []
    names = [line for rule in regime.obligations for line in rule.targets(case).index]
    for name in sorted({name for name in names if names.count(name) > 1}):
        found.append(Fault(where, f"{name!r} stands twice", "give each obligation its own name"))
    for there, what in (
        (regime.cap is not None, "beside CarbonCap"),
        (regime.two_settlement is not None, "with two settlements"),
        (regime.tiers is not None and len(case.corridors) > 0, "with trade in tiers"),
        (regime.buys_after_energy(case), "with reserves that are bought after energy"),
        (case.look_ahead is not None, "with look-ahead"),
        (bool(case.generators["committable"].any()) and not regime.units.relaxed,
         "with units that are on or off"),
    ):  # fmt: skip
        if there:
            remedy = "leave one of them out; a limit on emissions may be an obligation"
            found.append(Fault(where, f"no price is found {what}", remedy))
    for rule in regime.obligations:
        most = _ceiling(case, regime.obligations, rule)
        if rule.shortfall_price is not None and rule.shortfall_price > most:
            what = (
                f"{rule.shortfall_price:g} is above {most:,.6g}, at which plant is paid for waste"
            )
            remedy = "lower it, or raise value_of_lost_load and price_of_excess in market.yaml"
            found.append(Fault(f"Obligation {rule.name!r}.shortfall_price", what, remedy))
    return found


class _Search:
    """The rounds: prices from the master programme, dispatches and a bound from the windows."""

    def __init__(
        self, case: Case, regime: Regime, pool: ThreadPoolExecutor, progress: Progress | None
    ) -> None:
        self._case, self._regime, self._pool = case, regime, pool
        self.windows: list[Window] = []
        self._building = Lock()
        self._free = 0.0  # cost without any obligation
        self._progress, self._rounds = progress, 0
        rules, targets = regime.obligations, [rule.targets(case) for rule in regime.obligations]
        load = case.dense("Load", "p_set").clip(lower=0.0).mul(case.weights, axis="index")
        self._lines = pd.concat(
            [
                pd.DataFrame(
                    {"line": target.index, "kind": rule.kind, "unit": rule.unit,
                     "target": target.to_numpy(), "sign": rule.sign,
                     "penalty": rule.shortfall_price, "ceiling": _ceiling(case, rules, rule),
                     "rate": rule.largest_rate(case)},
                )
                for rule, target in zip(rules, targets, strict=True)
            ],
            ignore_index=True,
        )  # fmt: skip
        stated = [] if regime.savings is None else regime.savings.measures
        self._measures = pd.DataFrame(
            [(m.name, m.province, m.potential, m.cost) for m in stated],
            columns=["measure", "province", "potential", "unit_cost"],
        ).astype({"potential": float, "unit_cost": float})
        units = pd.DataFrame(0.0, self._lines["line"], self._measures["measure"])
        for rule in rules:
            for line, measure, rate in rule.measures:
                units.loc[line, measure.name] = rate
        self._units = units.to_numpy(float)
        self._energy = float(load.to_numpy().sum())

    def run(self) -> tuple[Master, Mixture, int]:
        """Add dispatches until cost and bound meet; the master, its optimum, and rounds."""
        zero = np.zeros(len(self._lines))
        # The first windows are solved while others are built.
        self._say()
        opened = list(self._pool.map(lambda label: self._opened(label, zero), self._case.windows))
        self.windows, first = [window for window, _ in opened], [told for _, told in opened]
        self._free = sum(least for least, *_ in first)
        master = self._master(self._free)
        self._add(master, zero, first)
        rounds, tried = 1, zero
        if len(zero) > 1 and not self._enough(master, master.solve().value, rounds):
            rounds += self._begin(master, first)
        while True:
            found = master.solve()
            if self._enough(master, found.value, rounds) or rounds >= _MOST_ROUNDS:
                break
            before, tried = tried, master.next_prices()
            answers = self._asked(tried * master.sign)
            rounds += 1
            if not self._add(master, tried, answers) and np.array_equal(tried, before):
                break
        self._refuse_missing(master, found)
        return master, found, rounds

    def _opened(self, label: str, prices: np.ndarray) -> tuple[Window, _Told]:
        """Build a window and ask it; PyPSA and linopy do not say that they build in threads."""
        with self._building:
            window = Window(self._case.window(label), self._regime)
        return window, window.ask(prices)

    def _enough(self, master: Master, value: float, rounds: int) -> bool:
        """Whether cost and bound are near enough after so many rounds."""
        cheap = sum(window.size for window in self.windows) <= _CHEAP
        aim = next((aim for most, aim in _AIMS if cheap and rounds < most), ENOUGH)
        left = max(aim * (value - self._free), _NOISE * abs(value))
        return value - master.bound <= left

    def _asked(self, prices: np.ndarray) -> list[_Told]:
        self._say()
        return list(self._pool.map(lambda window: window.ask(prices), self.windows))

    def _say(self) -> None:
        if self._progress is not None:
            self._progress(self._rounds, 0, f"{self._regime.name}, obligations")
        self._rounds += 1

    def _begin(self, master: Master, first: list[_Told]) -> int:
        """Let each window meet its part of the targets for itself; how many rounds that took.

        These dispatches meet the targets together, if anything does, and their prices are not far
        from those of all windows. The first window's are where the others begin.
        """
        sums = np.stack([sums for _, sums, _ in first])
        whole = sums.sum(axis=0)
        part = np.where(whole > 0, sums / np.where(whole > 0, whole, 1.0), 1 / len(first))

        def alone(k: int, prices: np.ndarray) -> tuple[np.ndarray, np.ndarray, Answer] | None:
            targets = part[k] * master.target
            return self.windows[k].ask_alone(master.sign, targets, master.penalty, prices)

        leader = alone(0, np.zeros(len(master.sign)))
        if leader is None:
            return 0
        start = np.where(whole > 0, np.minimum(leader[0], master.penalty), 0.0)
        rounds = 1
        if len(first) > 1:
            self._add(master, start, self._asked(start * master.sign))
            rounds += 1
        found = [leader, *self._pool.map(lambda k: alone(k, start), range(1, len(first)))]
        told = [one for one in found if one is not None]
        if len(told) < len(found):
            return rounds
        for k, (_, added, answer) in enumerate(told):
            if master.add(k, answer.cost, added):
                self.windows[k].answers.append(answer)
        own = np.stack([prices for prices, *_ in told])
        prices = np.where(whole > 0, (part * own).sum(axis=0), 0.0)
        prices = np.clip(prices, 0.0, master.penalty)
        self._add(master, prices, self._asked(prices * master.sign))
        # The error of a mean of so many prices.
        master.narrow(abs(own - prices).mean(axis=0) / np.sqrt(len(own)))
        return rounds + 1

    def _master(self, cost: float) -> Master:
        """The master programme without dispatches; `cost` is what they cost without obligations."""
        lines, measures = self._lines, self._measures
        worth = measures["unit_cost"].to_numpy() / np.where(self._units > 0, self._units, np.inf)
        dearest = np.maximum(worth.max(axis=1, initial=0.0), 1.0)
        ceiling = lines["ceiling"].where(lines["rate"] > 0, _DEAREST * dearest)
        penalty = lines["penalty"].astype(float).fillna(ceiling).to_numpy()
        rate = lines["rate"].where(lines["rate"] > 0).to_numpy()
        step = _STEP * abs(cost) / max(self._energy, 1.0) / rate
        step = np.where(np.isnan(rate), penalty, step)  # the master knows all of these
        return Master(
            sign=lines["sign"].to_numpy(float), target=lines["target"].to_numpy(float),
            penalty=penalty, step=np.clip(step, _LEAST * penalty, penalty),
            potential=measures["potential"].to_numpy(float),
            cost=measures["unit_cost"].to_numpy(float), units=self._units,
            parts=len(self.windows),
        )  # fmt: skip

    def _add(self, master: Master, prices: np.ndarray, answers: list[_Told]) -> bool:
        """Tell the master what windows answered; whether anything is new."""
        new = False
        for k, (window, (_, sums, answer)) in enumerate(zip(self.windows, answers, strict=True)):
            if master.add(k, answer.cost, sums):
                window.answers.append(answer)
                new = True
        master.answered(prices, sum(least for least, *_ in answers))
        return new

    def named(self, master: Master, found: Mixture) -> tuple[dict[str, float], dict[str, float]]:
        """Prices by line, and savings by measure."""
        return (
            dict(zip(self._lines["line"], master.best.tolist(), strict=True)),
            dict(zip(self._measures["measure"], found.saved.tolist(), strict=True)),
        )

    def obliged(self, master: Master, found: Mixture, rounds: int, seconds: float) -> Obliged:
        """Tables of what was found."""
        less, lines, sign = self._units @ found.saved, self._lines, master.sign
        free = master.sums([np.eye(1, len(share))[0] for share in found.shares])
        table = lines[["line", "kind", "unit", "target"]].assign(
            reached=master.sums(found.shares) - sign * less, saved=less, shortfall=found.missed,
            price=master.best, mixture_price=found.prices, free=free,
        )  # fmt: skip
        worth = master.best @ self._units
        savings = self._measures.assign(saved=found.saved, unit_worth=worth)
        savings["cost"] = savings["saved"] * savings["unit_cost"]
        savings["worth"] = savings["saved"] * worth
        savings["rent"] = savings["worth"] - savings["cost"]
        columns = [name for name in SAVINGS if name in savings]
        return Obliged(
            table, savings[columns], master.gap(found.value),
            gap_of_added(found.value, master.bound, self._free), rounds, seconds,
        )  # fmt: skip

    def _refuse_missing(self, master: Master, found: Mixture) -> None:
        """Raise where a target is missed that nobody may pay for."""
        free = self._lines["penalty"].isna().to_numpy()
        missed = free & (found.missed > negligible(self._lines["target"]).to_numpy())
        if missed.any():
            reached = master.sums(found.shares) - master.sign * (self._units @ found.saved)
            lines = self._lines.assign(reached=reached, most=master.penalty)[missed]
            what = "; ".join(
                f"{row['line']}: {row['reached']:,.6g} {row['unit']} is what can be reached, "
                f"{str(row['kind']).replace('_', ' ')} {row['target']:,.6g} is asked for (prices "
                f"up to {row['most']:,.4g})"
                for row in lines.to_dict("records")
            )
            raise ClearingError(
                f"{self._case.name}, regime {self._regime.name!r}: obligations cannot be met: "
                f"{what}; change the target, or state a `shortfall_price`"
            )


def gap_of_added(value: float, bound: float, free: float) -> float:
    """Gap between a cost and its bound, of what is added to the cost that is free [1].

    0 where no more than the noise of solvers is left, as where nothing binds.
    """
    noise, left = _NOISE * abs(value), value - bound
    return left / max(value - free, noise) if left > noise else 0.0


def _ceiling(case: Case, rules: list[Obligation], rule: Obligation) -> float:
    """Price up to which no plant pays for having load shed, or generation dumped [money/unit].

    Infinite where no plant counts.
    """
    market, rate = case.market, rule.largest_rate(case)
    if rate == 0:
        return np.inf
    if rule.kind == "at_least":
        limit = market.price_of_excess or EXCESS_COST
    else:
        limit = market.value_of_lost_load or UNSERVED_COST
    alike = sum(other.kind == rule.kind and other.largest_rate(case) > 0 for other in rules)
    most = _BELOW * limit / alike / rate
    if (credit := rule.largest_credit(case)) > 0:
        most = min(most, _BELOW * (market.price_of_excess or EXCESS_COST) / alike / credit)
    return most
