"""Inter-provincial spot trade: a first tier on what the framework leaves, then the provinces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import linopy
import numpy as np
import pandas as pd
import pydantic

from powermkt.common.arrays import grid, names
from powermkt.common.ledger import Ledger
from powermkt.common.values import NOISE_MW, NonNegative, Share, Strict
from powermkt.dispatch.outcome import Outcome
from powermkt.dispatch.programme import Adders, Limits
from powermkt.errors import Fault, InputError, name_list, nearest
from powermkt.inputs.case import Case
from powermkt.rules.base import MARKET, TRANSMISSION, Cleared, Rule, grid_company
from powermkt.rules.locational import LocationalPrice, ports
from powermkt.rules.pricing import mean_on_grid, same
from powermkt.rules.trade import (
    Shape,
    TradeRule,
    framework,
    rating_faults,
    ratings,
    schedule_faults,
    shape_faults,
)
from powermkt.system.folding import cheapest_paths, gains
from powermkt.system.weighting import load_weighted

EVERY = "all"  # in `import_cap`: each province that is not named
_BOUGHT = "Import-net"
_ROUNDING = 1e-9  # money/MWh


class ImportCap(Strict):
    """What a province may buy beyond its framework energy, in each hour; the smaller counts.

    Parameters
    ----------
    share : float, optional
        Of its load [1].
    mw : float, optional
        [MW].
    """

    share: Share | None = None
    mw: NonNegative | None = None

    @pydantic.model_validator(mode="after")
    def _stated(self) -> ImportCap:
        if self.share is None and self.mw is None:
            raise ValueError("state `share` (of load) or `mw`")
        return self


class InterprovincialSpot(TradeRule):
    """Framework energy by schedule, spot trade on what it leaves, then each province for itself.

    The three clearings are those of `powermkt.dispatch.tiers`. In the first tier a corridor
    carries its framework flow and, in the directions in which it can run, more up to its rating;
    on a corridor that runs both ways energy may also be sold back. What a province buys is what
    arrives on its corridors less what leaves it, beyond the framework: energy in transit is not
    bought. Lines and transformers between provinces have no schedule; what they carry counts
    neither as bought nor against a cap.

    Settlement. Users and plant settle within their province at its price P (second tier). At each
    border the grid company of the sending province buys there what it sends, that of the receiving
    one sells what arrives. Between them

    * framework energy is paid the framework price where it is sent, and its wheeling fee by the
      receiver;
    * spot energy is sold at the sender's, and bought at the receiver's first-tier price Q, the
      marginal value of energy at offers there, in the scope and within the bounds of the pricing
      rule as P is. What lies between, ``Q1 D - Q0``, pays the fee; the rest is the congestion rent
      of the corridor.

    Where `import_cap` or `local_first` limits a province, its Q has the worth of the limit in it:
    the rent of corridors into it is higher, that of corridors by which energy in transit leaves it
    lower by the same, and may be negative; along the path it adds up. It may be so too where scope
    or bounds leave too little between prices for losses and fee.

    A grid company so keeps, or bears, what its province's price differs from what was traded.

    Parameters
    ----------
    shape : {"own", "flat", "day_night"}
        Profile of the framework schedule, as `trade.framework`.
    import_cap : mapping of province to ImportCap, optional
        Caps on what provinces buy; "all" stands for each that is not named.
    local_first : {"price", "shortage"}, optional
        A province buys only in hours in which its price, alone, folded back along the cheapest path
        (`powermkt.system.folding`) is above that of some other province by more than
        `hurdle_rate`; or only in hours in which, alone, it could not serve its load.
    hurdle_rate : float, default 0
        Gain of a province's best exchange from which it may buy in an hour, under
        ``local_first: price`` [money/MWh]. It opens the hour and is no cost: what is bought then
        may gain less. Whether the path has room, or the seller more to sell, is not asked.
    fee : float, optional
        Fee of spot energy on every corridor [money/MWh sent]; default: its wheeling fee.
    framework_price : float, optional
        Of framework energy [money/MWh]; default: the generation-weighted mean on-grid tariff of the
        sending province.
    """

    structural: ClassVar[bool] = True
    settles: ClassVar[bool] = True
    shape: Shape = "own"
    import_cap: dict[str, ImportCap] = pydantic.Field(default_factory=dict)
    local_first: Literal["price", "shortage"] | None = None
    hurdle_rate: NonNegative = 0.0
    fee: NonNegative | None = None
    framework_price: float | None = pydantic.Field(default=None, allow_inf_nan=False)
    _pricing: LocationalPrice = pydantic.PrivateAttr()

    @pydantic.model_validator(mode="after")
    def _used(self) -> InterprovincialSpot:
        if self.hurdle_rate and self.local_first != "price":
            raise ValueError("hurdle_rate counts only with `local_first: price`")
        return self

    def among(self, rules: Sequence[Rule]) -> InterprovincialSpot:
        """Return the rule that knows how prices settle and who takes the congestion rent."""
        pricing = [rule for rule in rules if rule.role == "pricing"]
        found = pricing[0]
        if not isinstance(found, LocationalPrice):
            what = f"InterprovincialSpot with {type(found).__name__}, which pays no spot price"
            raise InputError([Fault("regime: trade", what, "price by LocationalPrice")])
        told = self.model_copy()
        told._pricing = found.among(rules)  # as it is in the regime
        return told

    @property
    def rows(self) -> Any:
        """The rule's name tells it from others; rows are added where purchases are limited."""
        return type(self).__name__, self._limits_purchases

    @property
    def _limits_purchases(self) -> bool:
        return bool(self.import_cap) or self.local_first is not None

    def faults(self, case: Case) -> list[Fault]:
        """Name corridors without a schedule or beyond ratings, and unknown provinces."""
        found = schedule_faults(case)
        if not found:
            found = shape_faults(case, self.shape) or rating_faults(case, self.framework(case))
        known = [*case.provinces.unique(), EVERY]
        ends = case._n.links.loc[case.corridors.index]
        branched = [
            name for name in ends.index
            if any(ends.loc[name, f"bus{port}"] not in ("", None) for port in ports(case._n)[1:])
        ]  # fmt: skip
        if branched:
            what = f"more than two ends between provinces: {name_list(branched)}"
            found.append(Fault(f"{case.name}: links", what, "make two links of each"))
        return found + [
            Fault(
                f"InterprovincialSpot.import_cap[{name!r}]", "unknown province",
                nearest(name, known),
            )
            for name in self.import_cap if name not in known
        ]  # fmt: skip

    def framework(self, case: Case) -> pd.DataFrame:
        """Framework flow, [snapshot x corridor] in MW."""
        return framework(case, self.shape)

    def offer(self, case: Case) -> Adders:
        """Add the fee of spot energy; on framework energy it changes no decision."""
        if self.fee is None or case.corridors.empty:
            return super().offer(case)
        return {"Link-p": _spot_fees(case, self.fee)}

    def limit(self, case: Case) -> Limits:
        """Leave to trade what the framework does not use."""
        plan = self.framework(case)
        if plan.empty:
            return {}
        low, high = ratings(case)
        return {"Link-p": (low.where(low < 0, plan), high.where(high > plan, plan))}

    def constrain(self, model: linopy.Model, case: Case) -> None:
        """Add what each province takes in on its corridors, less what it sends."""
        corridors = case.corridors
        if not self._limits_purchases or corridors.empty:
            return
        provinces = _trading(case)
        coords = [pd.Index(case.snapshots, name="snapshot"), names(provinces)]
        bought = model.add_variables(coords=coords, name=_BOUGHT)
        for province, part in _border(case).items():
            flow = model.variables["Link-p"].sel(name=part.columns)
            net = (flow * grid(part)).sum("name")
            row = bought.sel(name=province) - net == 0
            model.add_constraints(row, name=f"{_BOUGHT} {province}")

    def purchases(self, case: Case, local: Outcome) -> Limits:
        """Return what provinces may buy in the first tier, given what they did alone.

        Parameters
        ----------
        case : Case
        local : Outcome
            Of every province by itself.
        """
        if not self._limits_purchases or case.corridors.empty:
            return {}
        provinces = _trading(case)
        beyond = pd.DataFrame(np.inf, case.snapshots, provinces)
        load = case.dense("Load", "p_set").clip(lower=0.0)
        load = load.T.groupby(case.loads["province"]).sum().T
        load = load.reindex(columns=provinces, fill_value=0.0)
        for province in provinces:
            cap = self.import_cap.get(province, self.import_cap.get(EVERY))
            if cap is not None and cap.mw is not None:
                beyond[province] = cap.mw
            if cap is not None and cap.share is not None:
                beyond[province] = np.minimum(beyond[province], cap.share * load[province])
        if self.local_first is not None:
            beyond = beyond.where(self._may_buy(case, local)[provinces], 0.0)
        taken = net_imports(case, self.framework(case))[provinces]
        return {_BOUGHT: (0.0 * taken - np.inf, taken + beyond)}

    def _may_buy(self, case: Case, local: Outcome) -> pd.DataFrame:
        """Whether a province may buy, [snapshot x province]."""
        provinces = pd.Index(case.provinces.unique())
        if self.local_first == "shortage":
            short = local.shed.T.groupby(case.provinces).sum().T > NOISE_MW
            return short.reindex(columns=provinces, fill_value=False)
        paths = cheapest_paths(case, self.fee)
        prices = load_weighted(local.offer_price, case, case.provinces)
        worth = gains(paths, prices) > self.hurdle_rate + _ROUNDING
        found = worth.T.groupby(paths["buyer"]).any().T
        return found.reindex(columns=provinces, fill_value=False)

    def settle(self, ledger: Ledger, cleared: Cleared) -> None:
        """Settle both tiers of trade between grid companies, and corridors."""
        case, outcome, corridors = cleared.case, cleared.outcome, cleared.case.corridors
        assert cleared.stated is not None
        if corridors.empty:
            return
        flow = outcome.flows[corridors.index]
        plan = self.framework(case)
        spot, kept = flow - plan, case.dense("Link", "efficiency")[corridors.index]
        company = [corridors[end].map(grid_company) for end in ("province0", "province1")]
        here = [_at(case, cleared.stated.nodal, end) for end in ("bus0", "bus1")]
        ledger.pay("energy to other provinces", company[0], MARKET, flow, here[0])
        ledger.pay("energy from other provinces", MARKET, company[1], flow * kept, here[1])
        for sent, sender, seller, buyer in (
            (plan.clip(lower=0.0), "province0", company[0], company[1]),
            ((-plan).clip(lower=0.0) * kept, "province1", company[1], company[0]),
        ):
            price = corridors[sender].map(self.framework_prices(cleared))
            ledger.pay("framework energy", buyer, seller, sent, price)
        ledger.pay("wheeling", company[1], TRANSMISSION, plan, corridors["wheeling_fee"])
        early = [_at(case, self.spot_prices(case, outcome), end) for end in ("bus0", "bus1")]
        ledger.pay("interprovincial spot energy", MARKET, company[0], spot, early[0])
        ledger.pay("interprovincial spot energy", company[1], MARKET, spot * kept, early[1])
        fee = self.spot_fees(case)
        owner: pd.Series | str = self._pricing.surplus or same(corridors)
        ledger.pay("wheeling", MARKET, TRANSMISSION, spot, fee)
        ledger.pay("congestion rent", MARKET, owner, spot, early[1] * kept - early[0] - fee)

    def framework_prices(self, cleared: Cleared) -> pd.Series:
        """Price of framework energy by sending province [money/MWh]."""
        found = mean_on_grid(cleared, cleared.case.generators["tariff"])
        return found if self.framework_price is None else 0.0 * found + self.framework_price

    def spot_prices(self, case: Case, outcome: Outcome) -> pd.DataFrame:
        """First-tier prices at which spot energy settles, [snapshot x bus] in money/MWh."""
        return self._pricing.settled_at(case, outcome.tier_price)

    def spot_fees(self, case: Case) -> pd.Series:
        """Fee of spot energy on each corridor [money/MWh sent]."""
        return case.corridors["wheeling_fee"] if self.fee is None else _spot_fees(case, self.fee)


