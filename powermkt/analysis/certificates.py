"""Green certificates of a run: what is issued, what contracts take along, what a MWh avoids."""

from __future__ import annotations

from typing import Literal, cast

import pandas as pd

from powermkt.inputs.case import Case
from powermkt.inputs.periods import months_of
from powermkt.rules.base import grid_company
from powermkt.rules.deals import Deal
from powermkt.rules.plant import own_output_of, plant_of
from powermkt.run import Run

VINTAGE = ["plant", "vintage"]
Avoided = Literal["operating_margin", "marginal"] | float | dict[str, float]


def eligible(case: Case, hydro: bool) -> pd.DataFrame:
    """Plant that is issued certificates: wind and solar, and hydro where that is said.

    Returns
    -------
    DataFrame [plant]
        Columns as `rules.plant.all_plant`.
    """
    carriers = case.carriers
    chosen = [*(carriers.wind or []), *(carriers.solar or []), *(carriers.hydro or []) * hydro]
    plant = plant_of(case)
    return plant[plant["carrier"].isin(chosen)]


def energy_of(run: Run, plant: pd.Index) -> pd.DataFrame:
    """Energy that plant sends out of its own, [snapshot x plant] in MWh.

    What comes back of what pumps took from the grid has its certificate where it was generated.
    """
    output = own_output_of(run.case, run.outcome)[plant]
    return output.mul(run.case.weights, axis="index")


def issued(run: Run, hydro: bool = False) -> pd.DataFrame:
    """Return certificates: one for each MWh of eligible plant, by plant and month.

    Parameters
    ----------
    run : Run
    hydro : bool, default False
        Whether hydro is issued any.

    Returns
    -------
    DataFrame [(plant, vintage)]
        Columns province, carrier, issued_mwh [MWh; fractions are kept]. Vintage is the calendar
        month; `horizon` where snapshots are no times.
    """
    plant = eligible(run.case, hydro)
    energy = _by_vintage(run, energy_of(run, plant.index)).clip(lower=0.0)
    table = energy[energy > 0].rename("issued_mwh").to_frame()
    names = table.index.get_level_values("plant")
    for column in ("carrier", "province"):
        table.insert(0, column, plant[column].reindex(names).to_numpy())
    return table


def _by_vintage(run: Run, energy: pd.DataFrame) -> pd.Series:
    """Sum by plant and month, [(plant, vintage)]."""
    monthly = energy.groupby(months_of(energy.index), sort=False).sum()
    monthly = monthly.rename_axis(index="vintage", columns="plant")
    return flattened(monthly)


def vintages(table: pd.DataFrame) -> pd.MultiIndex:
    """Plant and vintage of each row of a table."""
    return pd.MultiIndex.from_frame(table[VINTAGE])


def flattened(frame: pd.DataFrame) -> pd.Series:
    """Values of a frame by column, then row."""
    return cast("pd.Series", frame.unstack())


def bundled(run: Run) -> pd.DataFrame:
    """Return certificates that go with the green power contracts of a run.

    Returns
    -------
    DataFrame
        Columns plant, vintage, by (the buyer), place (its province, "" for none), contract, mwh
        [MWh], price [money/MWh].
    """
    columns = [*VINTAGE, "by", "place", "contract", "mwh", "price"]
    green = [deal for deal in run.deals if deal.contract.kind == "green_power"]
    parts = [part for deal in green if len(part := _delivered(run, deal))]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _delivered(run: Run, deal: Deal) -> pd.DataFrame:
    """Certificates of one contract by plant, month and buyer."""
    month = months_of(run.case.snapshots)
    loads = run.case.loads["province"]
    companies = {grid_company(name): name for name in run.case.provinces.unique()}
    parts = []
    for label in month.unique():
        index = month.index[month == label]
        volume = deal.parts.loc[index].T @ deal.quantity.loc[index]
        flat = flattened(volume.rename_axis(index="by", columns="plant"))
        parts.append(flat.rename("mwh").reset_index().assign(vintage=label))
    table = pd.concat(parts, ignore_index=True)
    place = table["by"].map(loads).fillna(table["by"].map(companies)).fillna("")
    contract = deal.contract
    table = table.assign(place=place, contract=contract.name, price=contract.premium)
    return table[table["mwh"] > 0]


def avoided(run: Run, table: pd.DataFrame, rule: Avoided = "operating_margin") -> pd.Series:
    """Return the tonnes that one MWh of each vintage avoids.

    The operating margin is that of the simple method for grid-connected renewables of the clean
    development mechanism (ACM0002, tool 07), without a build margin and by output of emitting
    plant of the run.

    Parameters
    ----------
    run : Run
    table : DataFrame [(plant, vintage)]
        As `issued`.
    rule : str, float or dict of str to float
        As `ClaimsPlan.avoided`; provinces not in a mapping avoid nothing.

    Returns
    -------
    Series [(plant, vintage)], t/MWh, never below 0
    """
    if rule == "marginal":
        names = table.index.get_level_values("plant").unique()
        energy = energy_of(run, names)
        bus = plant_of(run.case).loc[names, "bus"]
        rate = run.outcome.marginal_emission[bus].set_axis(names, axis="columns")
        tonnes = _by_vintage(run, energy * rate).reindex(table.index)
        return (tonnes / table["issued_mwh"]).clip(lower=0.0)
    if isinstance(rule, float | int):
        return pd.Series(float(rule), table.index)
    rates = operating_margin(run) if isinstance(rule, str) else pd.Series(rule, dtype=float)
    return table["province"].map(rates).fillna(0.0).astype(float)


def operating_margin(run: Run) -> pd.Series:
    """Mean emission rate of the output of emitting plant, [province] in t/MWh.

    That of all emitting plant in provinces that have none, or none that ran.
    """
    table = run.case.generators
    emits = table.index[table["emission_rate"] > 0]
    energy = run.dispatch[emits].clip(lower=0.0).mul(run.case.weights, axis="index").sum()
    tonnes, province = energy * table.loc[emits, "emission_rate"], table.loc[emits, "province"]
    total, emitted = energy.groupby(province).sum(), tonnes.groupby(province).sum()
    everywhere = tonnes.sum() / energy.sum() if energy.sum() > 0 else 0.0
    rates = (emitted / total.where(total > 0)).reindex(pd.unique(run.case.provinces))
    return rates.fillna(everywhere)
