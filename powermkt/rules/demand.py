"""Users who react to prices: demand curves from elasticities, and load that moves in time."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from math import isfinite
from typing import Any, ClassVar

import linopy
import numpy as np
import pandas as pd
import pydantic

from powermkt.dispatch.demand import BLOCKS, add_elastic, add_shift, block_names, bound_shedding
from powermkt.dispatch.programme import Adders
from powermkt.errors import Fault, name_list, nearest
from powermkt.inputs.case import Case
from powermkt.inputs.check import USER_CLASSES
from powermkt.methods.elasticity import Shape, blocks, demanded
from powermkt.rules.base import Role, Rule
from powermkt.system.slack import UNSERVED_COST


class DemandRule(Rule):
    """Loads that react to the price their users pay, as far as it moves with the hour.

    Which share of a load that is the other rules of the regime say by user class
    (`Rule.hourly_share`): none under a tariff, all under a wholesale price, under a retail rule
    what is neither under contract nor bought by an agency. Reacting demand clears in the market: it
    bids what consumption is worth less the charges per MWh that are known before (network charge,
    surcharge). So consumption is right for users who pay the marginal value at their bus and these
    charges; averages over buses, caps, uplift and charges for services are not in the bids.

    Parameters
    ----------
    loads, provinces, user_classes : list of str, optional
        Loads that take part: those that all of the lists name; default: all. Negative load, which
        is generation, never does.
    share : float, default 1
        Share of each load that may react [1].
    """

    role: ClassVar[Role] = "demand"
    structural: ClassVar[bool] = True
    loads: list[str] | None = None
    provinces: list[str] | None = None
    user_classes: list[str] | None = None
    share: float = 1.0
    _number: int = pydantic.PrivateAttr(default=0)
    _rules: tuple[DemandRule, ...] = pydantic.PrivateAttr(default=())
    _hourly: dict[str, float] = pydantic.PrivateAttr(default_factory=dict)
    _charges: dict[str, float] = pydantic.PrivateAttr(default_factory=dict)

    def among(self, rules: Sequence[Rule]) -> DemandRule:
        """Return the rule that knows which users see hours, and the other rules of demand."""
        told = self.model_copy()
        mine = [rule for rule in rules if isinstance(rule, DemandRule)]
        told._number = next(i for i, rule in enumerate(mine) if rule is self)
        told._rules = tuple(type(rule)(**rule.model_dump()) for rule in mine)  # as they were stated
        told._hourly = {
            name: float(np.prod([rule.hourly_share(name) for rule in rules]))
            for name in USER_CLASSES
        }
        told._charges = {
            name: float(sum(rule.fixed_charge(name) for rule in rules)) for name in USER_CLASSES
        }
        return told

    @property
    def inert(self) -> bool:
        """Whether no user's price moves with the hour."""
        return not any(self._hourly.values())

    @property
    def rows(self) -> Any:
        """What the rule says and who sees hours."""
        return self, self._number, len(self._rules), self._hourly

    def cleared_as(self) -> dict[str, object]:
        """Return what of the rule and of what users pay a clearing depends on."""
        return {**self.model_dump(), "hourly": self._hourly, "charges": self._charges}

    def reference(self, case: Case) -> pd.DataFrame:
        """Load that reacts, at its reference, [snapshot x load] in MW; no column for others."""
        share = self._shares(case)
        load = case.dense("Load", "p_set")[share.index].clip(lower=0.0) * share
        return load.loc[:, (load > 0).any()]

    def _shares(self, case: Case) -> pd.Series:
        """Share of each load that takes part and whose price moves with the hour [1]."""
        table = case.loads[self._chosen(case)]
        share = self.share * table["user_class"].map(self._hourly).fillna(0.0)
        return share[share > 0]

    def _chosen(self, case: Case) -> pd.Series:
        table = case.loads
        chosen = pd.Series(True, table.index)
        for given, column in (
            (self.loads, table.index.to_series()),
            (self.provinces, table["province"]),
            (self.user_classes, table["user_class"]),
        ):
            if given is not None:
                chosen &= column.isin(given)
        return chosen

    def deepest_cut(self) -> float:
        """Largest share of the taking part of a load that may be given up in an hour [1]."""
        return 1.0

    def constrain(self, model: linopy.Model, case: Case) -> None:
        """Add what may move, and the rows between it and load that is shed."""
        if self.inert:
            return
        reference = self.reference(case)
        if reference.shape[1]:
            self._add(model, case, reference)
        if self._number == len(self._rules) - 1:
            bound_shedding(model, case)

    @abstractmethod
    def _add(self, model: linopy.Model, case: Case, reference: pd.DataFrame) -> None:
        """Add what may move of the load that reacts [MW]."""

    # ---- faults ------------------------------------------------------------------------------

    def faults(self, case: Case) -> list[Fault]:
        """Name everything that is wrong with the rule."""
        where, table = f"{case.name}: {type(self).__name__}", case.loads
        found = []
        if not 0 <= self.share <= 1:
            found.append(Fault(f"{where}.share", f"{self.share:g} is no share", "give 0 .. 1"))
        for key, given, valid in (
            ("loads", self.loads, list(table.index)),
            ("provinces", self.provinces, sorted(set(table["province"]))),
            ("user_classes", self.user_classes, list(USER_CLASSES)),
        ):
            found += [
                Fault(f"{where}.{key}", f"unknown {name!r}", nearest(name, valid))
                for name in given or []
                if name not in valid
            ]
        if self._rules and self._rules.count(self._rules[self._number]) > 1:
            found.append(Fault(where, "the same rule stands twice", "state it once"))
        if not found and not self._chosen(case).any():
            what = "no load is in all of loads, provinces and user_classes"
            found.append(Fault(where, what, "leave one of them away"))
        return found or self._overlaps(case, where)

    def _overlaps(self, case: Case, where: str) -> list[Fault]:
        """Name loads that could give up more than they have; the last rule speaks for all."""
        if self._number != len(self._rules) - 1:
            return []
        deepest = pd.Series(0.0, case.loads.index)
        for rule in self._rules:
            if not rule._sound:
                return []
            deepest[rule._chosen(case)] += rule.share * rule.deepest_cut()
        over = deepest.index[deepest > 1 + 1e-9]
        if over.empty:
            return []
        what = f"rules of demand could take more than all of {name_list(over)}"
        return [Fault(f"{where}.share", what, "let the shares of a load sum to 1 at most")]

    @property
    def _sound(self) -> bool:
        """Whether numbers of the rule make sense by themselves."""
        return 0 <= self.share <= 1


