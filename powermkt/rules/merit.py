"""Merit order: who offers how much at what price, within limits, and when an offer is mitigated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Literal

import numpy as np
import pandas as pd
import pydantic

from powermkt.common.values import Strict
from powermkt.dispatch.programme import Adders
from powermkt.errors import Fault, name_list
from powermkt.inputs.case import Case
from powermkt.inputs.curves import mean_costs, quadratic_costs
from powermkt.rules.dispatch import MITIGATED, DispatchRule
from powermkt.system.ladders import STEP, Steps, steps
from powermkt.system.marketpower import owners, residual_supply
from powermkt.system.slack import EXCESS_COST, UNSERVED_COST


class Mitigation(Strict):
    """Offers of owners that a province can hardly do without are held to their cost.

    Where the residual supply index of an owner (`powermkt.system.marketpower`) is below the
    threshold in a province and snapshot, each of its offers there becomes the smaller of the offer
    and ``c + margin |c|``, c being the resource cost of that output; never less than the offer
    floor. Both are taken without the carbon price, which the carbon rule puts on top of what is
    left: it is counted once, and no margin is earned on it.

    Parameters
    ----------
    rsi_threshold : float, default 1.1
        [1].
    reference : {"cost"}
        What an offer is measured by: resource cost.
    margin : float, default 0.1
        What is granted beyond it, as a share of it [1].
    """

    rsi_threshold: float = pydantic.Field(default=1.1, ge=0)
    reference: Literal["cost"] = "cost"
    margin: float = pydantic.Field(default=0.1, ge=0)

    def meets(self, case: Case) -> pd.DataFrame:
        """Whether offers are mitigated, [snapshot x generator]."""
        weak = residual_supply(case) < self.rsi_threshold
        names = case.generators.index
        keys = [case.generators["province"], owners(case)[names]]
        return weak[pd.MultiIndex.from_arrays(keys)].set_axis(names, axis="columns")


class MeritOrder(DispatchRule):
    """Units run in the order of their offers.

    A unit offers what was submitted for it (`Case.offers`), and nothing beyond; where nothing was,
    its marginal cost times one plus the mark-up, within cap and floor. Carbon costs come on top, if
    the carbon rule lets them: neither submitted offers nor cap and floor contain them. Starts and
    no load of committed units are offered at cost. Storage offers nothing of its own.

    Parameters
    ----------
    mark_up : float, default 0
        Share of marginal cost that thermal units add to it where they submit nothing [1].
    offers : {"submitted", "cost"}
        Whether submitted offers count.
    offer_cap, offer_floor : float, optional
        Bounds on offers [money/MWh]: a submitted offer outside is a fault of the case, an offer by
        cost is moved to them.
    mitigation : Mitigation, optional
        When offers are replaced; never, by default.
    """

    mark_up: float = pydantic.Field(default=0.0, ge=-1)
    offers: Literal["submitted", "cost"] = "submitted"
    offer_cap: float | None = pydantic.Field(default=None, allow_inf_nan=False)
    offer_floor: float | None = pydantic.Field(default=None, allow_inf_nan=False)
    mitigation: Mitigation | None = None

    @pydantic.model_validator(mode="after")
    def _ordered(self) -> MeritOrder:
        cap, floor = self.offer_cap, self.offer_floor
        if cap is not None and floor is not None and cap < floor:
            raise ValueError(f"offer_cap {cap:g} is below offer_floor {floor:g}")
        return self

    @property
    def submitted(self) -> bool:
        """Whether submitted offers count."""
        return self.offers == "submitted"

    def faults(self, case: Case) -> list[Fault]:
        """Name submitted offers outside the bounds."""
        if not self.submitted or case.offers is None:
            return []
        market = case.market
        shed = UNSERVED_COST if market.value_of_lost_load is None else np.inf
        spare = -(market.price_of_excess or EXCESS_COST)
        return [
            *_outside(case, "offer_cap", self.offer_cap, above=True),
            *_outside(case, "offer_floor", self.offer_floor, above=False),
            *_outside(case, "market.yaml: value_of_lost_load, at most", shed, above=True),
            *_outside(case, "market.yaml: price_of_excess, at least", spare, above=False),
        ]

    def offer(self, case: Case) -> Adders:
        """Add what offers are beyond resource cost."""
        adders: dict[str, pd.DataFrame] = {}
        for variable, book in self._books(case).items():
            adder = book["final"] - book["cost"]
            adder = adder.loc[:, (adder != 0).any()]
            if adder.shape[1]:
                adders[variable] = adder
        return adders

    def mitigated(self, case: Case) -> pd.DataFrame:
        """Return the offers that were replaced: columns `MITIGATED`, prices in money/MWh.

        `step` is the block of the submitted ladder, else of the cost curve, from 0; a block on
        which cost differs stands there once for each cost.
        """
        if self.mitigation is None:
            return super().mitigated(case)
        found = _priced(steps(case, self.submitted), case)
        parts = []
        for variable, book in self._books(case).items():
            at, column = np.nonzero((book["final"] < book["offer"] - 1e-9).to_numpy())
            if variable == STEP:
                assert found is not None
                generator = found.generator.to_numpy()[column]
                block = found.block.to_numpy()[at, column]
                width = found.width.to_numpy()[at, column]
            else:
                generator = book["offer"].columns.to_numpy()[column]
                block = np.zeros(len(at), dtype=int)
                width = case.availability[book["offer"].columns].to_numpy()[at, column]
            before, after = (book[name].to_numpy()[at, column] for name in ("offer", "final"))
            values = (generator, case.snapshots[at], block, width, before, after)
            parts.append(pd.DataFrame(dict(zip(MITIGATED, values, strict=True))))
        rows = pd.concat(parts, ignore_index=True)
        rows = rows[rows["quantity_mw"] > 1e-9]
        return rows.sort_values(["generator", "snapshot", "step"], ignore_index=True)

    def _books(self, case: Case) -> dict[str, dict[str, pd.DataFrame]]:
        """Cost, offer and offer after mitigation, of outputs and of steps, in money/MWh."""
        found = _priced(steps(case, self.submitted), case)
        flat = case.generators.index
        books: dict[str, dict[str, pd.DataFrame]] = {}
        weak = None if self.mitigation is None else self.mitigation.meets(case)
        if found is not None:
            flat = flat[~flat.isin(found.generator)]
            own = found.offer.where(
                found.submitted, self._by_cost(case, found.cost, found.generator)
            )
            books[STEP] = self._book(found.cost, own, weak, found.generator)
        cost = mean_costs(case._n)[flat]  # of quadratic costs the mean at full output
        names = pd.Series(flat, index=flat)
        books["Generator-p"] = self._book(cost, self._by_cost(case, cost, names), weak, names)
        return books

    def _by_cost(self, case: Case, cost: pd.DataFrame, generator: pd.Series) -> pd.DataFrame:
        """What is offered where nothing was submitted."""
        thermal = ~case.generators["carrier"].isin(case.carriers.renewable)
        factor = 1.0 + self.mark_up * thermal[generator].to_numpy(float)
        return (cost * factor).clip(lower=self.offer_floor, upper=self.offer_cap)

    def _book(
        self, cost: pd.DataFrame, offer: pd.DataFrame, weak: pd.DataFrame | None, names: pd.Series
    ) -> dict[str, pd.DataFrame]:
        final = offer
        if self.mitigation is not None and weak is not None:
            limit = (cost + self.mitigation.margin * cost.abs()).clip(lower=self.offer_floor)
            hit = weak[names].to_numpy(bool) & (limit < offer).to_numpy(bool)
            final = offer.mask(hit, limit)
        return {"cost": cost, "offer": offer, "final": final}


def _priced(found: Steps | None, case: Case) -> Steps | None:
    """Steps that have prices: not those of quadratic costs, which move with output."""
    quadratic = quadratic_costs(case._n).columns
    if found is None or quadratic.empty:
        return found
    names = found.generator.index[~found.generator.isin(quadratic)]
    if names.empty:
        return None
    kept = [getattr(found, item.name)[names] for item in fields(found)]
    return Steps(*kept)


def _outside(case: Case, name: str, bound: float | None, above: bool) -> Iterator[Fault]:
    """Name the submitted offers beyond a bound, by generator."""
    offers = case.offers
    if bound is None or offers is None:
        return
    beyond = offers[offers["price"] > bound] if above else offers[offers["price"] < bound]
    for generator, part in list(beyond.groupby("generator", sort=False))[:5]:
        first = part.iloc[0]
        time = "every snapshot" if pd.isna(first["snapshot"]) else f"snapshot {first['snapshot']}"
        more = f" and {len(part) - 1} more blocks" if len(part) > 1 else ""
        yield Fault(
            f"{case.name}: offers: generator {generator!r}, {time}{more}",
            f"{first['price']:g} is {'above' if above else 'below'} {bound:g} ({name})",
            "offer within it, move it, or clear by cost (`offers: cost`)",
        )
    rest = list(beyond["generator"].unique())[5:]
    if rest:
        what = f"{'above' if above else 'below'} {bound:g} ({name}): {name_list(rest)}"
        yield Fault(f"{case.name}: offers", what, "offer within it")
