"""Capacities and dispatch at once, where what plant earns are the marginal values of the clearing.

Where every MWh is offered at cost and paid its locational price, entry until the return meets the
hurdle rate is the least-cost expansion: with dispatch costs c y at offers, capacities x and yearly
costs k of which the horizon bears the share h,

    min  c y + h k x    over all windows,    A y <= b,    y <= a x,    0 <= x <= potential.

The duals of the nodal balances are prices at which entrants within their potential earn just h k,
and they are locational prices of the clearing at these capacities too: any of its optima goes with
them (Boiteux 1960; Schweppe et al., Spot Pricing of Electricity, 1988).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.optimize import linprog

from powermkt.common.values import HOURS_A_YEAR
from powermkt.dispatch.clearing import Builder
from powermkt.dispatch.posing import offered_costs
from powermkt.dispatch.programme import Programme
from powermkt.dispatch.results import by_bus
from powermkt.engine.regime import Regime
from powermkt.engine.window import numbers_of, rows_of
from powermkt.errors import ClearingError
from powermkt.inputs.case import Case
from powermkt.inputs.services import Services
from powermkt.rules import (
    Administered,
    CarbonPrice,
    CoOptimised,
    Coupled,
    DeepPeakOffers,
    LocationalPrice,
    MeritOrder,
    RetailTariff,
    Sequential,
)
from powermkt.studies.candidates import Candidate
from powermkt.studies.entrants import TABLES, with_entrants

_JUDGED = {MeritOrder, Coupled, LocationalPrice, CarbonPrice}  # by what they state
# Without services they pay nobody, or users alone pay.
_NOTHING_MORE = {CoOptimised, Sequential, Administered, DeepPeakOffers, RetailTariff}


class Expansion(NamedTuple):
    """A joint optimum.

    Attributes
    ----------
    capacity : Series [candidate], MW
    price : DataFrame [snapshot x bus], money/MWh
    objective : float
        Cost of dispatch at offers and of what enters [money of the horizon].
    """

    capacity: pd.Series
    price: pd.DataFrame
    objective: float


def why_not(case: Case, regime: Regime) -> str:
    """Say why what plant earns under a regime is not the marginal value; "" where it is.

    Rules that are not known to leave it at that count as if they did not.
    """
    rules = {rule.role: rule for rule in regime.rules if rule.role in ("dispatch", "trade")}
    dispatch, pricing, carbon = rules["dispatch"], regime.pricing, regime.carbon
    if type(pricing) is not LocationalPrice or pricing.scope != "nodal":
        return "plant is not paid locational prices"
    if pricing.cap is not None or pricing.floor is not None or pricing.surplus is not None:
        return "prices are capped, or congestion rent goes to another account"
    if type(rules["trade"]) is not Coupled:
        return "provinces are not coupled"
    if type(dispatch) is not MeritOrder or dispatch != MeritOrder(
        commitment=dispatch.commitment, units=dispatch.units, offers=dispatch.offers
    ):
        return "offers are not cost"
    if case.offers is not None and dispatch.submitted:
        return "offers were submitted"
    if carbon is not None and (carbon.price or carbon.offsets is not None):
        given = carbon.share("output_based") + carbon.share("auction")
        whole = carbon.offered and abs(given - 1) < 1e-9 and carbon.surplus == "sold"
        if not whole or carbon.deficit_cap is not None or carbon.exempt_deficits:
            return "the carbon cost that plant bears is not what it offers"
    if regime.cap is not None or regime.obligations or regime.two_settlement is not None:
        return "a cap, an obligation or a second settlement adds payments"
    known = _JUDGED | _NOTHING_MORE
    others = [type(r).__name__ for r in regime.rules if type(r) not in known and not r.inert]
    if others:
        return f"{', '.join(others)}: changes what plant does or is paid"
    if case.market.services != Services():
        return "services are paid as well"
    if case.generators["committable"].any() or case.look_ahead is not None:
        return "units are on or off, or windows follow each other"
    if (case._n.generators["marginal_cost_quadratic"] != 0).any():
        return "costs are quadratic"
    return "" if case.market.penalties.pricing is None else "prices come from a run of their own"


def expand(case: Case, regime: Regime, candidates: Mapping[str, Candidate]) -> Expansion:
    """Find capacities and dispatch together.

    PyPSA writes the rows of each window with `p_nom_extendable` candidates, the rules of the regime
    theirs; windows share the capacities.

    Parameters
    ----------
    case : Case
        With the windows of the horizon.
    regime : Regime
        At its carbon price; one for which `why_not` is empty.
    candidates : mapping of str to Candidate

    Returns
    -------
    Expansion

    Raises
    ------
    ClearingError
        If there is no optimum.
    """
    more = with_entrants(case, candidates, None)
    names = list(candidates)
    parts = [(more.window(label), *_written(more.window(label), regime)) for label in more.windows]
    share = float(case.weights.sum()) / HOURS_A_YEAR
    cost = [share * candidates[name].yearly_cost for name in names]
    bounds = [(0.0, candidates[name].most) for name in names]
    matrices, low, high = [], [], []
    used = len(names)
    for _, programme, own, lower, upper in parts:
        shared = _capacity_columns(programme, candidates)
        place = np.full(len(own), -1)
        place[list(shared.values())] = [names.index(name) for name in shared]
        new = np.flatnonzero(place < 0)
        place[new] = used + np.arange(len(new))
        used += len(new)
        cost += own[new].tolist()
        bounds += list(zip(lower[new], upper[new], strict=True))
        matrices.append((programme.matrix.tocoo(), place))
        low.append(programme.row_lower)
        high.append(programme.row_upper)
    rows = sparse.vstack(
        [
            sparse.csr_array((m.data, (m.row, place[m.col])), shape=(m.shape[0], used))
            for m, place in matrices
        ]
    ).tocsr()
    least, most = np.concatenate(low), np.concatenate(high)
    equal, above, below = least == most, np.isfinite(most), np.isfinite(least)
    above, below = above & ~equal, below & ~equal
    found = linprog(
        np.array(cost),
        A_eq=rows[equal], b_eq=most[equal],
        A_ub=sparse.vstack([rows[above], -rows[below]]).tocsr(),
        b_ub=np.concatenate([most[above], -least[below]]),
        bounds=np.array(bounds), method="highs",
    )  # fmt: skip
    if not found.success:
        raise ClearingError(f"{case.name}: no expansion under {regime.name}: {found.message}")
    duals = np.zeros(len(least))
    duals[equal] = found.eqlin.marginals
    prices, start = [], 0
    for part, programme, *_ in parts:
        end = start + len(programme.row_lower)
        prices.append(by_bus(part, programme, duals[start:end]).div(part.weights, axis="index"))
        start = end
    return Expansion(
        pd.Series(np.maximum(found.x[: len(names)], 0.0), names),
        pd.concat(prices),
        float(found.fun),
    )


def _written(case: Case, regime: Regime) -> tuple[Programme, np.ndarray, np.ndarray, np.ndarray]:
    """Programme of a window, what it minimises [column], and bounds."""
    builder = Builder(case)
    programme, numbers = builder.programme(rows_of(regime)), numbers_of(case, regime)
    return programme, offered_costs(case, programme, numbers), *programme.bounds(numbers.limits)


def _capacity_columns(programme: Programme, candidates: Mapping[str, Candidate]) -> dict[str, int]:
    """Column of the capacity of each candidate."""
    frames = {kind: programme.variables.get(f"{table}-p_nom") for kind, table in TABLES.items()}
    found = {}
    for name, item in candidates.items():
        frame = frames[item.kind]
        assert frame is not None
        found[name] = int(frame[name].iloc[0])
    return found