class ElasticDemand(DemandRule):
    """Users take less where the price is above a reference price, and more where it is below.

    The demand curve goes through the load of the network at the reference price in every hour, and
    is cut into blocks that are each worth the mean of their part of the curve (`elasticity`). What
    users give up is a resource cost, what they add one less, so that welfare compares.

    Parameters
    ----------
    elasticity : float, default -0.1
        Of demand with respect to the retail price, below 0.
    curve : {"constant_elasticity", "linear"}
        Shape; a linear curve has the elasticity at the reference price.
    reference_price : float, optional
        Retail price, all charges included, at which users take the load of the network
        [money/MWh]; default: `loads.tariff`, what they pay under the benchmark tariff.
    price_range : (float, float), default (0.2, 5)
        Lowest and highest price that demand reacts to, over the reference price.
    blocks : int, default 5
        Blocks of equal width below the reference, and as many above it.
    loads, provinces, user_classes, share
        As `DemandRule`.
    """

    elasticity: float = -0.1
    curve: Shape = "constant_elasticity"
    reference_price: float | None = None
    price_range: tuple[float, float] = (0.2, 5.0)
    blocks: int = pydantic.Field(default=5, ge=1, le=100)

    def price_at_reference(self, case: Case) -> pd.Series:
        """Retail price at which each load is that of the network [money/MWh]."""
        if self.reference_price is not None:
            return pd.Series(float(self.reference_price), case.loads.index)
        return case.loads["tariff"]

    def deepest_cut(self) -> float:
        """Share that is given up at the highest price of the range [1]."""
        least = demanded(np.array([self.price_range[1]]), self.elasticity, self.curve)
        return float(1.0 - least[0])

    def _blocks(self, case: Case, loads: pd.Index) -> pd.DataFrame:
        """Blocks of loads, as `demand.add_elastic`."""
        curve = blocks(self.elasticity, self.curve, self.price_range, self.blocks)
        price = self.price_at_reference(case)
        parts = [curve.assign(load=name, value=curve["value"] * price[name]) for name in loads]
        table = pd.concat(parts, ignore_index=True)
        return table.set_axis(block_names(table), axis="index")

    def _add(self, model: linopy.Model, case: Case, reference: pd.DataFrame) -> None:
        table = self._blocks(case, reference.columns)
        if len(table):
            add_elastic(model, case, str(self._number), table, reference)

    def offer(self, case: Case) -> Adders:
        """Return charges that are known: saved by what is given up, paid for what is added."""
        reference = self.reference(case)
        if self.inert or not reference.shape[1]:
            return {}
        table, loads = self._blocks(case, reference.columns), case.loads
        charge = loads["network_charge"] + loads["user_class"].map(self._charges)
        adder = pd.Series(table["sign"] * charge[table["load"]].to_numpy(), table.index)
        return {f"{BLOCKS} {self._number}": adder} if len(table) else {}

    def faults(self, case: Case) -> list[Fault]:
        """Name everything that is wrong with the rule."""
        where, found = f"{case.name}: ElasticDemand", []
        if not (isfinite(self.elasticity) and self.elasticity < 0):
            what = f"{self.elasticity:g} is not below 0: users would take more at higher prices"
            found.append(Fault(f"{where}.elasticity", what, "give a negative number"))
        if not self._ranged:
            low, high = self.price_range
            what = f"{low:g} .. {high:g} does not lie around 1, or begins at 0"
            remedy = "give the lowest price (above 0) and the highest over the reference price"
            found.append(Fault(f"{where}.price_range", what, remedy))
        price = self.price_at_reference(case)[self._chosen(case)]
        if bad := price.index[~(price > 0) | ~np.isfinite(price)].tolist():
            what = f"no reference price above 0 for {name_list(bad)}"
            remedy = "give reference_price, or loads.tariff in the network"
            found.append(Fault(f"{where}.reference_price", what, remedy))
        if not found and len(price):
            worth = blocks(self.elasticity, self.curve, self.price_range, self.blocks)["value"]
            most = float(worth.max() * price.max()) if len(worth) else 0.0
            if most > (limit := case.market.value_of_lost_load or UNSERVED_COST):
                what = f"users would pay up to {most:g}, more than unserved load costs ({limit:g})"
                remedy = "lower its end, or raise value_of_lost_load in the market file"
                found.append(Fault(f"{where}.price_range", what, remedy))
        return [*found, *super().faults(case)]

    @property
    def _ranged(self) -> bool:
        low, high = self.price_range
        return isfinite(high) and low <= 1 <= high and low > 0

    @property
    def _sound(self) -> bool:
        return super()._sound and self._ranged and self.elasticity < 0


