"""Find the prices of obligations that couple all windows, by column generation.

With C_k the offered cost of window k and a_jk what its plant adds to sum j, the cheapest dispatch
whose sums meet their targets is that of the master programme

    min  sum_kc lambda_kc C_kc + sum_j p_j s_j
    s.t. sum_kc lambda_kc a_jkc - s_j <= target_j   (at most; + s_j >= target_j: at least)
         sum_c lambda_kc = 1 for every window k,  lambda, s >= 0

over all dispatches c of each window (Dantzig and Wolfe 1960, doi:10.1287/opre.8.1.101). It is
solved over those that are known; its duals are prices of the obligations, at which each window is
cleared again and gives a new dispatch, and a lower bound: what the windows cost at those prices
less what the targets are worth. Prices are taken between those of the best bound and the master's,
which keeps them from swinging (Wentges 1997, doi:10.1016/S0969-6016(97)00001-4). It ends where cost
and bound are as near as is asked for. In a linear programme the mixture is its optimum and the
duals are the prices of certificates, permits, quotas.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from scipy.optimize import linprog

from powermkt.case import Case
from powermkt.clearing import Builder, clear
from powermkt.engine import default_workers
from powermkt.errors import ClearingError, Fault
from powermkt.outcome import Outcome, join, mixed
from powermkt.packing import pack, unpack
from powermkt.programme import Programme
from powermkt.regime import Regime
from powermkt.rules import Obligation
from powermkt.slack import EXCESS_COST, UNSERVED_COST
from powermkt.window import numbers_of, rows_of

COLUMNS: dict[str, tuple[str, str]] = {
    "regime": ("", "name of the regime"),
    "carbon_price": ("money/t", "carbon price beside the obligations"),
    "line": ("", "obligation, `@province` where each province meets its own"),
    "kind": ("", "at_most or at_least"),
    "unit": ("", "label of the unit"),
    "target": ("unit", "what is to be met over the horizon"),
    "reached": ("unit", "what plant adds up to"),
    "shortfall": ("unit", "what is lacking, or above what is allowed; paid at the shortfall price"),
    "price": ("money/unit", "price at which it is met; 0 where it does not bind"),
    "free": ("unit", "what plant adds up to without any obligation"),
}

_TOLERANCE = 1e-6  # of cost, between the mixture and its lower bound
_MOST_ROUNDS = 400
_SMOOTHING = 0.6
_BELOW = (
    0.45  # of the price of excess generation, or of unserved load: no obligation makes them pay
)


@dataclass(frozen=True)
class Obliged:
    """The prices of obligations, and how well they are known.

    Attributes
    ----------
    table : DataFrame
        One row a line, columns of `COLUMNS` but regime and carbon_price.
    gap : float
        Offered cost less its lower bound, relative to it [1].
    rounds : int
        Times that every window was cleared.
    seconds : float
    """

    table: pd.DataFrame
    gap: float
    rounds: int
    seconds: float

    @property
    def prices(self) -> dict[str, float]:
        """Price by line [money/unit]."""
        return dict(zip(self.table["line"], self.table["price"], strict=True))

    @property
    def notes(self) -> list[str]:
        """What a run says of it."""
        lines = self.table.set_index("line")
        said = [
            f"obligations: cost within {self.gap:.1e} of its lower bound after {self.rounds} rounds"
            + (", more than is asked for" if self.gap > _TOLERANCE else "")
        ]
        slack = lines.index[lines["price"] == 0]
        if len(slack):
            said.append(f"obligations that do not bind: {', '.join(slack)}")
        short = lines[lines["shortfall"] > _negligible(lines["target"])]
        said += [
            f"obligation {name}: {row['shortfall']:,.6g} {row['unit']} are short of the target and "
            f"paid at {row['price']:,.6g}"
            for name, row in short.iterrows()
        ]
        return said


@dataclass
class _Column:
    """One dispatch of a window: offered cost without prices, what lines add up to, and itself."""

    cost: float
    sums: np.ndarray
    prices: np.ndarray  # at which it was found
    packed: bytes


@dataclass
class _Window:
    case: Case
    programme: Programme
    columns: list[_Column] = field(default_factory=list)


def clear_obliged(
    case: Case, regime: Regime, workers: int | None = None, margins: bool = False
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
    margins : bool, default False
        As in `engine.clear_cells`.

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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # PyPSA announces its next string type
        parts = [case.window(label) for label in case.windows]
        windows = [_Window(part, Builder(part).programme(rows_of(regime))) for part in parts]
        with ThreadPoolExecutor(workers or default_workers(case)) as pool:
            return _Master(case, regime, windows, pool).solve(margins)


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


class _Master:
    """The master programme over the dispatches that are known."""

    def __init__(
        self, case: Case, regime: Regime, windows: list[_Window], pool: ThreadPoolExecutor
    ) -> None:
        self._case, self._regime, self._windows, self._pool = case, regime, windows, pool
        rules, targets = regime.obligations, [rule.targets(case) for rule in regime.obligations]
        self._lines = pd.concat(
            [
                pd.DataFrame(
                    {"line": target.index, "kind": rule.kind, "unit": rule.unit,
                     "target": target.to_numpy(), "sign": rule.sign,
                     "penalty": rule.shortfall_price},
                )
                for rule, target in zip(rules, targets, strict=True)
            ],
            ignore_index=True,
        )  # fmt: skip
        self._sign = self._lines["sign"].to_numpy(float)
        self._target = self._lines["target"].to_numpy(float)
        self._ceiling = np.repeat(
            [_ceiling(case, rules, rule) for rule in rules], [len(target) for target in targets]
        )
        penalty = self._lines["penalty"].astype(float).to_numpy()
        self._penalty = np.where(np.isnan(penalty), self._ceiling, penalty)
        self._bound, self._best = -np.inf, np.zeros(len(self._sign))
        self._seconds = 0.0

    def solve(self, margins: bool) -> tuple[Outcome, Obliged]:
        """Add dispatches until cost and bound meet."""
        began, zero = time.perf_counter(), np.zeros(len(self._sign))
        self._try(zero)
        free = self._weighted([np.array([1.0]) for _ in self._windows])
        smoothing, rounds = _SMOOTHING, 1
        while True:
            value, prices, shares, short = self._mixture()
            if self._gap(value) <= _TOLERANCE or rounds >= _MOST_ROUNDS:
                break
            tried = smoothing * self._best + (1 - smoothing) * prices
            new = self._try(tried)
            rounds += 1
            # Nothing new between the prices: look at the master's own next.
            smoothing = _SMOOTHING if new else 0.0
            if not new and np.array_equal(tried, prices):
                break
        self._refuse_missing(short, shares)
        table = self._lines[["line", "kind", "unit", "target"]].assign(
            reached=self._weighted(shares), shortfall=short, price=prices, free=free
        )
        # The last round may have moved the bound though it brought no new dispatch.
        found = Obliged(table, self._gap(value), rounds, time.perf_counter() - began)
        outcome = self._outcome(shares, prices, margins)
        notes, seconds = [*outcome.notes, *found.notes], self._seconds + outcome.solver_seconds
        # What is minimised holds payments for what is short, and no prices of obligations.
        return replace(outcome, minimised=value, notes=notes, solver_seconds=seconds), found

    def _gap(self, value: float) -> float:
        """Cost above the best bound, relative to the cost [1]."""
        return max(0.0, value - self._bound) / max(abs(value), 1.0)

    def _try(self, prices: np.ndarray) -> bool:
        """Clear every window at prices; whether any dispatch is new."""
        item = self._regime.priced(self._named(prices))

        def cleared(window: _Window) -> Outcome:
            return clear(window.case, window.programme, numbers_of(window.case, item))

        bound, new = -float(self._sign @ (prices * self._target)), False
        for window, outcome in zip(
            self._windows, self._pool.map(cleared, self._windows), strict=True
        ):
            sums = np.concatenate(
                [rule.sums(window.case, outcome).to_numpy() for rule in item.obligations]
            )
            cost = outcome.minimised - float(self._sign @ (prices * sums))
            bound += outcome.minimised
            self._seconds += outcome.solver_seconds
            known = any(np.allclose(sums, c.sums, rtol=1e-9, atol=1e-6) for c in window.columns)
            if not known:
                window.columns.append(_Column(cost, sums, prices, pack(outcome)))
                new = True
        if bound > self._bound:
            self._bound, self._best = bound, prices
        return new

    def _mixture(self) -> tuple[float, np.ndarray, list[np.ndarray], np.ndarray]:
        """Cost, prices [line], shares of the dispatches by window, and shortfall [line]."""
        counts = [len(window.columns) for window in self._windows]
        columns = [column for window in self._windows for column in window.columns]
        # One scale of money and of units: what obligations weigh is far from what power costs. What
        # is short is in targets too: HiGHS takes entries as small as 1e-9 for none.
        unit = np.maximum(np.abs(self._target), 1.0)
        cost = np.concatenate([[column.cost for column in columns], self._penalty * unit])
        money = max(1.0, float(np.abs(cost[: len(columns)]).max()))
        added = np.stack([column.sums for column in columns], axis=1)
        rows = np.hstack([(self._sign / unit)[:, None] * added, -np.eye(len(unit))])
        whole = np.zeros((len(counts), len(cost)))
        for k, (count, end) in enumerate(zip(counts, np.cumsum(counts), strict=True)):
            whole[k, end - count : end] = 1.0
        solved = linprog(
            cost / money,
            A_ub=rows, b_ub=self._sign * self._target / unit,
            A_eq=whole, b_eq=np.ones(len(counts)), method="highs-ds",
        )  # fmt: skip
        if not solved.success:
            raise ClearingError(f"{self._case.name}: obligations: {solved.message}")
        prices = np.maximum(-solved.ineqlin.marginals * money / unit, 0.0)
        shares = np.split(solved.x[: len(columns)], np.cumsum(counts)[:-1])
        return float(solved.fun * money), prices, shares, solved.x[len(columns) :] * unit

    def _weighted(self, shares: list[np.ndarray]) -> np.ndarray:
        """What each line adds up to in a mixture [line]."""
        total = np.zeros(len(self._sign))
        for window, part in zip(self._windows, shares, strict=True):
            for share, column in zip(part, window.columns, strict=False):
                total += share * column.sums
        return total

    def _refuse_missing(self, short: np.ndarray, shares: list[np.ndarray]) -> None:
        """Raise where a target is missed that nobody may pay for."""
        free = self._lines["penalty"].isna().to_numpy()
        missed = free & (short > _negligible(self._lines["target"]).to_numpy())
        if missed.any():
            reached = self._weighted(shares)
            lines = self._lines.assign(reached=reached, ceiling=self._ceiling)[missed].to_dict(
                "records"
            )
            what = "; ".join(
                f"{row['line']}: {row['reached']:,.6g} {row['unit']} is what can be reached, "
                f"{str(row['kind']).replace('_', ' ')} {row['target']:,.6g} is asked for (prices "
                f"up to {row['ceiling']:,.4g})"
                for row in lines
            )
            raise ClearingError(
                f"{self._case.name}, regime {self._regime.name!r}: obligations cannot be met: "
                f"{what}; change the target, or state a `shortfall_price`"
            )

    def _named(self, prices: np.ndarray) -> Mapping[str, float]:
        return dict(zip(self._lines["line"], prices.tolist(), strict=True))

    def _outcome(self, shares: list[np.ndarray], prices: np.ndarray, margins: bool) -> Outcome:
        """The mixture, with the prices of energy at the prices of obligations."""
        item = self._regime.priced(self._named(prices))

        def of(window: _Window, part: np.ndarray) -> Outcome:
            numbers = numbers_of(window.case, item, margins=margins)
            last = clear(window.case, window.programme, numbers)
            held = [(s, c) for s, c in zip(part, window.columns, strict=True) if s > 1e-12]
            found, total = self._at(window.case, held[0][1], prices), held[0][0]
            for share, column in held[1:]:
                total += share
                found = mixed(self._at(window.case, column, prices), found, share / total)
            return replace(
                found,
                offer_price=last.offer_price,
                cost_price=last.cost_price,
                reserve_price=last.reserve_price,
                import_price=last.import_price,
                marginal_emission=last.marginal_emission,
                marginal_exposure=last.marginal_exposure,
                marginal_priced=last.marginal_priced,
                marginal_mix=last.marginal_mix,
                price_unique=last.price_unique,
                notes=last.notes,
                solver_seconds=last.solver_seconds,
            )

        return join(list(self._pool.map(of, self._windows, shares)))

    def _at(self, case: Case, column: _Column, prices: np.ndarray) -> Outcome:
        """A dispatch with what it was offered for at other prices than it was found at."""
        found, weights = unpack(column.packed), case.weights
        units = found.offered_cost.columns
        rise = pd.Series(0.0, units)
        for item, sign in ((prices, 1.0), (column.prices, -1.0)):
            for rule in self._regime.priced(self._named(item)).obligations if len(units) else ():
                adder = rule.offer(case).get("Generator-p")
                if isinstance(adder, pd.Series):
                    rise += sign * adder.reindex(units, fill_value=0.0)
        more = (found.dispatch[units] * rise).mul(weights, axis="index")
        return replace(found, offered_cost=found.offered_cost + more)


def _ceiling(case: Case, rules: list[Obligation], rule: Obligation) -> float:
    """Price up to which no plant pays for having load shed, or generation dumped [money/unit]."""
    market = case.market
    if rule.kind == "at_least":
        limit = market.price_of_excess or EXCESS_COST
    else:
        limit = market.value_of_lost_load or UNSERVED_COST
    alike = sum(other.kind == rule.kind for other in rules)
    most = _BELOW * limit / alike / rule.largest_rate(case)
    if (credit := rule.largest_credit(case)) > 0:
        most = min(most, _BELOW * (market.price_of_excess or EXCESS_COST) / alike / credit)
    return most


def _negligible(target: pd.Series) -> pd.Series:
    return 1e-7 * target.abs().clip(lower=1.0)
