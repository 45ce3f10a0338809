"""Who registers which certificates of a run: contracts, the plan's claims, obligations."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from powermkt.analysis.certificates import VINTAGE, avoided, bundled, issued
from powermkt.dispatch.compliance import OFFSET_SUPPLIERS
from powermkt.errors import Fault, InputError, name_list, nearest
from powermkt.inputs.claimsplan import ALL, ClaimsPlan, Registration
from powermkt.inputs.conversion import POWER_SUPPLY, Conversions, Factor
from powermkt.inputs.instruments import Instrument, instruments, instruments_of
from powermkt.rules.participation import Participation
from powermkt.run import Run

GREEN, CARBON = "green_certificates", "carbon_market"
VOLUNTARY = "voluntary buyers"
CO2 = "tCO2"
TOLERANCE = 1e-9  # relative, and 1e-6 MWh: what rounding leaves
_STATUS = {"retire": "retired", "bank": "banked", "convert": "converted"}
_USE = {"retire": "voluntary", "bank": "bank"}
COLUMNS = [*VINTAGE, "mwh", "instrument", "status", "use", "by", "price"]


def beyond(part: pd.Series, whole: pd.Series) -> pd.Series:
    """What of a part exceeds the whole by more than rounding."""
    excess = part - whole
    return excess.where(excess > TOLERANCE * whole.abs() + 1e-6, 0.0)


@dataclass(frozen=True)
class Register:
    """What instruments register of the certificates of a run, before anybody checks.

    Attributes
    ----------
    run : Run
    plan : ClaimsPlan
    """

    run: Run
    plan: ClaimsPlan

    @cached_property
    def issued(self) -> pd.DataFrame:
        """As `certificates.issued`, and avoided_t, credited_t: tonnes of all of each vintage."""
        table = issued(self.run, self.plan.hydro)
        rate = avoided(self.run, table, self.plan.avoided)
        credited = rate if self.plan.credited is None else self.plan.credited
        energy = table["issued_mwh"]
        return table.assign(avoided_t=rate * energy, credited_t=credited * energy)

    @cached_property
    def bundled(self) -> pd.DataFrame:
        """As `certificates.bundled`."""
        return bundled(self.run)

    @cached_property
    def own(self) -> tuple[list[Instrument], list[Factor]]:
        """Instruments and factors of the user; those of the plan come before the market file's."""
        plan, market = self.plan, self.run.case.market
        named = {item.instrument for item in plan.instruments}
        keys = {item.key for item in plan.conversions}
        return (
            [*plan.instruments, *(i for i in market.instruments if i.instrument not in named)],
            [*plan.conversions, *(f for f in market.conversions if f.key not in keys)],
        )

    @cached_property
    def price(self) -> pd.Series:
        """What obliged grid companies pay, [(plant, vintage)] in money/MWh."""
        stated, index = self.plan.certificate_price, self.issued.index
        rules = (rule for rule in self.run.regime.rules if isinstance(rule, Participation))
        if stated is not None or (rule := next(rules, None)) is None:
            return pd.Series(stated or 0.0, index)
        worth = rule.certificates(self.run.case)
        names = index.get_level_values("plant")
        return pd.Series(worth.reindex(names).to_numpy(), index).fillna(0.0)

    @property
    def year(self) -> int | None:
        """Year whose instruments exist."""
        index = self.run.case.snapshots
        if self.plan.year is None and isinstance(index, pd.DatetimeIndex):
            return int(index[0].year)
        return self.plan.year

    @cached_property
    def registry(self) -> pd.DataFrame:
        """As `instruments.instruments`."""
        return instruments(*self.own)

    @cached_property
    def _conversions(self) -> Conversions:
        return Conversions(self.own[1])

    def unit_of(self, instrument: str) -> str:
        """Unit that an instrument counts."""
        return str(self.registry["unit"][instrument])

    def per_mwh(self, instrument: str) -> float:
        """What one MWh is in the unit of an instrument that counts no CO2."""
        bases = self.plan.bases
        if bases is None:
            bases = (f"{POWER_SUPPLY} {self.year}",) if self.unit_of(instrument) != "MWh" else ()
        return self._conversions.factor("MWh", self.unit_of(instrument), *bases)

    # ---- what is registered ------------------------------------------------------------------

    @cached_property
    def requests(self) -> pd.DataFrame:
        """Claims of contracts and of the plan's registrations; columns as `COLUMNS`."""
        taken = self.bundled[[*VINTAGE, "mwh", "by", "price"]].assign(
            instrument=GREEN, status=self.plan.bundled, use="bundled"
        )
        parts = [taken, *(self._request(item) for item in self.plan.registrations)]
        found = pd.concat([part[COLUMNS] for part in parts if len(part)] or [taken[COLUMNS]])
        return found.astype({"mwh": float, "price": float}).reset_index(drop=True)

    def members(self, key: str) -> pd.Index:
        """Vintages that a key means; a plant comes before a group of the same name."""
        table = self.issued
        plant = table.index.get_level_values("plant")
        local = table["carrier"] + "@" + table["province"]
        for those in (plant, local, table["province"], table["carrier"]):
            if (chosen := np.asarray(those == key)).any():
                return table.index[chosen]
        return table.index if key == "renewable" else table.index[:0]

    def _request(self, item: Registration) -> pd.DataFrame:
        energy = self.issued.loc[self.members(item.of), "issued_mwh"]
        if item.mwh is None:
            energy = energy * item.share
        elif energy.sum() > 0:
            energy = energy * (item.mwh / energy.sum())
        table = energy.rename("mwh").reset_index()
        by: str | pd.Series = item.by or table["plant"]
        if not item.by and item.use == "retire":
            by = VOLUNTARY
        elif not item.by and item.use == "convert" and item.to == CARBON:
            by = OFFSET_SUPPLIERS
        return table.assign(
            instrument=item.to if item.use == "convert" else GREEN,
            status=_STATUS[item.use], use=_USE.get(item.use, item.to), by=by, price=item.price,
        )  # fmt: skip

    @cached_property
    def taken(self) -> pd.Series:
        """What contracts and registrations claim of each vintage, [(plant, vintage)] in MWh."""
        total = self.requests.groupby(VINTAGE)["mwh"].sum()
        return total.reindex(self.issued.index).fillna(0.0)

    # ---- obligations -------------------------------------------------------------------------

    @cached_property
    def obligations(self) -> pd.DataFrame:
        """What provinces owe: consumption_mwh, share, obligation_mwh, bundled_mwh (counted)."""
        case, plan = self.run.case, self.plan
        served = self.run.outcome.served(case).clip(lower=0.0).mul(case.weights, axis="index")
        used = served.sum().groupby(case.loads["province"]).sum()
        used = used.reindex(pd.unique(case.provinces)).fillna(0.0).rename_axis("province")
        common = plan.obligations.get(ALL, 0.0)
        share = pd.Series({name: plan.obligations.get(str(name), common) for name in used.index})
        table = pd.DataFrame({"consumption_mwh": used, "share": share.astype(float)})
        table["obligation_mwh"] = table["share"] * table["consumption_mwh"]
        held = self.bundled.groupby("place")["mwh"].sum() * float(plan.bundled == "retired")
        held = held.reindex(table.index).fillna(0.0).astype(float)
        table["bundled_mwh"] = held.clip(upper=table["obligation_mwh"])
        return table[table["obligation_mwh"] > 0].rename_axis("province")

    def drawn(self, free: pd.Series) -> pd.DataFrame:
        """Certificates that are retired for obligations.

        A province takes those of its own plant first; what it lacks then, and may be bought
        elsewhere, is shared among all that are left by what each lacks and each is.

        Parameters
        ----------
        free : Series [(plant, vintage)], MWh

        Returns
        -------
        DataFrame [(plant, vintage) x province], MWh
        """
        owed = self.obligations
        need = (owed["obligation_mwh"] - owed["bundled_mwh"]).clip(lower=0.0)
        home = self.issued["province"]
        have = free.groupby(home).sum().reindex(need.index).fillna(0.0)
        ratio = (need.clip(upper=have) / have.where(have > 0)).fillna(0.0)
        local = (home.to_numpy()[:, None] == need.index.to_numpy()[None, :]).astype(float)
        taken = pd.DataFrame(
            local * free.to_numpy()[:, None] * ratio.to_numpy(), free.index, need.index
        )
        left, lacking = free - taken.sum(axis=1), need - taken.sum()
        total = float(left.sum())
        if self.plan.tradable and total > 0 and lacking.sum() > 0:
            met = lacking * min(1.0, total / float(lacking.sum()))
            taken = taken + np.outer(left / total, met)
        return taken

    @cached_property
    def free(self) -> pd.Series:
        """What contracts and registrations leave of each vintage, [(plant, vintage)] in MWh."""
        return (self.issued["issued_mwh"] - self.taken).clip(lower=0.0)

    @cached_property
    def retired(self) -> pd.DataFrame:
        """Certificates retired for obligations, as `drawn`."""
        return self.drawn(self.free)

    @cached_property
    def short(self) -> pd.Series:
        """What obligations lack, [province] in MWh."""
        owed = self.obligations
        met = owed["bundled_mwh"] + self.retired.sum()
        return beyond(owed["obligation_mwh"], met)

    @cached_property
    def twice(self) -> pd.DataFrame:
        """What would be counted twice if each instrument registered without seeing the others.

        Contracts and registrations as they stand, obligations out of all that is issued. What
        these sum to beyond what is issued is in two claims at least.

        Returns
        -------
        DataFrame [(plant, vintage)]
            Columns province, carrier, issued_mwh, registered_mwh, double_mwh, double_t (at the
            avoided rate).
        """
        table = self.issued
        whole = self.drawn(table["issued_mwh"]).sum(axis=1)
        registered = self.taken + whole
        double = beyond(registered, table["issued_mwh"])
        rate = table["avoided_t"] / table["issued_mwh"]
        found = table[["province", "carrier", "issued_mwh"]]
        return found.assign(registered_mwh=registered, double_mwh=double, double_t=double * rate)

    # ---- what cannot be ----------------------------------------------------------------------

    def faults(self) -> list[Fault]:
        """Name what the plan asks for and there is none of, before anything is counted."""
        plan, table = self.plan, self.issued
        known = {
            *table.index.get_level_values("plant"), *table["carrier"], *table["province"],
            *(table["carrier"] + "@" + table["province"]), "renewable",
        }  # fmt: skip
        found = self._unknown_instruments()
        if table.empty:
            what = "0 certificates are issued: no output of wind or sun"
            found.append(Fault("plan", what, "state `hydro: true`, or clear another network"))
            return found
        for number, item in enumerate(plan.registrations, start=1):
            if item.of not in known:
                what = f"{item.of!r} is issued no certificates"
                found.append(Fault(f"registration {number}", what, nearest(item.of, known)))
        provinces = {str(name) for name in self.run.case.provinces}
        rates = plan.avoided if isinstance(plan.avoided, dict) else {}
        for where, keys, valid in (
            ("obligations", plan.obligations, {*provinces, ALL}), ("avoided", rates, provinces)
        ):  # fmt: skip
            found += [
                Fault(where, f"unknown province {key!r}", nearest(key, valid))
                for key in keys if key not in valid
            ]  # fmt: skip
        found += self._sold_by_rule(table)
        grey = self.bundled[~self.bundled["plant"].isin(table.index.get_level_values("plant"))]
        for contract, part in grey.groupby("contract"):
            what = (
                f"delivers {part['mwh'].sum():,.6g} certificates of "
                f"{name_list(part['plant'].unique())}, which is issued none"
            )
            found.append(Fault(f"contract {contract}", what, "state `hydro: true`"))
        return found

    def _sold_by_rule(self, table: pd.DataFrame) -> list[Fault]:
        """Name certificates that a rule of the regime has sold."""
        names, found = table.index.get_level_values("plant").unique(), []
        for rule in self.run.regime.obligations:
            both = names[names.isin(rule.counted(self.run.case))]
            if rule.kind == "at_least" and len(both):
                mwh = table["issued_mwh"][both].sum()
                what = f"takes certificates of {name_list(both)} ({mwh:,.6g} MWh) already"
                remedy = "claim those of a run without it, and state `obligations` in the plan"
                found.append(Fault(f"Obligation {rule.name!r}", what, remedy))
        return found

    def _unknown_instruments(self) -> list[Fault]:
        """Name instruments there are none of or not yet, and units that do not convert."""
        if self.year is None:
            what = "the snapshots are no times"
            return [Fault("year", what, "state the year whose instruments exist")]
        try:
            table, active = self.registry, instruments_of(self.year, *self.own).index
        except InputError as error:
            return error.faults
        found = []
        wanted = {item.to: n for n, item in reversed(list(enumerate(self.plan.registrations, 1)))
                  if item.use == "convert"}  # fmt: skip
        for name in dict.fromkeys((GREEN, *wanted)):
            where = f"registration {wanted[name]}" if name in wanted else "plan"
            if name not in table.index:
                what = f"unknown instrument {name!r}"
                found.append(Fault(where, what, nearest(name, table.index)))
            elif name not in active:
                began = int(table["launch_year"][name])
                what = f"{name} began in {began}, the year is {self.year}"
                found.append(Fault(where, what, "leave it away, or state another `year`"))
            elif name in wanted and name == GREEN:
                what = "certificates are retired, not converted to themselves"
                found.append(Fault(where, what, "state `use: retire`"))
            elif name in wanted and self.unit_of(name) != CO2:
                try:
                    self.per_mwh(name)
                except InputError as error:
                    more = "`bases`, or a factor in `conversions`"
                    found += [
                        Fault(f"{where}: {name}", f.what, f"{f.remedy} (in {more})")
                        for f in error.faults
                    ]
        return found

    def double_faults(self) -> list[Fault]:
        """Name MWh that two instruments register, with the amounts, one fault for each plant."""
        table, found = self.issued, []
        over = beyond(self.taken, table["issued_mwh"])
        for plant, part in over[over > 0].groupby(level="plant", sort=False):
            first = part.index[0]
            rows = self.requests.set_index(VINTAGE).loc[[first]]
            amounts = rows.groupby(["instrument", "use", "by"], sort=False)["mwh"].sum()
            said = ", ".join(
                f"{mwh:,.6g} {' '.join(dict.fromkeys((instrument, use)))} by {by}"
                for mwh, instrument, use, by in zip(
                    amounts, *(amounts.index.get_level_values(i) for i in range(3)), strict=True
                )
            )
            size, taken = table.loc[first, "issued_mwh"], self.taken[first]
            more = f"; {len(part) - 1} more months" if len(part) > 1 else ""
            what = (
                f"{taken - size:,.6g} MWh of {first[1]} are claimed beyond what exists: "
                f"{size:,.6g} issued, {taken:,.6g} registered as {said}{more}"
            )
            where = "double registration" if len(amounts) > 1 else "registration"
            found.append(Fault(f"{where}: {plant}", what, "register each MWh once"))
        return found
