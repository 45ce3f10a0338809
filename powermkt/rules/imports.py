"""A carbon price on electricity that comes in from provinces without one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import linopy
import pandas as pd
import pydantic

from powermkt.common.arrays import grid, names
from powermkt.common.ledger import Ledger
from powermkt.common.values import NonNegative
from powermkt.dispatch.compliance import CARBON_FUND
from powermkt.dispatch.programme import Adders
from powermkt.dispatch.results import IMPORTS
from powermkt.errors import Fault, name_list, nearest
from powermkt.inputs.case import Case
from powermkt.rules.base import Cleared, Role, Rule, grid_company
from powermkt.rules.carbon import CarbonPrice
from powermkt.rules.locational import LocationalPrice, ports
from powermkt.rules.pricing import same

SPECIFIED_IMPORTS = "specified imports"  # account between importers and specified sources
_FLOWS = {"links": "Link-p", "lines": "Line-s", "transformers": "Transformer-s"}


class ImportAdjustment(Rule):
    """Imports into the provinces with a carbon price pay for the emissions behind them.

    What the named sources outside generate is taken to be delivered and pays for their own
    emission rate. The other imports of a snapshot,

        u >= net flow over the border at its inner end - output of specified sources,  u >= 0,

    pay for a default rate. Both are offered if the carbon price is. Power is the same wherever it
    comes from, so that clean plant outside may be named a source and what it served before be
    served by others (resource shuffling). The carbon price of a snapshot must be the same in all
    provinces that have one.

    Specified sources pay for themselves, unspecified imports are paid by who brings them in:
    branches where prices are locational, since they earn the price difference; elsewhere the grid
    company of the importing province. Importers also pay specified sources for their origin, by
    what each brings in: the marginal value m of the row above, which is the carbon cost of an
    unspecified MWh as long as there are any. On each MWh over the border they so lay out m in all.

    Parameters
    ----------
    default_factor : float, default 0.428
        Emission rate of unspecified imports [t/MWh]; the default is California's (recalled).
    units : list of str
        Generators outside that are specified sources.
    """

    role: ClassVar[Role] = "carbon"
    structural: ClassVar[bool] = True
    default_factor: NonNegative = 0.428
    units: list[str] = pydantic.Field(default_factory=list)
    _carbon: CarbonPrice = pydantic.PrivateAttr(default_factory=CarbonPrice)
    _payers: str | bool = pydantic.PrivateAttr(default=False)

    def among(self, rules: Sequence[Rule]) -> ImportAdjustment:
        """Return the rule that knows the carbon price and who earns on the border."""
        told = self.model_copy()
        told._carbon = next((r for r in rules if isinstance(r, CarbonPrice)), CarbonPrice())
        market = (rule.surplus or True for rule in rules if isinstance(rule, LocationalPrice))
        told._payers = next(market, False)
        return told

    @property
    def rows(self) -> Any:
        """The rule and the provinces around which the border runs."""
        regions = self._carbon.regions or {}
        priced = sorted(name for name, multiple in regions.items() if multiple > 0)
        return self, priced, self._carbon.offered

    def faults(self, case: Case) -> list[Fault]:
        """Name sources that are none, and a border that is none."""
        where, table = f"{case.name}: ImportAdjustment", case.generators
        priced = self._carbon.multiples(case)
        priced = priced[priced > 0]
        found = [
            Fault(f"{where}.units", f"{name!r} is no generator", nearest(name, table.index))
            for name in self.units if name not in table.index
        ]  # fmt: skip
        inside = [name for name in self.units if name in table.index
                  and table.loc[name, "province"] in priced.index]  # fmt: skip
        if inside:
            what = f"{name_list(inside)} in provinces with a carbon price: nothing is imported"
            found.append(Fault(f"{where}.units", what, "name generators outside"))
        if len(set(priced)) > 1:
            what = f"the price has multiples {name_list(sorted(set(priced)))}: imports have one"
            found.append(Fault(where, what, "give all provinces in `regions` the same"))
        if not self._border(case):
            what = "no branch joins provinces with and without a carbon price"
            found.append(Fault(where, what, "state `regions` in CarbonPrice, or drop the rule"))
        if self._carbon.price < 0:
            found.append(Fault(where, "the carbon price is negative", "give a price >= 0"))
        return found

    def _border(self, case: Case) -> dict[str, pd.DataFrame]:
        """What a branch brings in for each MW of its flow, [snapshot x branch] by table."""
        n, multiple = case._n, self._carbon.multiples(case)
        inside = case.provinces.map(multiple) > 0
        found = {}
        for name in _FLOWS:
            table = getattr(n, name)
            ends = {"0": table["bus0"]}
            for port in ports(n) if name == "links" else ["1"]:
                ends[port] = table[f"bus{port}"]
            within = pd.DataFrame({port: bus.map(inside) for port, bus in ends.items()})
            crossing = within.index[within.eq(True).any(axis=1) & within.eq(False).any(axis=1)]
            if crossing.empty:
                continue
            brought = pd.DataFrame(0.0, case.snapshots, crossing)
            for port in ends:
                factor: pd.DataFrame | float = -1.0 if port == "0" else 1.0
                if name == "links" and port != "0":
                    attribute = "efficiency" if port == "1" else f"efficiency{port}"
                    factor = case.dense("Link", attribute)[crossing].fillna(0.0)
                brought = brought + within.loc[crossing, port].eq(True).astype(float) * factor
            found[name] = brought
        return found

    def _tau_multiple(self, case: Case) -> pd.Series:
        """Multiple of the carbon price that imports pay, [snapshot]."""
        return self._carbon.over_time(case) * self._carbon.multiples(case).max()

    # ---- in the programme --------------------------------------------------------------------

    def constrain(self, model: linopy.Model, case: Case) -> None:
        """Add unspecified imports."""
        if not self._carbon.offered:
            return
        index = pd.Index(case.snapshots, name="snapshot")
        rest = 1 * model.add_variables(lower=0, coords=[index], name=IMPORTS)
        for table, brought in self._border(case).items():
            flow = model.variables[_FLOWS[table]].sel(name=names(brought.columns))
            rest = rest - (grid(brought) * flow).sum("name")
        if self.units:
            output = model.variables["Generator-p"].sel(name=names(pd.Index(self.units)))
            rest = rest + output.sum("name")
        model.add_constraints(rest >= 0, name=IMPORTS)

    def exposures(self, case: Case) -> Adders:
        """Return what imports and specified sources take."""
        if not self._carbon.offered:
            return {}
        multiple = self._tau_multiple(case)
        own = case.generators.loc[self.units, "emission_rate"]
        taken = {IMPORTS: (multiple * self.default_factor).to_frame("")}
        if self.units:
            taken["Generator-p"] = pd.DataFrame({name: multiple * own[name] for name in self.units})
        return taken

    def offer(self, case: Case) -> Adders:
        """Add the carbon cost of imports and of specified sources."""
        return {name: self._carbon.price * taken for name, taken in self.exposures(case).items()}

    # ---- settlement --------------------------------------------------------------------------

    def settle(self, ledger: Ledger, cleared: Cleared) -> None:
        """Importers and specified sources pay the carbon fund."""
        if self._carbon.price == 0:
            return
        case, outcome = cleared.case, cleared.outcome
        tau = self._carbon.price * self._tau_multiple(case)
        sources = case.generators.loc[self.units]
        output = outcome.dispatch[sources.index]
        ledger.pay(
            "specified import", same(sources), CARBON_FUND, output * sources["emission_rate"],
            _column(tau, sources.index),
        )  # fmt: skip
        border = self._border(case)
        brought = pd.concat(
            [outcome.flows[part.columns] * part for part in border.values()], axis=1
        )
        payer = pd.concat([self._payer(case, name, part.columns) for name, part in border.items()])
        rest = (brought.sum(axis=1) - output.sum(axis=1)).clip(lower=0.0)
        inward = brought.clip(lower=0.0)
        total = inward.sum(axis=1)
        share = inward.div(total.where(total > 0), axis="index").fillna(0.0)
        emitted = share.mul(rest * self.default_factor, axis="index")
        ledger.pay("import adjustment", payer, CARBON_FUND, emitted, _column(tau, emitted.columns))
        if outcome.import_price.shape[1] and self.units:
            worth = outcome.import_price.iloc[:, 0]
            origin = share.mul(output.sum(axis=1), axis="index")
            for product, giver, taker, part in (
                ("origin of imports", payer, SPECIFIED_IMPORTS, origin),
                ("origin sold", SPECIFIED_IMPORTS, same(sources), output),
            ):
                ledger.pay(product, giver, taker, part, _column(worth, part.columns))

    def margin(self, cleared: Cleared) -> pd.DataFrame:
        """What sources are paid for their origin, [snapshot x generator] in money/h."""
        worth = cleared.outcome.import_price
        if not worth.shape[1] or not self.units:
            return pd.DataFrame(index=cleared.case.snapshots)
        return cleared.outcome.dispatch[self.units].mul(worth.iloc[:, 0], axis="index")

    def _payer(self, case: Case, table: str, branches: pd.Index) -> pd.Series:
        """Who brings in what flows over branches."""
        if self._payers:
            account = branches if self._payers is True else self._payers
            return pd.Series(account, index=branches)
        multiple = self._carbon.multiples(case)
        ends = getattr(case._n, table).loc[branches, ["bus0", "bus1"]]
        provinces = ends.apply(lambda bus: bus.map(case.provinces))
        first = provinces["bus0"].map(multiple) > 0
        return provinces["bus0"].where(first, provinces["bus1"]).map(grid_company)


def _column(value: pd.Series, columns: pd.Index) -> pd.DataFrame:
    """Repeat one value a snapshot for each column."""
    return pd.DataFrame(dict.fromkeys(columns, value), index=value.index)
