"""What is paid: regulated tariffs, contracts in a band, locational marginal prices."""

from __future__ import annotations

import re
from typing import ClassVar, Literal

import pandas as pd
import pydantic
import pypsa

from powermkt.case import Case
from powermkt.ledger import Ledger
from powermkt.rules.base import (
    EXCESS,
    MARKET,
    TRANSMISSION,
    Cleared,
    Prices,
    PricingRule,
    grid_company,
)

_TINY_MW = 1e-9


class BenchmarkTariff(PricingRule):
    """Generators are paid the on-grid tariff of their class, users pay a catalogue tariff.

    The grid company of a province buys and sells; ties between grid companies are settled at the
    generation-weighted tariff of the sending province. Storage without inflow is an asset of the
    grid and is paid nothing.
    """

    def on_grid(self, cleared: Cleared) -> pd.Series:
        """Price paid to each generator [money/MWh]."""
        return cleared.case.generators["tariff"]

    def retail(self, cleared: Cleared) -> pd.Series:
        """Price paid by each load [money/MWh]."""
        return cleared.case.loads["tariff"]

    def signal(self, cleared: Cleared, wholesale: pd.DataFrame) -> pd.DataFrame:
        """Hourly price at each bus: the tariff, since there is no other."""
        provinces = cleared.case.provinces
        return wholesale[provinces].set_axis(provinces.index, axis="columns")

    def prices(self, cleared: Cleared) -> Prices:
        """Wholesale is the mean on-grid price of a province over the horizon."""
        case = cleared.case
        mean = _mean_on_grid(cleared, self.on_grid(cleared))
        wholesale = _repeat(mean, case.snapshots)
        return Prices(
            nodal=self.signal(cleared, wholesale),
            wholesale=wholesale,
            retail=_repeat(self.retail(cleared), case.snapshots),
        )

    def settle(self, ledger: Ledger, cleared: Cleared) -> None:
        """Grid companies pay generators and each other; users pay grid companies."""
        case, outcome = cleared.case, cleared.outcome
        table, loads, storage = case.generators, case.loads, case.storage_units
        on_grid = self.on_grid(cleared)
        buyer = table["province"].map(grid_company)
        ledger.pay("energy", buyer, _same(table), outcome.dispatch, on_grid)
        paid = storage[storage["tariff"] != 0]
        ledger.pay(
            "energy",
            paid["province"].map(grid_company),
            _same(paid),
            outcome.storage[paid.index],
            paid["tariff"],
        )
        seller = loads["province"].map(grid_company)
        retail = self.retail(cleared)
        ledger.pay("retail energy", _same(loads), seller, outcome.served(case), retail)
        _settle_corridors(ledger, cleared, _mean_on_grid(cleared, on_grid))


class GuaranteedPurchase(BenchmarkTariff):
    """Renewables sell at their tariff, quota units under contracts in a band around theirs.

    The contract price of a quota (coal) unit with tariff P is P (1 + premium) plus the carbon
    cost per MWh of its province's quota units, clipped to P (1 - band) .. P (1 + band). Users of
    class industrial_commercial bear the change of the contract price against P times the share
    of quota energy in their province; energy_intensive users the same without the upper end of the
    band, and quota units receive that price for these users' share of the province's load;
    residential_agricultural users nothing, the grid company bears it.

    Parameters
    ----------
    band : float, default 0.2
        Half width of the band [1].
    premium : float, default 0
        Contract price over tariff before carbon [1].
    """

    marginal: ClassVar[bool] = True
    band: float = pydantic.Field(default=0.2, ge=0, le=1)
    premium: float = pydantic.Field(default=0.0, ge=-1)

    def on_grid(self, cleared: Cleared) -> pd.Series:
        """Contract price for quota units, tariff for all others [money/MWh]."""
        table = cleared.case.generators
        quota = table["carrier"].isin(cleared.case.carriers.quota or [])
        free = table["province"].map(_energy_intensive_share(cleared)).fillna(0.0)
        price = (1 - free) * self._contract(cleared, True) + free * self._contract(cleared, False)
        return table["tariff"].where(~quota, price)

    def _contract(self, cleared: Cleared, clipped: bool) -> pd.Series:
        table = cleared.case.generators
        adder = table["province"].map(self._carbon_cost(cleared)).fillna(0.0)
        price = table["tariff"] * (1 + self.premium) + adder
        low, high = table["tariff"] * (1 - self.band), table["tariff"] * (1 + self.band)
        return price.clip(low, high) if clipped else price.clip(lower=low)

    def _carbon_cost(self, cleared: Cleared) -> pd.Series:
        """Mean carbon cost per MWh of the quota units of each province [money/MWh]."""
        energy = _quota_energy(cleared)
        province = cleared.case.generators["province"]
        total = energy.groupby(province).sum()
        cost = (energy * cleared.carbon_adder).groupby(province).sum()
        return (cost / total).where(total > 0, 0.0)

    def retail(self, cleared: Cleared) -> pd.Series:
        """Catalogue tariff plus what the class of user bears of the contract price."""
        case, loads = cleared.case, cleared.case.loads
        table = case.generators
        energy = _quota_energy(cleared)
        all_energy = _energy(cleared).groupby(table["province"]).sum()
        change = {
            "industrial_commercial": self._contract(cleared, clipped=True) - table["tariff"],
            "energy_intensive": self._contract(cleared, clipped=False) - table["tariff"],
        }
        retail = loads["tariff"].copy()
        for user_class, difference in change.items():
            bill = (energy * difference).groupby(table["province"]).sum()
            per_mwh = (bill / all_energy).where(all_energy > 0, 0.0)
            share = loads["province"].map(per_mwh).fillna(0.0)
            retail += share.where(loads["user_class"] == user_class, 0.0)
        return retail

    def signal(self, cleared: Cleared, wholesale: pd.DataFrame) -> pd.DataFrame:
        """Hourly resource cost of one more MWh under the rules: information, paid to nobody."""
        return cleared.outcome.cost_price