class ShiftableDemand(DemandRule):
    """Users move load between hours: industry, vehicles, heat pumps.

    In each hour load is at most `share` above or below that of the network, and in each window of
    `window` hours, which follow each other from the first snapshot of a block (a window of the
    horizon), as much energy is used as before; the last window of a block may be shorter.

    Parameters
    ----------
    window : float, default 24
        Hours within which energy is conserved [h].
    cost : float, default 0
        What a MWh moved costs users, a resource cost [money/MWh].
    share : float, default 0.1
        Share of each load that may be moved from an hour, and to it [1].
    loads, provinces, user_classes
        As `DemandRule`.
    """

    share: float = 0.1
    window: float = 24.0
    cost: float = 0.0

    def windows(self, case: Case) -> pd.Series:
        """Number of the window of each snapshot of a block."""
        hours = case._n.snapshot_weightings["stores"]
        before = hours.cumsum() - hours
        return np.floor((before + 1e-9) / self.window).astype(int)

    def _add(self, model: linopy.Model, case: Case, reference: pd.DataFrame) -> None:
        add_shift(model, case, str(self._number), reference, self.windows(case), self.cost)

    def faults(self, case: Case) -> list[Fault]:
        """Name everything that is wrong with the rule."""
        where, found = f"{case.name}: ShiftableDemand", []
        if not (isfinite(self.cost) and self.cost >= 0):
            found.append(Fault(f"{where}.cost", f"{self.cost:g} is no cost", "give 0 or more"))
        if not self.window > 0:
            what = f"{self.window:g} h is no time"
            found.append(Fault(f"{where}.window", what, "give hours above 0"))
            return [*found, *super().faults(case)]
        hours = case._n.snapshot_weightings["stores"]
        length = {label: float(hours.loc[index].sum()) for label, index in case.windows.items()}
        short = [label for label, span in length.items() if span < self.window - 1e-6]
        if short:
            what = f"{self.window:g} h are longer than {name_list(map(repr, short))}"
            remedy = f"give at most {min(length.values()):g} h, or clear longer blocks"
            found.append(Fault(f"{where}.window", what, remedy))
        elif case.look_ahead is not None:
            left = [label for label, span in length.items()
                    if abs(span / self.window - round(span / self.window)) > 1e-9]  # fmt: skip
            if left:
                what = f"{name_list(map(repr, left))} hold no whole number of {self.window:g} h"
                remedy = "give hours that divide the blocks, or leave look_ahead away"
                found.append(Fault(f"{where}.window", what, remedy))
        return [*found, *super().faults(case)]
