"""A window that is cleared at many prices of obligations, and mixtures of what it does."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from scipy import sparse

from powermkt.dispatch.clearing import Builder, clear, offered_cost_of, refuse_slack
from powermkt.dispatch.outcome import Outcome
from powermkt.dispatch.posing import offered_costs
from powermkt.dispatch.programme import Point, Programme
from powermkt.dispatch.quadratic import Curves
from powermkt.dispatch.results import read_outcome, slack_of
from powermkt.dispatch.ties import TIES_OF_CURVES, tie_costs
from powermkt.engine.regime import Regime
from powermkt.engine.window import numbers_of, rows_of
from powermkt.errors import ClearingError
from powermkt.inputs.case import Case
from powermkt.system.slack import SHED

_CODEC, _LENGTH = "zstd", 8  # bytes

# What is that of the clearing at the prices of obligations, where dispatch is a mixture.
_OF_PRICES = (
    "offer_price", "cost_price", "reserve_price", "import_price", "marginal_emission",
    "marginal_exposure", "marginal_priced", "marginal_mix", "price_unique", "notes",
)  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """A dispatch of a window.

    Attributes
    ----------
    cost : float
        At offers and ranks, without prices of obligations [money].
    resource : float
        Resource cost [money].
    packed : bytes
        The values of all columns, compressed.
    """

    cost: float
    resource: float
    packed: bytes

    @property
    def columns(self) -> np.ndarray:
        """The values of all columns."""
        size = int.from_bytes(self.packed[:_LENGTH], "little")
        raw = pa.decompress(self.packed[_LENGTH:], size, codec=_CODEC, asbytes=True)
        return np.frombuffer(raw)


class Window:
    """A window with its live programme, and the dispatches of it that are known.

    Parameters
    ----------
    case : Case
        The window.
    regime : Regime
        With obligations at no price.
    """

    def __init__(self, case: Case, regime: Regime) -> None:
        self.case, self.seconds = case, 0.0
        self.answers: list[Answer] = []
        builder = Builder(case)
        self._programme: Programme = builder.programme(rows_of(regime))
        builder.close()  # the same window may be cleared under other obligations next
        numbers = numbers_of(case, regime)
        ranked = replace(numbers, offers=[*numbers.offers, *numbers.ranking])
        self._cost = offered_costs(case, self._programme, ranked)
        self._limits = self._programme.bounds(numbers.limits)
        self._curves = Curves(case, self._programme)
        # Canonical: what is found does not depend on the way, and each solve begins at the last.
        self._tie = tie_costs(case, self._programme, True) * (TIES_OF_CURVES if self._curves else 1)
        adders = [
            rule.sign * self._programme.spread(rule.at_one(line).offer(case), case.weights)
            for rule in regime.obligations
            for line in rule.targets(case).index
        ]
        self._rates = sparse.csr_array(np.stack(adders))
        self._begun = False

    @property
    def size(self) -> int:
        """Number of columns."""
        return len(self._cost)

    def ask(self, prices: np.ndarray) -> tuple[float, np.ndarray, Answer]:
        """Clear at prices of what is added to sums, below 0 where that is paid for.

        Parameters
        ----------
        prices : ndarray [line]

        Returns
        -------
        float
            What it costs at these prices [money].
        ndarray [line]
            What is added to each sum.
        Answer
        """
        cost, added = self._cost + prices @ self._rates, 0.0
        if self._begun and not self._curves:
            columns, seconds, _ = self._programme.follow(cost, self._tie, primal=False)
        else:
            point, more = self._curves.solve(cost, *self._limits, {}, self._tie, True)
            columns, seconds, self._begun = point.columns, point.seconds, True
            added = float(more @ columns)
        self.seconds += seconds
        sums, answer = self._told(columns, added)
        return answer.cost + float(prices @ sums), sums, answer

    def ask_alone(
        self, sign: np.ndarray, target: np.ndarray, penalty: np.ndarray, prices: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, Answer] | None:
        """Clear with targets of this window's own; None where that is not found.

        The way there begins at the last dispatch that was asked for.

        Parameters
        ----------
        sign : ndarray [line]
            1: at most, -1: at least.
        target : ndarray [line]
        penalty : ndarray [line]
            Cost of a unit that is missed.
        prices : ndarray [line]
            Those that were last asked at, not above the penalty.

        Returns
        -------
        ndarray [line]
            Prices of the targets.
        ndarray [line]
            What is added to each sum.
        Answer
        """
        if self._curves:
            return None
        unit = np.maximum(abs(self._rates).max(axis=1).toarray().ravel(), 1e-9)
        rows = sparse.diags_array(sign / unit) @ self._rates
        try:
            columns, worth, seconds = self._programme.search.among(
                self._cost + (sign * prices) @ self._rates + self._tie,
                rows,
                sign * target / unit,
                penalty * unit,
                prices * unit,
            )
        except ClearingError:  # a start for the search, no part of what is found
            return None
        self.seconds += seconds
        return worth / unit, *self._told(columns, 0.0)

    def _told(self, columns: np.ndarray, added: float) -> tuple[np.ndarray, Answer]:
        sums, own = self._rates @ columns, float(self._cost @ columns) + added
        raw = columns.tobytes()
        packed = len(raw).to_bytes(_LENGTH, "little") + pa.compress(raw, codec=_CODEC, asbytes=True)
        return sums, Answer(own, float(self._programme.cost @ columns) + added, packed)

    def outcome(self, item: Regime, shares: np.ndarray, margins: bool) -> Outcome:
        """Return a mixture of the dispatches that are known, with the prices of a regime.

        Parameters
        ----------
        item : Regime
            With the prices of obligations.
        shares : ndarray [answer]
        margins : bool
            As in `scheduling.clear_cells`.
        """
        seen: list[Point] = []

        def observe(_: Programme, point: Point, *__: np.ndarray) -> None:
            seen.append(point)

        case, programme = self.case, self._programme
        numbers = replace(numbers_of(case, item, margins=margins), observer=observe)
        last = clear(case, programme, numbers)
        self.seconds += last.solver_seconds
        held = [(s, answer) for s, answer in zip(shares, self.answers, strict=True) if s > 1e-12]
        whole = sum(s for s, _ in held)
        columns = sum((s / whole * answer.columns for s, answer in held), start=np.zeros(1))
        point = replace(seen[0], columns=columns)
        output = programme.values("Generator-p", point)
        refuse_slack(case, output)
        found = read_outcome(case, programme, point, output, slack_of(output, SHED))
        offered = offered_costs(case, programme, numbers)
        return replace(
            found,
            cost=sum(s / whole * answer.resource for s, answer in held),
            offered_cost=offered_cost_of(case, programme, point, offered),
            **{name: getattr(last, name) for name in _OF_PRICES},
        )
