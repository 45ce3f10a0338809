"""What is paid where prices are regulated: tariffs, contracts in a band."""

from __future__ import annotations

from typing import ClassVar

import pandas as pd
import pydantic

from powermkt.common.ledger import Ledger
from powermkt.rules.base import (
    TRANSMISSION,
    Cleared,
    Prices,
    PricingRule,
    Sale,
    grid_company,
)
from powermkt.rules.contracts import carbon_cost, in_band, output_energy, quota_energy

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
        mean = mean_on_grid(cleared, self.on_grid(cleared))
        wholesale = _repeat(mean, case.snapshots)
        retail = _repeat(self.retail(cleared), case.snapshots)
        return Prices(
            nodal=self.signal(cleared, wholesale),
            wholesale=wholesale,
            retail=retail,
            energy=retail - case.loads["network_charge"],
        )

    def sales(self, cleared: Cleared) -> list[Sale]:
        """All output at the tariff of its plant."""
        case, outcome = cleared.case, cleared.outcome
        sold = pd.concat([outcome.dispatch, outcome.storage], axis=1)
        price = pd.concat([self.on_grid(cleared), case.storage_units["tariff"]])
        return [Sale(sold, _repeat(price.reindex(sold.columns, fill_value=0.0), case.snapshots))]

    def settle(self, ledger: Ledger, cleared: Cleared) -> None:
        """Grid companies pay generators and each other; users pay grid companies."""
        case, outcome, loads = cleared.case, cleared.outcome, cleared.case.loads
        home = pd.concat([case.generators["province"], case.storage_units["province"]])
        names = pd.Series(home.index, home.index)
        for sold in self.sales(cleared):
            quantity = sold.quantity[home.index]
            ledger.pay("energy", home.map(grid_company), names, quantity, sold.price[home.index])
        seller = loads["province"].map(grid_company)
        retail = self.retail(cleared)
        ledger.pay("retail energy", same(loads), seller, outcome.served(case), retail)
        _settle_corridors(ledger, cleared, mean_on_grid(cleared, self.on_grid(cleared)))


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
    contracts: ClassVar[bool] = True
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
        adder = table["province"].map(carbon_cost(cleared)).fillna(0.0)
        price = table["tariff"] * (1 + self.premium) + adder
        return in_band(price, table["tariff"], self.band, capped=clipped)

    def retail(self, cleared: Cleared) -> pd.Series:
        """Catalogue tariff plus what the class of user bears of the contract price."""
        case, loads = cleared.case, cleared.case.loads
        table = case.generators
        energy = quota_energy(cleared)
        all_energy = output_energy(cleared).groupby(table["province"]).sum()
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


def _settle_corridors(ledger: Ledger, cleared: Cleared, price: pd.Series) -> None:
    """Settle exchange between grid companies at the sender's price plus the wheeling fee."""
    case, n = cleared.case, cleared.case._n
    for table in (n.links, n.lines, n.transformers):
        ends = pd.DataFrame({end: table[end].map(case.provinces) for end in ("bus0", "bus1")})
        ends = ends[ends["bus0"] != ends["bus1"]]
        flow = cleared.outcome.flows[ends.index]
        back = (-flow).clip(lower=0.0)
        if table is n.links:
            back = back * case.dense("Link", "efficiency")[ends.index]  # what leaves bus1
        for seller, buyer, sent in (
            ("bus0", "bus1", flow.clip(lower=0.0)),
            ("bus1", "bus0", back),
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


def _energy_intensive_share(cleared: Cleared) -> pd.Series:
    """Share of energy-intensive users in the load of each province [1]."""
    loads = cleared.case.loads
    served = cleared.outcome.served(cleared.case).mul(cleared.case.weights, axis="index").sum()
    total = served.groupby(loads["province"]).sum()
    free = served.where(loads["user_class"] == "energy_intensive", 0.0)
    return (free.groupby(loads["province"]).sum() / total.where(total > 0)).fillna(0.0)


def mean_on_grid(cleared: Cleared, on_grid: pd.Series) -> pd.Series:
    """Generation-weighted on-grid price of each province, storage with a tariff included.

    A province that generates nothing takes the mean of all.
    """
    case = cleared.case
    storage = case.storage_units[case.storage_units["tariff"] != 0]
    stored = cleared.outcome.storage[storage.index].clip(lower=0.0)
    energy = pd.concat([output_energy(cleared), stored.mul(case.weights, axis="index").sum()])
    price = pd.concat([on_grid, storage["tariff"]])
    province = pd.concat([case.generators["province"], storage["province"]])
    total = energy.groupby(province).sum()
    mean = ((energy * price).groupby(province).sum() / total).where(total > _TINY_MW)
    overall = (energy * price).sum() / energy.sum() if energy.sum() > 0 else 0.0
    return mean.reindex(pd.Index(case.provinces.unique())).fillna(overall)


def same(table: pd.DataFrame) -> pd.Series:
    """Names of components, each as its own party."""
    return pd.Series(table.index, index=table.index)


def _repeat(row: pd.Series, index: pd.Index) -> pd.DataFrame:
    return pd.DataFrame(dict(row.items()), index=index)