def net_imports(case: Case, flows: pd.DataFrame) -> pd.DataFrame:
    """What arrives in each province on its corridors less what leaves it.

    Parameters
    ----------
    case : Case
    flows : DataFrame [snapshot x corridor], MW

    Returns
    -------
    DataFrame [snapshot x province], MW
    """
    found = {
        province: (flows[part.columns] * part).sum(axis=1)
        for province, part in _border(case).items()
    }
    return pd.DataFrame(found, index=flows.index)


def _border(case: Case) -> dict[str, pd.DataFrame]:
    """What a MW on each corridor of a province brings it, [snapshot x corridor] by province."""
    corridors = case.corridors
    kept = case.dense("Link", "efficiency")[corridors.index]
    found = {}
    for province in _trading(case):
        inward, outward = (corridors[end] == province for end in ("province1", "province0"))
        own = corridors.index[inward | outward]
        enters = np.broadcast_to(inward[own].to_numpy(), (len(kept), len(own)))
        found[province] = kept[own].where(enters, -1.0)
    return found


def _trading(case: Case) -> pd.Index:
    """Provinces with corridors."""
    ends = case.corridors[["province0", "province1"]].to_numpy().ravel()
    provinces = case.provinces.unique()
    return pd.Index([name for name in provinces if name in set(ends)], dtype=object)


def _spot_fees(case: Case, fee: float) -> pd.Series:
    """A fee for corridors that run one way; along those that run both ways it could not be told."""
    low, _ = ratings(case)
    return pd.Series(fee, case.corridors.index).where((low >= 0).all(), 0.0)


def _at(case: Case, prices: pd.DataFrame, end: str) -> pd.DataFrame:
    """Prices at an end of the corridors, [snapshot x corridor]."""
    bus = case._n.links.loc[case.corridors.index, end]
    return prices[bus].set_axis(bus.index, axis="columns")