class LocationalPrice(PricingRule):
    """Locational marginal prices; users pay them plus a network charge.

    Parameters
    ----------
    scope : {"nodal", "provincial", "uniform"}
        Settle at the price of the bus, at the load-weighted mean of the province's buses, or at
        one load-weighted mean price.
    cap, floor : float, optional
        Bounds on settlement prices [money/MWh].
    """

    locational: ClassVar[bool] = True
    marginal: ClassVar[bool] = True
    scope: Literal["nodal", "provincial", "uniform"] = "nodal"
    cap: float | None = None
    floor: float | None = None

    @pydantic.model_validator(mode="after")
    def _ordered(self) -> LocationalPrice:
        if self.cap is not None and self.floor is not None and self.cap < self.floor:
            raise ValueError(f"cap {self.cap:g} is below floor {self.floor:g}")
        return self

    def settlement_prices(self, cleared: Cleared) -> pd.DataFrame:
        """Price at which each bus settles, [snapshot x bus]."""
        lmp = cleared.outcome.offer_price
        if self.scope != "nodal":
            provinces = cleared.case.provinces
            group = provinces if self.scope == "provincial" else provinces.map(lambda _: "all")
            mean = load_weighted(lmp, cleared.case, group)
            lmp = mean[group].set_axis(lmp.columns, axis="columns")
        return lmp.clip(lower=self.floor, upper=self.cap)

    def prices(self, cleared: Cleared) -> Prices:
        """Wholesale is the load-weighted price of the province's buses."""
        nodal = self.settlement_prices(cleared)
        loads = cleared.case.loads
        at_load = nodal[loads["bus"]].set_axis(loads.index, axis="columns")
        return Prices(
            nodal=nodal,
            wholesale=load_weighted(nodal, cleared.case, cleared.case.provinces),
            retail=at_load + loads["network_charge"],
        )

    def settle(self, ledger: Ledger, cleared: Cleared) -> None:
        """Everybody settles with the market operator, who passes the surplus to the network."""
        case, outcome = cleared.case, cleared.outcome
        nodal = self.settlement_prices(cleared)
        served = outcome.served(case)
        for table, quantity, pays in (
            (case.loads, served, True),
            (case.generators, outcome.dispatch, False),
            (_storages(case), outcome.storage, False),
        ):
            names = _same(table)
            payer, payee = (names, MARKET) if pays else (MARKET, names)
            price = _at(nodal, table["bus"])
            ledger.pay("energy", payer, payee, quantity[table.index], price)
        excess = outcome.excess
        ledger.pay("excess energy", EXCESS, MARKET, excess, nodal[excess.columns])
        company = case.loads["province"].map(grid_company)
        charge = case.loads["network_charge"]
        ledger.pay("network charge", _same(case.loads), company, served, charge)
        _settle_network(ledger, cleared, nodal)


def _settle_network(ledger: Ledger, cleared: Cleared, nodal: pd.DataFrame) -> None:
    """Pay the merchandising surplus: wheeling fees first, the rest is congestion rent."""
    case, flows = cleared.case, cleared.outcome.flows
    n = case._n
    names = _same(n.links)
    sent = flows[n.links.index]
    value = _at(nodal, n.links["bus0"]) * -1.0
    for port in ports(n):
        attribute = "efficiency" if port == "1" else f"efficiency{port}"
        bus = n.links[f"bus{port}"].replace("", pd.NA).dropna()
        part = case.dense("Link", attribute)[bus.index] * _at(nodal, bus)
        value = value.add(part.reindex(columns=value.columns, fill_value=0.0))
    fee = case.corridors["wheeling_fee"].reindex(n.links.index, fill_value=0.0)
    ledger.pay("wheeling", MARKET, TRANSMISSION, sent, fee)
    ledger.pay("congestion rent", MARKET, names, sent, value - fee)
    for table in (n.lines, n.transformers):
        if not table.empty:
            spread = _at(nodal, table["bus1"]) - _at(nodal, table["bus0"])
            ledger.pay("congestion rent", MARKET, _same(table), flows[table.index], spread)


