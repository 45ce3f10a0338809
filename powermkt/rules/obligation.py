"""An obligation over the whole horizon, whose price the engine finds: quotas, caps, budgets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Annotated, ClassVar, Literal

import pandas as pd
import pydantic

from powermkt.common.ledger import Ledger
from powermkt.common.values import Names, NonNegative
from powermkt.dispatch.outcome import Outcome
from powermkt.dispatch.programme import Adders
from powermkt.errors import Fault, InputError, name_list, nearest
from powermkt.inputs.case import Case
from powermkt.rules.base import Cleared, Role, Rule, grid_company
from powermkt.rules.contract import ContractRule
from powermkt.rules.participation import Participation
from powermkt.rules.plant import plant_of
from powermkt.rules.retail import FUNDS, passed_on
from powermkt.rules.savings import Measure, Savings
from powermkt.system.heat import BOILER

RENEWABLE = "renewable"  # carriers of `carriers.renewable`
CERTIFICATES, PERMITS = "certificates ", "permits "  # beginnings of products in the ledger
CARBON = "carbon "  # before them where emissions are counted
_STORED = ("StorageUnit-p_dispatch", "StorageUnit-p_store")


_Rate = Annotated[float, pydantic.Field(allow_inf_nan=False)]


class Obligation(Rule):
    """What plant does in sum over the horizon is at most, or at least, a target.

    The obligation is a price y on each unit that plant adds to the sum, found by the engine such
    that the target is met at least cost: with a_i units per MWh of plant i, its offer rises by
    ``y a_i`` under `at_most` and falls by that under `at_least`. The price is 0 where the target
    does not bind, and `shortfall_price` where the target is not met.

    A sum of emissions is a cap on CO2, a sum of fuel a coal quota or an energy-use cap (in tce,
    say: `unit` is a label), output of renewables at least a share of consumption a renewable
    portfolio standard with tradable certificates, output of hydro at most so much a water budget.

    Measures of `Savings` that name the obligation count as well: they add to a sum that is at least
    a target, and take off one that is at most. Where no plant counts (``counts: {}``) they alone
    meet it, as white certificates: the price is the marginal cost of their supply curve.

    Settlement: under `at_most` plant buys what it takes from public funds, at y. Under `at_least`
    plant sells a certificate for each unit; grid companies buy what each is obliged to, and pay
    the shortfall price to public funds for what is lacking, shared pro rata. They pass that on to
    the users of their provinces, but for residential and agricultural ones. Plant whose
    certificates `Participation` values or a green power contract sells would be paid for them
    twice: an error.

    Parameters
    ----------
    name : str
    kind : {"at_most", "at_least"}
    counts : {"emissions", "output"} or dict of str to float
        What a MWh of plant adds: its emission rate [t/MWh], 1 [MWh/MWh], or a rate of its own
        by plant, ``carrier@province`` or carrier [unit/MWh]. Under `at_most` one below 0 is a
        credit: public funds pay the plant for it.
    carriers : list of str, optional
        Whose plant counts; "renewable": the renewable carriers. Storage counts by what its own
        inflow gives, pumped water is no output. Default: all generators.
    provinces : list of str, optional
        Where plant counts; default: everywhere.
    target : float or dict of str to float, optional
        [unit of the horizon], for all together or by province.
    share : float or dict of str to float, optional
        In the place of a target: of the load of the horizon as the network states it [1], of all
        or by province.
    tradable : bool, default True
        Targets by province are met together, at one price; otherwise each by its own plant.
    shortfall_price : float, optional
        What may be paid in the place of a unit [money/unit].
    unit : str, default "t"
        Label of the unit.
    prices : dict of str to float
        By line, found by the engine; what is stated plays no part.
    """

    role: ClassVar[Role] = "obligation"
    name: str = pydantic.Field(default="obligation", min_length=1)
    kind: Literal["at_most", "at_least"] = "at_most"
    counts: Literal["emissions", "output"] | dict[str, _Rate] = "emissions"
    carriers: Names | None = None
    provinces: Names | None = None
    target: NonNegative | dict[str, NonNegative] | None = None
    share: NonNegative | dict[str, NonNegative] | None = None
    tradable: bool = True
    shortfall_price: NonNegative | None = None
    unit: str = "t"
    prices: dict[str, float] = pydantic.Field(default_factory=dict)
    _beside: tuple[Rule, ...] = pydantic.PrivateAttr(default=())
    _savings: Savings | None = pydantic.PrivateAttr(default=None)

    def among(self, rules: Sequence[Rule]) -> Obligation:
        """Return the rule that knows who else pays for certificates, and what else counts."""
        told = self.model_copy()
        told._beside = tuple(r for r in rules if isinstance(r, Participation | ContractRule))
        told._savings = next((rule for rule in rules if isinstance(rule, Savings)), None)
        return told

    @pydantic.model_validator(mode="after")
    def _one_target(self) -> Obligation:
        if (self.target is None) == (self.share is None):
            raise ValueError("state one of target and share")
        if {} in (self.target, self.share):
            raise ValueError("target or share: names no province")
        if self.share is not None and self.counts == "emissions":
            raise ValueError("a share is one of load: counts is output, or rates per MWh")
        if (
            isinstance(self.counts, dict)
            and self.kind == "at_least"
            and min(self.counts.values(), default=0.0) < 0
        ):
            raise ValueError("counts: a rate below 0 is a credit, which takes kind at_most")
        if not self.tradable and not isinstance(self.target or self.share, dict):
            raise ValueError("what is not tradable has a target or share for each province")
        return self

    @property
    def sign(self) -> float:
        """1 where more of the sum is dearer, -1 where it is cheaper."""
        return 1.0 if self.kind == "at_most" else -1.0

    def faults(self, case: Case) -> list[Fault]:
        """Name what the case does not have."""
        plant, where = plant_of(case), f"Obligation {self.name!r}"
        provinces, carriers = set(case.provinces), {*plant["carrier"]}
        local = {f"{c}@{p}" for c, p in zip(plant["carrier"], plant["province"], strict=True)}
        stated = [self.target, self.share]
        asked = [
            ("carriers", self.carriers or [], carriers | {RENEWABLE}),
            ("provinces", self.provinces or [], provinces),
            ("counts", self.counts if isinstance(self.counts, dict) else [],
             {*plant.index} | local | carriers),
            *(("target or share", given, provinces) for given in stated if isinstance(given, dict)),
        ]  # fmt: skip
        found = [
            Fault(f"{where}.{field}", f"unknown name {name!r}", nearest(name, known))
            for field, names, known in asked
            for name in names
            if name not in known
        ]
        if not found and not self.measures and not self.largest_rate(case):
            remedy = "name carriers that the case has, or measures of `Savings`"
            found.append(Fault(where, "no plant counts", remedy))
        if not found and not self.tradable:
            lines = self.targets(case).index
            found += [
                Fault(f"Savings: measure {item.name!r}", f"counts in {line!r}, which has no target",
                      f"place it in one of {name_list(self.obliged(case).index)}")
                for line, item, _ in self.measures
                if line not in lines
            ]  # fmt: skip
        return found or list(self._sold_twice(case))

    def _sold_twice(self, case: Case) -> Iterator[Fault]:
        """Yield plant whose certificates are sold to others too."""
        if self.kind == "at_most":
            return
        mine = self.counted(case)
        for rule in self._beside:
            sold = pd.Index([])
            if isinstance(rule, Participation):
                worth = rule.certificates(case)
                sold = worth.index[worth > 0]
            elif isinstance(rule, ContractRule):
                with suppress(InputError):  # which that rule tells
                    for one in rule.agreed(case):
                        if one.contract.kind == "green_power":
                            sold = sold.append(one.seller.members)
            if len(both := mine[mine.isin(sold)]):
                what = f"certificates of {name_list(both)} are sold by {type(rule).__name__} too"
                remedy = "count other plant, or leave these certificates out there"
                yield Fault(f"Obligation {self.name!r}", what, remedy)

    # ---- lines: one a price ------------------------------------------------------------------

    def obliged(self, case: Case) -> pd.Series:
        """What is to be met of all loads together, or by province [unit of the horizon]."""
        if self.target is not None:
            given = self.target if isinstance(self.target, dict) else {"": self.target}
            return pd.Series(given, dtype=float)
        assert self.share is not None
        energy = _energy(case)
        if isinstance(self.share, dict):
            return pd.Series(self.share, dtype=float) * energy[list(self.share)]
        return self.share * energy

    def targets(self, case: Case) -> pd.Series:
        """Target of each line [unit of the horizon]."""
        obliged = self.obliged(case)
        if self.tradable:
            return pd.Series({self.name: obliged.sum()})
        return obliged.rename(lambda province: f"{self.name}@{province}")

    def _rates(self, case: Case) -> dict[str, pd.Series]:
        """What one MWh of a variable adds to the sum, by variable [component]."""
        plant = plant_of(case)
        if isinstance(self.counts, dict):
            rates = {}
            for name, carrier, province in zip(
                plant.index, plant["carrier"], plant["province"], strict=True
            ):
                keys = (str(name), f"{carrier}@{province}", carrier)
                rates[name] = next((self.counts[k] for k in keys if k in self.counts), 0.0)
            rate = pd.Series(rates, dtype=float)
        elif self.counts == "output":
            rate = plant["carrier"].ne(BOILER).astype(float)  # they take energy
        else:
            rate = case.generators["emission_rate"].reindex(plant.index, fill_value=0.0)
        if self.carriers is not None:
            counted = {*self.carriers}
            if RENEWABLE in counted:
                counted |= {*case.carriers.renewable}
            rate = rate.where(plant["carrier"].isin(counted), 0.0)
        elif not isinstance(self.counts, dict):
            rate = rate.where(plant.index.isin(case.generators.index), 0.0)
        if self.provinces is not None:
            rate = rate.where(plant["province"].isin(self.provinces), 0.0)
        stored = rate[rate.index.intersection(case.storage_units.index)]
        back = [case._n.storage_units[f"efficiency_{way}"] for way in ("store", "dispatch")]
        pumped = -stored * (back[0] * back[1])[stored.index]
        return {
            "Generator-p": rate.drop(index=stored.index),
            _STORED[0]: stored,
            _STORED[1]: pumped,
        }

    def counted(self, case: Case) -> pd.Index:
        """Plant whose output adds to the sum."""
        rates = self._rates(case)
        rate = pd.concat([rates["Generator-p"], rates[_STORED[0]]])
        return rate.index[rate > 0]

    def largest_rate(self, case: Case) -> float:
        """Most that one MWh adds to the sum [unit/MWh]; 0 where no plant counts."""
        rates = self._rates(case).values()
        return max((float(rate.max()) for rate in rates if len(rate)), default=0.0)

    @property
    def measures(self) -> list[tuple[str, Measure, float]]:
        """Measures that count: the line, the measure, units of the obligation in a tce."""
        stated = [] if self._savings is None else self._savings.measures
        return [
            (self.name if self.tradable else f"{self.name}@{item.province}", item, rate)
            for item in stated
            if (rate := item.counts.get(self.name, 0.0)) > 0
        ]

    def saved(self, case: Case) -> pd.Series:
        """What measures save of each line [unit of the horizon]."""
        total = 0.0 * self.targets(case)
        for line, item, rate in self.measures:
            total[line] += rate * self._amount(item)
        return total

    def _amount(self, item: Measure) -> float:
        """What a measure saves [tce of the horizon]."""
        return 0.0 if self._savings is None else self._savings.saved.get(item.name, 0.0)

    def largest_credit(self, case: Case) -> float:
        """Most that one MWh takes off the sum [unit/MWh]."""
        rates = self._rates(case)
        rate = pd.concat([rates["Generator-p"], rates[_STORED[0]]])
        return max(0.0, -float(rate.min())) if len(rate) else 0.0

    def _lines_of(self, case: Case, plant: pd.Index) -> pd.Series:
        """Line that plant counts in; its own where nothing is tradable."""
        if self.tradable:
            return pd.Series(self.name, plant)
        return self.name + "@" + plant_of(case)["province"][plant]

    def prices_of(self, case: Case, plant: pd.Index) -> pd.Series:
        """Price of a unit of each plant [money/unit]."""
        lines = self._lines_of(case, plant)
        return pd.Series([self.prices.get(line, 0.0) for line in lines], plant, dtype=float)

    def at_one(self, line: str) -> Obligation:
        """Return the rule with a price of 1 for one line, and none for the others."""
        return self.model_copy(update={"prices": {line: 1.0}})

    def offer(self, case: Case) -> Adders:
        """Add the price of what a MWh adds to the sum."""
        found: dict[str, pd.DataFrame | pd.Series] = {}
        for variable, rate in self._rates(case).items():
            adder = self.sign * rate * self.prices_of(case, rate.index)
            if (adder != 0).any():
                found[variable] = adder[adder != 0]
        return found

    def activity(self, case: Case, outcome: Outcome) -> pd.DataFrame:
        """What plant adds to the sum, [snapshot x plant] in unit/h."""
        rates, storage = self._rates(case), outcome.storage
        generated = rates["Generator-p"]
        parts = [outcome.dispatch[generated.index[generated != 0]] * generated[generated != 0]]
        for variable, flow in zip(
            _STORED, (storage.clip(lower=0.0), -storage.clip(upper=0.0)), strict=True
        ):
            rate = rates[variable]
            parts.append(flow[rate.index[rate != 0]] * rate[rate != 0])
        both = pd.concat(parts, axis=1)
        return both.T.groupby(level=0, sort=False).sum().T

    def sums(self, case: Case, outcome: Outcome) -> pd.Series:
        """What each line adds up to [unit of the horizon]."""
        added = self.activity(case, outcome).mul(case.weights, axis="index").sum()
        total = added.groupby(self._lines_of(case, added.index)).sum()
        return total.reindex(self.targets(case).index, fill_value=0.0)

    # ---- settlement --------------------------------------------------------------------------

    def settle(self, ledger: Ledger, cleared: Cleared) -> None:
        """Settle permits, or certificates and what is lacking of them."""
        case = cleared.case
        activity = self.activity(case, cleared.outcome)
        price = self.prices_of(case, activity.columns)
        activity = activity.loc[:, price.to_numpy() > 0]
        names = pd.Series(activity.columns, activity.columns)
        if self.kind == "at_most":
            what = CARBON if self.counts == "emissions" else ""
            permits = f"{what}{PERMITS}{self.name}"
            ledger.pay(permits, names, FUNDS, activity, price)
            self._pay_savers(ledger, cleared, permits, FUNDS)
            return
        market = f"{CERTIFICATES}{self.name}"
        ledger.pay(market, market, names, activity, price)
        self._pay_savers(ledger, cleared, market, market)
        part = _rate_of_one(case)
        for account, due in self._dues(cleared):
            payers = pd.Series([grid_company(str(p)) for p in due.index], due.index)
            units = pd.DataFrame({p: part * amount for p, amount in due["units"].items()})
            payee = market if account == "bought" else FUNDS
            ledger.pay(market, payers, payee, units, due["price"])
        charge = self.user_charge(cleared)
        if isinstance(charge, pd.DataFrame):
            users = pd.Series(case.loads.index, case.loads.index)
            to = case.loads["province"].map(grid_company)
            ledger.pay(f"charge {market}", users, to, cleared.outcome.served(case), charge)

    def _pay_savers(self, ledger: Ledger, cleared: Cleared, product: str, payer: str) -> None:
        """Pay those who save for what counts."""
        part = _rate_of_one(cleared.case)
        for line, item, rate in self.measures:
            quantity = pd.DataFrame({item.owner: part * rate * self._amount(item)})
            ledger.pay(product, payer, item.owner, quantity, self.prices.get(line, 0.0))

    def user_charge(self, cleared: Cleared) -> pd.DataFrame | float:
        """Return what certificates cost the users of each province, in one figure a province."""
        if self.kind == "at_most":
            return 0.0
        cost = pd.Series(0.0, cleared.case.provinces.unique())
        for _, due in self._dues(cleared):
            cost = cost.add(due["units"] * due["price"], fill_value=0.0)
        return passed_on(cleared, cost)

    def _dues(self, cleared: Cleared) -> Iterator[tuple[str, pd.DataFrame]]:
        """Yield what provinces buy and what they lack: units and price by province."""
        case = cleared.case
        obliged, targets = self.obliged(case), self.targets(case)
        if list(obliged.index) == [""]:  # of all: everybody in proportion to load
            energy = _energy(case)
            obliged = obliged.iloc[0] * energy / energy.sum()
        reached = self.sums(case, cleared.outcome) + self.saved(case)
        met = (reached / targets.where(targets > 0)).fillna(1.0)
        line = pd.Series(obliged.index, obliged.index).map(
            lambda province: self.name if self.tradable else f"{self.name}@{province}"
        )
        price = pd.Series([self.prices.get(name, 0.0) for name in line], line.index, dtype=float)
        share = line.map(met).astype(float)
        # What is above the target has a price of 0; what is bought is what is sold, to the last.
        yield "bought", pd.DataFrame({"units": obliged * share, "price": price})
        lacking = self.shortfall_price or 0.0
        yield (
            "short",
            pd.DataFrame({"units": obliged * (1 - share).clip(lower=0.0), "price": lacking}),
        )


def _rate_of_one(case: Case) -> pd.Series:
    """A rate that adds up to one over the horizon, [snapshot] in 1/h."""
    return 1.0 / case.weights / len(case.weights)


def _energy(case: Case) -> pd.Series:
    """Load as the network states it, [province] in MWh of the horizon; a negative one is none."""
    load = case.dense("Load", "p_set").clip(lower=0.0).mul(case.weights, axis="index").sum()
    return load.groupby(case.loads["province"]).sum().reindex(pd.unique(case.provinces)).fillna(0.0)
