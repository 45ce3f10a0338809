"""What one regime at one carbon price gives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import pandas as pd
import pypsa

from powermkt.accounts import metrics
from powermkt.accounts.components import price_components
from powermkt.accounts.exchange import folded_bids, trade
from powermkt.accounts.parties import accounts
from powermkt.accounts.plantaccounts import plant_accounts
from powermkt.accounts.regulating import deep_peak, mileage, mileage_prices
from powermkt.accounts.reserving import awards, zone_table
from powermkt.accounts.revenue import flexibility_value, revenue
from powermkt.auditing.runaudit import audit_run
from powermkt.common.findings import AuditReport
from powermkt.common.ledger import Ledger
from powermkt.common.notebook import RunView
from powermkt.dispatch.compliance import no_account
from powermkt.dispatch.outcome import Outcome
from powermkt.engine.capped import Capped
from powermkt.engine.obligedprices import Obliged
from powermkt.engine.regime import Regime
from powermkt.inputs.case import Case
from powermkt.rules import (
    AncillaryRule,
    Cleared,
    DualTrackAccount,
    ImportAdjustment,
    LocationalPrice,
    Participation,
    Prices,
)
from powermkt.rules.base import Sale
from powermkt.rules.contract import ContractRule, contract_table
from powermkt.rules.deals import Deal
from powermkt.rules.dualtrack import COLUMNS as DUAL_TRACK
from powermkt.rules.locational import ports
from powermkt.system.horizon import window_of
from powermkt.system.marketpower import market_power


@dataclass(frozen=True)
class Run(RunView):
    """Result of one regime at one carbon price; frames are computed when asked for.

    Where a limit on emissions makes the carbon price, `cap` says how it was found; `obliged` does
    so for the prices of obligations.
    """

    case: Case
    regime: Regime
    carbon_price: float
    outcome: Outcome
    cap: Capped | None = None
    obliged: Obliged | None = None

    def __repr__(self) -> str:
        return f"Run({self.case.name!r}, {self.regime.name!r}, carbon_price={self.carbon_price:g})"

    @property
    def objective(self) -> float:
        """Resource cost of the horizon, without carbon payments [money]."""
        return self.outcome.cost

    @property
    def emissions(self) -> float:
        """Direct emissions of the horizon [t]."""
        rate = self.outcome.emissions(self.case)
        return float(rate.mul(self.case.weights, axis="index").to_numpy().sum())

    @property
    def prices(self) -> pd.DataFrame:
        """Hourly price signal, [snapshot x bus] in money/MWh.

        The settlement price in a market; under priority dispatch the resource cost of one more
        MWh (information, paid to nobody); under a fixed tariff the on-grid tariff.
        """
        return self.announced.nodal

    @cached_property
    def price_components(self) -> pd.DataFrame:
        """Energy, congestion and loss of the locational prices, as `components`.

        Of the marginal values at offers, before caps, zones and averages.
        """
        return price_components(self.case, self.outcome.offer_price, self.flows)

    @property
    def price_unique(self) -> pd.DataFrame:
        """Whether each price is the only one that supports the optimum, [snapshot x bus].

        Prices that are not read from the clearing (a tariff) are.
        """
        flags = self.outcome.price_unique[self.prices.columns]
        return flags if self.regime.pricing.marginal else flags | True

    @property
    def dispatch(self) -> pd.DataFrame:
        """Output, [snapshot x generator] in MW."""
        return self.outcome.dispatch

    @property
    def flows(self) -> pd.DataFrame:
        """Flow at bus0, [snapshot x branch] in MW, + from bus0 to bus1."""
        return self.outcome.flows

    @property
    def storage(self) -> pd.DataFrame:
        """Net output, [snapshot x storage unit or store] in MW, + discharging."""
        return self.outcome.storage

    @property
    def marginal_mix(self) -> pd.DataFrame:
        """What gives one more MWh of load, [snapshot x (bus, carrier)] in MWh/MWh (`marginal`).

        No columns unless it was asked for (`margins`).
        """
        return self.outcome.marginal_mix

    @cached_property
    def day_ahead(self) -> Run | None:
        """What was cleared on forecasts, where the regime settles twice."""
        ahead = self.outcome.day_ahead
        if ahead is None:
            return None
        return Run(self.case.forecasted(), self.regime, self.carbon_price, ahead)

    @cached_property
    def uplift(self) -> pd.DataFrame:
        """As-offered cost, revenue and uplift of each unit and day (no rows without units)."""
        pricing = self.regime.pricing
        if isinstance(pricing, LocationalPrice):
            return pricing.make_whole(self._cleared)
        return pd.DataFrame(columns=["unit", "day", "offered_cost", "revenue", "uplift"])

    @cached_property
    def market_power(self) -> pd.DataFrame:
        """Concentration and pivotal owners by province and snapshot (`marketpower.COLUMNS`).

        Of what is available, before anything is cleared; `powermkt.market_power` has options.
        """
        return market_power(self.case)

    @cached_property
    def mitigated(self) -> pd.DataFrame:
        """Offers that were replaced: generator, snapshot, step, MW, offer, mitigated offer.

        In money/MWh, without carbon costs; no rows unless the dispatch rule mitigates.
        """
        return self.regime.mitigated(self.case)

    @cached_property
    def reserves(self) -> pd.DataFrame:
        """Reserve awards, as `reserving.awards`."""
        return awards(self.case, self.outcome)

    @cached_property
    def reserve_prices(self) -> pd.DataFrame:
        """What awards in each zone are paid, required and short, as `reserving.zone_table`."""
        return zone_table(self.regime.procurement, self._cleared)

    @cached_property
    def revenue(self) -> pd.DataFrame:
        """What plant earns from energy and from each service, as `revenue.revenue`."""
        return revenue(self.case, self.ledger)

    @cached_property
    def flexibility_value(self) -> pd.DataFrame:
        """What one more MW up or down earns a year, as `revenue.flexibility_value`."""
        return flexibility_value(self.regime.procurement, self._cleared)

    @cached_property
    def deep_peak(self) -> pd.DataFrame:
        """Output below the base load rate by tier, and its price, as `regulating.deep_peak`."""
        return deep_peak(self.regime, self._cleared)

    @cached_property
    def mileage(self) -> pd.DataFrame:
        """Mileage awards, as `regulating.mileage`."""
        return mileage(self.regime, self._cleared)

    @cached_property
    def mileage_prices(self) -> pd.DataFrame:
        """Mileage needed, short, and its price, as `regulating.mileage_prices`."""
        return mileage_prices(self.regime, self._cleared)

    @cached_property
    def trade(self) -> pd.DataFrame:
        """Energy between provinces by corridor and tier, and its prices, as `exchange.trade`."""
        return trade(self.regime, self._charged)

    def folded_bids(self, snapshot: object) -> pd.DataFrame:
        """What provinces bid each other before the first tier opens, as `exchange.folded_bids`."""
        return folded_bids(self.regime, self._cleared, snapshot)

    @cached_property
    def curtailment(self) -> pd.DataFrame:
        """Curtailment by province and carrier, as `metrics.curtailment`."""
        return metrics.curtailment(self.case, self.outcome)

    @cached_property
    def demand(self) -> pd.DataFrame:
        """Load by hour as it is in the network and as users took it, as `metrics.demand`."""
        return metrics.demand(self.case, self.outcome)

    @cached_property
    def generation(self) -> pd.DataFrame:
        """Energy, emissions and utilisation by province and carrier."""
        return metrics.generation(self.case, self.outcome)

    @cached_property
    def _cleared(self) -> Cleared:
        cleared = Cleared(self.case, self.outcome, self.regime.carbon_adder(self.case))
        margin = pd.DataFrame(index=self.case.snapshots)
        if not isinstance(self.regime.pricing, LocationalPrice):
            return cleared  # nobody is made whole
        for rule in self.regime.rules:
            if isinstance(rule, AncillaryRule | ImportAdjustment):
                margin = margin.add(rule.margin(cleared), fill_value=0.0)
        return replace(cleared, margin=margin)

    @cached_property
    def sales(self) -> list[Sale]:
        """What plant sells at which price, one entry for each settlement; contracts are apart."""
        found = self.regime.pricing.sales(self._cleared)
        rules = (rule for rule in self.regime.rules if isinstance(rule, Participation))
        return next((rule.at_tariff(self._cleared, found) for rule in rules), found)

    @cached_property
    def _charged(self) -> Cleared:
        """What was cleared, with what users are charged before a retail rule."""
        stated, cleared = self.regime.pricing.prices(self._cleared), self._cleared
        charge = sum(rule.user_charge(cleared) for rule in self.regime.rules)
        return replace(cleared, stated=replace(stated, retail=stated.retail + charge))

    @cached_property
    def announced(self) -> Prices:
        """Nodal, wholesale and retail prices; users pay for services and contracts as well."""
        stated, rule = self._charged.stated, self.regime.retail
        assert stated is not None
        return stated if rule is None else replace(stated, retail=rule.prices(self._charged))

    @cached_property
    def ledger(self) -> pd.DataFrame:
        """Payments: payer, payee, product, period, quantity, price, amount."""
        ledger = Ledger(window_of(self.case), self.case.weights)
        for rule in self.regime.rules:
            rule.settle(ledger, self._charged)
        return ledger.table()

    @cached_property
    def deals(self) -> list[Deal]:
        """Contracts as they came out of the clearing, by snapshot and party."""
        rules = (rule for rule in self.regime.rules if isinstance(rule, ContractRule))
        return [deal for rule in rules for deal in rule.deals(self._cleared)]

    @cached_property
    def contracts(self) -> pd.DataFrame:
        """What contracts were about and came to; columns as in `rules.deals.COLUMNS`."""
        return contract_table(self.regime.rules, self._cleared)

    @cached_property
    def notes(self) -> list[str]:
        """What is worth saying about the clearing and what was settled on it."""
        said = [note for rule in self.regime.rules for note in rule.notes(self._cleared)]
        return [*self.outcome.notes, *said]

    @cached_property
    def compliance(self) -> pd.DataFrame:
        """Allowance account of units by compliance period; columns as `compliance.COLUMNS`."""
        rule = self.regime.carbon
        return no_account() if rule is None else rule.account(self._cleared)

    @cached_property
    def dual_track(self) -> pd.DataFrame:
        """Imbalance account of planned energy, as `DualTrackAccount.account` (no rows without)."""
        for rule in self.regime.rules:
            if isinstance(rule, DualTrackAccount):
                return rule.account(self._cleared)
        return pd.DataFrame(columns=DUAL_TRACK)

    @cached_property
    def accounts(self) -> pd.DataFrame:
        """Net receipts, resource cost and welfare of every party, as `parties.accounts`."""
        saving = self.regime.savings
        beside = None if saving is None else saving.borne()
        return accounts(self.case, self.outcome, self.ledger, beside)

    @cached_property
    def plant(self) -> pd.DataFrame:
        """What plant sells, receives, bears and costs in a year, as `plant_accounts`."""
        return plant_accounts(self.case, self.outcome, self.ledger, self.accounts)

    def summary(self) -> pd.Series:
        """One row of the comparison table; `powermkt.COLUMNS` has meanings and units."""
        return metrics.summary(
            self.case,
            self.outcome,
            self.announced,
            self.ledger,
            self.accounts,
            self.regime.name,
            self.carbon_price,
        )

    def audit(self) -> AuditReport:
        """Check optimality, energy, storage, reserves, money and carbon, without solving."""
        return audit_run(self)

    @cached_property
    def network(self) -> pypsa.Network:
        """A PyPSA network with the results, for `n.statistics`, `n.plot` and `n.explore`."""
        n, out = self.case.network(), self.outcome
        n.generators_t["p"] = out.dispatch
        n.generators_t["status"] = out.status
        n.generators_t["start_up"] = out.start_up
        n.generators_t["shut_down"] = out.shut_down
        n.loads_t["p"] = out.served(self.case)
        n.buses_t["marginal_price"] = self.prices
        units, stores = n.storage_units.index, n.stores.index
        n.storage_units_t["p"] = out.storage[units]
        n.storage_units_t["state_of_charge"] = out.state_of_charge[units]
        n.stores_t["e"] = out.state_of_charge[stores]
        n.storage_units_t["spill"] = out.spill
        n.stores_t["p"] = out.storage[stores]
        sent = out.flows[n.links.index]
        n.links_t["p0"] = sent
        for port in ports(n):
            factor = self.case.dense("Link", "efficiency" if port == "1" else f"efficiency{port}")
            n.links_t[f"p{port}"] = -sent * factor
        for table, series in ((n.lines, n.lines_t), (n.transformers, n.transformers_t)):
            series["p0"] = out.flows[table.index]
            series["p1"] = -out.flows[table.index]
        return n


def labelled(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of a run behind its regime and carbon price."""
    table = table.copy()
    table.insert(0, "carbon_price", run.carbon_price)
    table.insert(0, "regime", run.regime.name)
    return table
