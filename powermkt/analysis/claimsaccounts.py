"""Accounts of claims: numbered intervals of MWh, obligations, offsets, what is paid for them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from powermkt.analysis.certificates import VINTAGE, flattened, vintages
from powermkt.analysis.registration import CARBON, CO2, GREEN, TOLERANCE, Register, beyond
from powermkt.common.ledger import COLUMNS as LEDGER
from powermkt.dispatch.compliance import OFFSET_SUPPLIERS
from powermkt.errors import Fault
from powermkt.rules.base import grid_company
from powermkt.rules.carbon import Offsets
from powermkt.rules.deals import CERTIFICATES
from powermkt.rules.retail import FUNDS
from powermkt.run import Run

# column -> (unit, meaning)
COLUMNS: dict[str, tuple[str, str]] = {
    "claim": ("", "plant/vintage/first MWh"),
    "plant": ("", "generator or storage unit"),
    "province": ("", "its province"),
    "carrier": ("", "its carrier"),
    "vintage": ("", "calendar month; `horizon` where snapshots are no times"),
    "first_mwh": ("MWh", "where the interval of the claim begins among those of the vintage"),
    "last_mwh": ("MWh", "where it ends"),
    "mwh": ("MWh", "its length"),
    "instrument": ("", "under which it is claimed, a key of `instruments`"),
    "status": ("", "retired, banked or converted"),
    "use": ("", "bundled, voluntary, obligation, bank, or the instrument converted for"),
    "by": ("", "who claims"),
    "amount": ("", "in the unit of the instrument"),
    "unit": ("", "that unit"),
    "price": ("money/MWh", "what is paid for it; of bundled ones in the ledger of the run"),
}
OBLIGATIONS: dict[str, tuple[str, str]] = {
    "province": ("", "whose grid company is obliged"),
    "consumption_mwh": ("MWh", "energy served"),
    "share": ("1", "of it for which certificates are to be retired"),
    "obligation_mwh": ("MWh", "that many"),
    "bundled_mwh": ("MWh", "of these what green power of its users counts for"),
    "local_mwh": ("MWh", "certificates of its own plant that are retired"),
    "bought_mwh": ("MWh", "certificates from other provinces"),
    "short_mwh": ("MWh", "what lacks"),
    "cost": ("money", "paid for certificates and for what lacks"),
}
OFFSETS: dict[str, tuple[str, str]] = {
    "plant": ("", "as in the claims"),
    "vintage": ("", "as in the claims"),
    "by": ("", "who claims"),
    "mwh": ("MWh", "converted"),
    "avoided_t": ("t", "what that avoids"),
    "credited_t": ("t", "offsets credited for it"),
    "surrendered_t": ("t", "of these, what obliged units surrender"),
    "held_t": ("t", "what is left"),
}


def numbered(register: Register) -> pd.DataFrame:
    """All claims one after another in their vintage; what nobody claims is banked."""
    retired = flattened(register.retired.T).rename("mwh").reset_index()
    price = register.price.reindex(vintages(retired)).to_numpy()
    retired = retired.assign(
        by=retired.get("province", pd.Series(dtype=object)).map(grid_company), instrument=GREEN,
        status="retired", use="obligation", price=price,
    )  # fmt: skip
    rest = (register.free - register.retired.sum(axis=1)).clip(lower=0.0).rename("mwh")
    rest_table = rest.reset_index().assign(
        instrument=GREEN, status="banked", use="bank", price=0.0
    )  # fmt: skip
    rest_table["by"] = rest_table["plant"]
    parts = [register.requests, retired.drop(columns="province", errors="ignore"), rest_table]
    table = pd.concat([part for part in parts if len(part)], ignore_index=True)
    table = table[table["mwh"] > 1e-9].reset_index(drop=True)
    table["last_mwh"] = table.groupby(VINTAGE)["mwh"].cumsum()
    table["first_mwh"] = table["last_mwh"] - table["mwh"]
    place = register.issued.reindex(vintages(table))
    for column in ("province", "carrier"):
        table[column] = place[column].to_numpy()
    unit = {name: register.unit_of(name) for name in table["instrument"].unique()}
    table["unit"] = table["instrument"].map(unit)
    rate = (place["credited_t"] / place["issued_mwh"]).to_numpy()
    other = {name: register.per_mwh(name) for name in unit if unit[name] != CO2}
    factor = np.where(table["unit"] == CO2, rate, table["instrument"].map(other).astype(float))
    table["amount"] = table["mwh"] * factor
    numbers = table["first_mwh"].map("{:.3f}".format)
    table["claim"] = table["plant"] + "/" + table["vintage"] + "/" + numbers
    return table[list(COLUMNS)]


def offset_rule(run: Run) -> Offsets | None:
    """What the carbon rule of the regime says of offsets, if anything."""
    return None if run.regime.carbon is None else run.regime.carbon.offsets


def to_surrender(run: Run) -> float:
    """What obliged units have to surrender [t]."""
    account = run.compliance
    return float((account["emissions_t"] - account["waived_t"]).sum())


def offsets_of(register: Register, table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Offsets that certificates were converted to; columns as in `OFFSETS`."""
    found = table[(table["status"] == "converted") & (table["instrument"] == CARBON)]
    found = found.rename(columns={"amount": "credited_t"})
    place = register.issued.reindex(vintages(found))
    rate = (place["avoided_t"] / place["issued_mwh"]).to_numpy(float)
    found = found.assign(avoided_t=found["mwh"] * rate)
    credited, used = found["credited_t"].sum(), float(register.run.compliance["offsets_t"].sum())
    part = min(1.0, used / credited) if credited > 0 else 0.0
    found["surrendered_t"] = found["credited_t"] * part
    found["held_t"] = found["credited_t"] - found["surrendered_t"]
    notes = []
    if found["held_t"].sum() > 1e-6:
        notes.append(
            f"{found['held_t'].sum():,.6g} of {credited:,.6g} t of offsets are held: units "
            f"surrender {used:,.6g} t of them"
        )
    cap = register.run.regime.cap
    if credited > 0 and cap is not None and cap.cap is not None:
        notes.append(
            f"emissions are capped: what certificates converted to {credited:,.6g} t avoid has "
            "freed allowances already"
        )
    return found[list(OFFSETS)].reset_index(drop=True), notes


