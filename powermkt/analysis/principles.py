"""Who pays for emissions: by producer, by consumer, or shared; and a tiered charge on consumers."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import numpy as np
import pandas as pd
import pydantic

from powermkt.analysis.responsibility import Responsibility
from powermkt.common.ledger import COLUMNS as LEDGER
from powermkt.common.values import HOURS_A_YEAR, NOISE_MW, NonNegative, Strict
from powermkt.dispatch.compliance import CARBON_FUND
from powermkt.errors import Fault, InputError, nearest
from powermkt.inputs.case import Case

PRINCIPLES = ("producer", "consumer", "shared")
SHARE = 0.5  # of the consumer, where responsibility is shared

# column -> (unit, meaning); each of producer, consumer and shared once
COLUMNS: dict[str, tuple[str, str]] = {
    "province": ("", "province, or `all`"),
    "producer": ("money", "price times emissions where they arise"),
    "consumer": ("money", "price times emissions for what is used; what nobody uses: as producer"),
    "shared": ("money", "a share of the consumer's, the rest of the producer's"),
    "producer_per_mwh": ("money/MWh", "the same for a MWh used in the province"),
    "consumer_per_mwh": ("money/MWh", ""),
    "shared_per_mwh": ("money/MWh", ""),
    "producer_per_head": ("money/person", "the same per person and year; NaN: population unknown"),
    "consumer_per_head": ("money/person", ""),
    "shared_per_head": ("money/person", ""),
}


class Tier(Strict):
    """Emissions above a bound, up to the bound of the next tier.

    Parameters
    ----------
    above : float
        t per head and year, or t per MWh.
    rate : float
        money/t
    """

    above: NonNegative = 0.0
    rate: NonNegative


class TieredCharge(Strict):
    """A charge on consumption emissions whose rate rises, or falls, by tiers.

    A province with x t per head (or MWh) pays, per head (or MWh), the sum over tiers of
    ``rate * (what of x lies between this bound and the next)``.

    Parameters
    ----------
    basis : "head" or "mwh"
    tiers : tuple of Tier
        By rising bounds; below the first nothing is charged.
    """

    basis: Literal["head", "mwh"] = "mwh"
    tiers: tuple[Tier, ...] = pydantic.Field(min_length=1)

    @pydantic.model_validator(mode="after")
    def _rising(self) -> TieredCharge:
        bounds = [tier.above for tier in self.tiers]
        if any(b <= a for a, b in pairwise(bounds)):
            raise ValueError("tiers: bounds `above` must rise")
        return self

    def per_basis(self, emissions: np.ndarray) -> np.ndarray:
        """Return the charge [money per head or MWh] on emissions [t per head or MWh]."""
        tops = [*(tier.above for tier in self.tiers[1:]), np.inf]
        charge = np.zeros_like(emissions, dtype=float)
        for tier, top in zip(self.tiers, tops, strict=True):
            charge += tier.rate * np.clip(emissions - tier.above, 0.0, top - tier.above)
        return charge


def population(case: Case) -> pd.Series:
    """Persons in each province: `population` of the market file, else of `buses`; NaN: unknown.

    Raises
    ------
    InputError
        For provinces that the network has not, and numbers that are no population.
    """
    provinces = pd.Index(case.provinces.unique(), name="province")
    given, faults = case.market.population, []
    for name in given:
        if name not in provinces:
            remedy = nearest(name, provinces)
            faults.append(Fault(f"population.{name}", "is no province of the network", remedy))
    table = case._n.buses
    if not given and "population" in table:
        column = pd.to_numeric(table["population"], errors="coerce")
        wrong = (column <= 0) | np.isinf(column) | (column.isna() & table["population"].notna())
        for bus in table.index[wrong]:
            told = f"{table.loc[bus, 'population']!r} is no number of persons"
            faults.append(Fault(f"buses[{bus!r}].population", told, "give one > 0, or nothing"))
        found = column.groupby(case.provinces).sum(min_count=1)
    else:
        found = pd.Series(given, dtype=float)
    if faults:
        raise InputError(faults)
    return found.reindex(provinces).astype(float)


def pay_by_principle(
    found: Responsibility, carbon_price: float | None = None, share: float = SHARE
) -> pd.DataFrame:
    """Allocate the cost of emissions to provinces by three principles, side by side.

    Producer pays; consumer pays; shared responsibility, where `share` of the cost of each tonne
    goes to who uses what was generated and the rest to who generated it (Gallego and Lenzen 2005,
    doi:10.1080/09535310500283492). Emissions for excess generation, and for what storage keeps,
    stay with the province where they arise. All three sum to the price times all emissions.

    Parameters
    ----------
    found : Responsibility
    carbon_price : float, optional
        [money/t]; default: that of the run.
    share : float, default 0.5
        Of the consumer [1].

    Returns
    -------
    DataFrame
        Columns as in `COLUMNS`; the last row is of all provinces.

    Raises
    ------
    InputError
        If a price or share is no such number, or the population is not.
    """
    price = found.run.carbon_price if carbon_price is None else carbon_price
    faults = []
    if not (np.isfinite(price) and price >= 0):
        faults.append(Fault("carbon_price", f"{price} is no price", "give a finite number >= 0"))
    if not 0 <= share <= 1:
        faults.append(Fault("share", f"{share} is no share", "give a number from 0 to 1"))
    if faults:
        raise InputError(faults)
    case, table = found.run.case, found.table.set_index("province")
    persons = population(case)
    table = table.loc[persons.index]
    rows = pd.DataFrame(index=persons.index)
    rows["producer"] = price * table["production_t"]
    rows["consumer"] = price * (table["consumption_t"] + found.unconsumed)
    rows["shared"] = share * rows["consumer"] + (1 - share) * rows["producer"]
    used, years = table["used_mwh"], float(case.weights.sum()) / HOURS_A_YEAR
    rows.loc["all"] = rows.sum()
    used, persons = _with_all(used), _with_all(persons)
    for name in PRINCIPLES:
        rows[f"{name}_per_mwh"] = rows[name] / used.where(used > NOISE_MW)
    for name in PRINCIPLES:
        rows[f"{name}_per_head"] = rows[name] / persons / years
    return rows.rename_axis("province").reset_index()[list(COLUMNS)]


def _with_all(values: pd.Series) -> pd.Series:
    """Append the sum, NaN where one is."""
    return pd.concat([values, pd.Series({"all": values.sum(skipna=False)})])


def charge_consumers(found: Responsibility, charge: TieredCharge) -> pd.DataFrame:
    """Charge provinces for what they consume, by tiers.

    Parameters
    ----------
    found : Responsibility
    charge : TieredCharge

    Returns
    -------
    DataFrame
        Entries as in a ledger: payer (users of a province), payee (the carbon fund, who keeps the
        revenue), product, period, quantity [t], price [money/t, mean], amount [money of the
        horizon].

    Raises
    ------
    InputError
        If a charge per head lacks the population of a province that consumes.
    """
    case = found.run.case
    table = found.table.set_index("province").drop("all")
    if charge.basis == "head":
        persons = population(case).reindex(table.index)
        lacking = persons.index[persons.isna() & (table["consumption_t"] > 0)]
        if len(lacking):
            remedy = "give `population` in market.yaml or buses, or charge per MWh"
            raise InputError(
                [Fault(f"population of {name}", "is not known", remedy) for name in lacking]
            )
        size = persons.fillna(0.0) * (float(case.weights.sum()) / HOURS_A_YEAR)
    else:
        size = table["used_mwh"].clip(lower=0.0)
    emitted = table["consumption_t"]
    each = (emitted / size.where(size > 0)).fillna(0.0)
    amount = size * charge.per_basis(each.to_numpy())
    entries = pd.DataFrame(
        {
            "payer": [f"users of {name}" for name in table.index],
            "payee": CARBON_FUND,
            "product": "consumption charge",
            "period": f"{case.snapshots[0]} .. {case.snapshots[-1]}",
            "quantity": emitted.to_numpy(),
            "price": (amount / emitted.where(emitted > 0)).to_numpy(),
            "amount": amount.to_numpy(),
        }
    )
    return entries[LEDGER]