def _settle_corridors(ledger: Ledger, cleared: Cleared, price: pd.Series) -> None:
    """Settle exchange between grid companies at the sender's price plus the wheeling fee."""
    case, n = cleared.case, cleared.case._n
    for table in (n.links, n.lines, n.transformers):
        ends = pd.DataFrame({end: table[end].map(case.provinces) for end in ("bus0", "bus1")})
        ends = ends[ends["bus0"] != ends["bus1"]]
        flow = cleared.outcome.flows[ends.index]
        for seller, buyer, sent in (
            ("bus0", "bus1", flow.clip(lower=0.0)),
            ("bus1", "bus0", (-flow).clip(lower=0.0)),
        ):
            ledger.pay(
                "interprovincial energy",
                ends[buyer].map(grid_company),
                ends[seller].map(grid_company),
                sent,
                ends[seller].map(price),
            )
    corridors = case.corridors
    receiver = corridors["province1"].map(grid_company)
    sent = cleared.outcome.flows[corridors.index]
    ledger.pay("wheeling", receiver, TRANSMISSION, sent, corridors["wheeling_fee"])


def ports(n: pypsa.Network) -> list[str]:
    """Numbers of the ports of links beyond bus0: "1", "2", ..."""
    return [c.removeprefix("bus") for c in n.links if re.fullmatch(r"bus[1-9]\d*", c)]


def _energy_intensive_share(cleared: Cleared) -> pd.Series:
    """Share of energy-intensive users in the load of each province [1]."""
    loads = cleared.case.loads
    served = cleared.outcome.served(cleared.case).mul(cleared.case.weights, axis="index").sum()
    total = served.groupby(loads["province"]).sum()
    free = served.where(loads["user_class"] == "energy_intensive", 0.0)
    return (free.groupby(loads["province"]).sum() / total.where(total > 0)).fillna(0.0)


def load_weighted(prices: pd.DataFrame, case: Case, group: pd.Series) -> pd.DataFrame:
    """Load-weighted mean of bus prices by group of buses; plain mean where there is no load."""
    load = case.dense("Load", "p_set").T.groupby(case.loads["bus"]).sum().T
    load = load.reindex(columns=prices.columns, fill_value=0.0).clip(lower=0.0)
    total = load.T.groupby(group).sum().T
    weighted = (load * prices).T.groupby(group).sum().T / total.where(total > 0)
    plain: pd.DataFrame = prices.T.groupby(group).mean().T
    return weighted.fillna(plain)


def _mean_on_grid(cleared: Cleared, on_grid: pd.Series) -> pd.Series:
    """Generation-weighted on-grid price of each province, storage with a tariff included.

    A province that generates nothing takes the mean of all.
    """
    case = cleared.case
    storage = case.storage_units[case.storage_units["tariff"] != 0]
    stored = cleared.outcome.storage[storage.index].clip(lower=0.0)
    energy = pd.concat([_energy(cleared), stored.mul(case.weights, axis="index").sum()])
    price = pd.concat([on_grid, storage["tariff"]])
    province = pd.concat([case.generators["province"], storage["province"]])
    total = energy.groupby(province).sum()
    mean = ((energy * price).groupby(province).sum() / total).where(total > _TINY_MW)
    overall = (energy * price).sum() / energy.sum() if energy.sum() > 0 else 0.0
    return mean.reindex(pd.Index(case.provinces.unique())).fillna(overall)


def _energy(cleared: Cleared) -> pd.Series:
    return cleared.outcome.dispatch.mul(cleared.case.weights, axis="index").sum()


def _quota_energy(cleared: Cleared) -> pd.Series:
    quota = cleared.case.generators["carrier"].isin(cleared.case.carriers.quota or [])
    return _energy(cleared).where(quota, 0.0)


def _storages(case: Case) -> pd.DataFrame:
    return pd.concat([case._n.storage_units[["bus"]], case._n.stores[["bus"]]])


def _same(table: pd.DataFrame) -> pd.Series:
    return pd.Series(table.index, index=table.index)


def _at(nodal: pd.DataFrame, bus: pd.Series) -> pd.DataFrame:
    return nodal[bus].set_axis(bus.index, axis="columns")


def _repeat(row: pd.Series, index: pd.Index) -> pd.DataFrame:
    return pd.DataFrame(dict(row.items()), index=index)