def offset_faults(register: Register, offsets: pd.DataFrame) -> list[Fault]:
    """Name tonnes credited beyond what is avoided, and beyond what may be surrendered."""
    if offsets.empty:
        return []
    found, run = [], register.run
    credited, avoided = offsets["credited_t"].sum(), offsets["avoided_t"].sum()
    above = beyond(offsets["credited_t"], offsets["avoided_t"])
    if above.sum() > 0:
        plant = offsets.loc[above > 0, "plant"].iloc[0]
        what = (
            f"{credited:,.6g} t are credited for {offsets['mwh'].sum():,.6g} MWh that avoid "
            f"{avoided:,.6g} t; first {plant}"
        )
        found.append(Fault("credited", what, "leave it away, or credit no more than is avoided"))
    rule = offset_rule(run)
    if rule is None:
        what = f"regime {run.regime.name!r} takes no offsets"
        remedy = "state `carbon: {rule: CarbonPrice, offsets: {limit: 0.05, price: ...}}`"
        return [*found, Fault(CARBON, what, remedy)]
    owed = to_surrender(run)
    most = rule.limit * owed
    if credited > most * (1 + TOLERANCE) + 1e-6:
        what = (
            f"{credited:,.6g} t of offsets, and at most {most:,.6g} t may be surrendered "
            f"({100 * rule.limit:g} % of {owed:,.6g} t)"
        )
        found.append(Fault(CARBON, what, f"convert at most {most / credited:.4g} of that"))
    return found


def shortfall_faults(register: Register) -> list[Fault]:
    """Say how many certificates exist where obligations ask for more and nothing prices that."""
    short = register.short
    short = short[short > 0]
    if register.plan.shortfall_price is not None or short.empty:
        return []
    owed = register.obligations
    total = float(register.issued["issued_mwh"].sum())
    free, lack = float(register.free.sum()), float(short.sum())
    need = float((owed["obligation_mwh"] - owed["bundled_mwh"]).sum())
    where = ", ".join(f"{name} {mwh:,.6g}" for name, mwh in short.head(5).items())
    what = (
        f"{need:,.6g} MWh are to be retired beyond green power, and {free:,.6g} of {total:,.6g} "
        f"MWh issued are not claimed otherwise: {lack:,.6g} lack ({where})"
    )
    remedy = "lower the obligations or other claims, or state `shortfall_price`"
    return [Fault("obligations", what, remedy)]


def obligations_of(register: Register) -> pd.DataFrame:
    """Account of the obligations; columns as in `OBLIGATIONS`."""
    table, plan, retired = register.obligations, register.plan, register.retired
    home = register.issued["province"].to_numpy()[:, None] == retired.columns.to_numpy()[None, :]
    table = table.assign(
        local_mwh=(retired * home).sum(), bought_mwh=(retired * ~home).sum(),
        short_mwh=register.short,
    )  # fmt: skip
    bought = retired.mul(register.price, axis="index").sum()
    table["cost"] = bought + (plan.shortfall_price or 0.0) * table["short_mwh"]
    return table.reset_index()[list(OBLIGATIONS)]


def payments_of(
    register: Register, table: pd.DataFrame, offsets: pd.DataFrame, owed: pd.DataFrame
) -> pd.DataFrame:
    """What is paid for certificates and for offsets made of them, and for what lacks."""
    sold = table[
        (table["price"] > 0) & (table["use"] != "bundled") & (table["by"] != table["plant"])
    ]
    product = sold["instrument"].where(sold["instrument"] != GREEN, CERTIFICATES)
    sold = sold.assign(payer=sold["by"], payee=sold["plant"], product=product, quantity=sold["mwh"])
    rule = offset_rule(register.run)
    credits = offsets[offsets["surrendered_t"] > 0]
    own = credits["by"] == OFFSET_SUPPLIERS
    credits = credits.assign(
        payer=OFFSET_SUPPLIERS, payee=credits["plant"].where(own, credits["by"]),
        product="converted offsets", quantity=credits["surrendered_t"],
        price=0.0 if rule is None else rule.price,
    )  # fmt: skip
    short = owed[owed["short_mwh"] > 0]
    short = short.assign(
        payer=short["province"].map(grid_company), payee=FUNDS, product="certificate shortfall",
        quantity=short["short_mwh"], price=register.plan.shortfall_price or 0.0, vintage="horizon",
    )  # fmt: skip
    parts = [part for part in (sold, credits, short) if len(part)]
    if not parts:
        return pd.DataFrame(columns=LEDGER)
    found = pd.concat(parts).rename(columns={"vintage": "period"})
    found["amount"] = found["quantity"] * found["price"]
    keys = ["payer", "payee", "product", "period", "price"]
    return found.groupby(keys, sort=False, as_index=False)[["quantity", "amount"]].sum()[LEDGER]
