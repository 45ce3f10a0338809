"""What plant earns on its investment, by regime, and why that differs between regimes.

Revenue is what the ledger says plant receives net, for energy, for carbon, for certificates and for
all else; cost is the resource cost it bears. Both are taken to a year of 8,760 hours, and that year
is every year of the lifetime. The change of revenue between two regimes is split at the midpoint,
exactly:

    dR = p_mean dq + q_mean dp + d(carbon) + d(certificates) + d(outside energy),

for energy q sold at capture price p, at the level of province, carrier and lifetime; coarser rows
are sums of these. Cash changes by it less the change of variable cost c q, whose share c_mean dq
counts with the volume. The split of the IRR follows from that of cash (`finance.rate_effects`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pandas as pd

from powermkt.accounts.plantaccounts import KINDS
from powermkt.analysis.passthrough import NATION
from powermkt.common.values import NOISE_MW
from powermkt.errors import Fault, InputError, nearest
from powermkt.inputs.case import Case
from powermkt.inputs.finance import Earnings, earnings, rate_effects
from powermkt.run import Run

# column -> (unit, meaning); money and energy are of a year
COLUMNS: dict[str, tuple[str, str]] = {
    "regime": ("", "name of the regime"),
    "carbon_price": ("money/t", "carbon price tau"),
    "province": ("", "where the plant is; all: everywhere"),
    "carrier": ("", "its carrier"),
    "capacity_mw": ("MW", "capacity; stores have none"),
    "energy_mwh": ("MWh/a", "energy sold; of storage what it discharges"),
    "full_load_hours": ("h/a", "energy over capacity"),
    "revenue": ("money/a", "net receipts by the ledger"),
    "energy_revenue": ("money/a", "of them for energy; storage less what it buys"),
    "carbon_revenue": ("money/a", "of them for allowances, offsets, emissions; mostly negative"),
    "certificate_revenue": ("money/a", "of them for green certificates"),
    "outside_energy": ("money/a", "the rest: services, contracts, uplift, charges"),
    "variable_cost": ("money/a", "resource cost that plant bears: fuel, operation, starts"),
    "fixed_om": ("money/a", "fixed operation and maintenance"),
    "cash_flow": ("money/a", "revenue less variable cost and fixed O&M"),
    "capture_price": ("money/MWh", "energy revenue over energy sold"),
    "received_price": ("money/MWh", "revenue over energy sold"),
    "investment": ("money", "cost to build all of it"),
    "irr": ("1/a", "internal rate of return"),
    "npv": ("money", "net present value"),
    "payback": ("a", "years until cash has paid back the investment"),
    "discounted_payback": ("a", "the same of discounted cash"),
    "irr_note": ("", "why there is no IRR"),
}
SPLIT: dict[str, tuple[str, str]] = {
    "regime": ("", "name of the regime"),
    "base": ("", "the regime it is set against"),
    "carbon_price": ("money/t", "carbon price tau, of both"),
    "province": ("", "where the plant is; all: everywhere"),
    "carrier": ("", "its carrier"),
    "revenue_change": ("money/a", "the sum of the five effects"),
    "volume_effect": ("money/a", "energy sold, at mean capture prices"),
    "price_effect": ("money/a", "capture price, at mean energy"),
    "carbon_effect": ("money/a", "allowances, offsets, emissions"),
    "certificate_effect": ("money/a", "green certificates"),
    "outside_effect": ("money/a", "services, contracts, uplift, charges"),
    "cost_change": ("money/a", "change of variable cost"),
    "irr_change": ("1/a", "the sum of the six effects"),
    "irr_volume": ("1/a", "by energy sold, what it costs to generate taken off"),
    "irr_price": ("1/a", "by capture price"),
    "irr_carbon": ("1/a", "by allowances, offsets, emissions"),
    "irr_certificate": ("1/a", "by green certificates"),
    "irr_outside": ("1/a", "by services, contracts, uplift, charges"),
    "irr_cost": ("1/a", "by variable cost per MWh"),
    "irr_note": ("", "why there is no IRR in one of the regimes"),
}
SUMMARY: dict[str, tuple[str, str]] = {
    "group": ("", "wind, solar, hydro by the market file, renewables: all of them"),
    "irr_points": ("1/a", "change of the IRR from the base regime"),
    "irr_relative": ("1", "that over the IRR of the base regime, where it is above 0"),
}
_SUMS = ["capacity_mw", "energy_mwh", "revenue", *KINDS, "variable_cost", "fixed_om", "cash_flow",
         "investment"]  # fmt: skip
_REVENUE = [
    "volume_effect", "price_effect", "carbon_effect", "certificate_effect", "outside_effect",
]  # fmt: skip
_IRR = [
    "irr_volume", "irr_price", "irr_carbon", "irr_certificate", "irr_outside", "irr_cost",
]  # fmt: skip
_CELL = ["place", "carrier", "lifetime"]  # what effects are found for


class HasRuns(Protocol):
    """A comparison, or what else holds runs."""

    @property
    def runs(self) -> Sequence[Run]:
        """Runs on one case."""


def returns(runs: HasRuns | Sequence[Run] | Run) -> pd.DataFrame:
    """What plant earns on its investment, by province and carrier.

    Parameters
    ----------
    runs : Comparison, Run or sequence of Run

    Returns
    -------
    DataFrame
        Columns as in `COLUMNS`. Plant whose capex, lifetime or discount rate nobody states has no
        IRR, and `irr_note` names what lacks; so has a row of which it is part.

    Raises
    ------
    InputError
        If nothing states what any plant costs.
    """
    parts = [_labelled(run, measured(*_by_province(run.plant))) for run in _runs(runs)]
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


def returns_summary(runs: HasRuns | Sequence[Run] | Run, base: str | None = None) -> pd.DataFrame:
    """What wind, solar, hydro and all of them sell and earn, beside a base regime.

    Parameters
    ----------
    runs : as of `returns`
    base : str, optional
        Name of the regime that others are set against; default: the first.

    Returns
    -------
    DataFrame
        Columns as in `COLUMNS` with group in the place of province and carrier, and `SUMMARY`.
        Groups without capacity have no row.

    Raises
    ------
    InputError
        As `returns`, and if there is no run of the base regime.
    """
    found = _runs(runs)
    parts = [_labelled(run, measured(*_by_group(run.case, run.plant))) for run in found]
    table = pd.concat(parts, ignore_index=True)
    name = _base_of(found, base)
    start = table[table["regime"] == name].set_index(["carbon_price", "group"])["irr"]
    then = pd.Series(
        start.reindex(pd.MultiIndex.from_frame(table[["carbon_price", "group"]])).to_numpy()
    )
    points = table["irr"] - then
    table = table.assign(irr_points=points, irr_relative=points / then.where(then > 0))
    columns = [name for name in COLUMNS if name not in ("province", "carrier")]
    columns[2:2] = ["group"]
    return table[[*columns, "irr_points", "irr_relative"]]


def returns_split(
    runs: HasRuns | Sequence[Run], base: str | None = None, *, grouped: bool = False
) -> pd.DataFrame:
    """Split the change of revenue and of the IRR between a base regime and the others.

    Parameters
    ----------
    runs : Comparison or sequence of Run
    base : str, optional
        Name of the regime that others are set against; default: the first.
    grouped : bool, default False
        Rows of wind, solar, hydro and renewables everywhere, in column `carrier`.

    Returns
    -------
    DataFrame
        Columns as in `SPLIT`; runs without one of the base regime at their carbon price have no
        rows.

    Raises
    ------
    InputError
        As `returns`, and if there is no run of the base regime.
    """
    found = _runs(runs)
    name = _base_of(found, base)
    starts = {run.carbon_price: run.plant for run in found if run.regime.name == name}
    parts = [
        _split(run, starts[run.carbon_price], run.plant, grouped).assign(base=name)
        for run in found
        if run.regime.name != name and run.carbon_price in starts
    ]
    if not parts:
        return pd.DataFrame(columns=list(SPLIT))
    return pd.concat(parts, ignore_index=True)[list(SPLIT)]


def measured(plant: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Sum plant by keys and add what follows from the sums.

    Parameters
    ----------
    plant : DataFrame
        Rows as of `Run.plant`, with the keys; the same plant may stand in several.
    keys : list of str

    Returns
    -------
    DataFrame
        The keys and all of `COLUMNS` that are no labels.
    """
    table = plant.groupby(keys, sort=False)[_SUMS].sum(min_count=1)
    earned = [_earned(part) for _, part in plant.groupby(keys, sort=False)]
    table = table.join(pd.DataFrame(earned, table.index, Earnings._fields)).reset_index()
    energy = table["energy_mwh"].where(table["energy_mwh"] > NOISE_MW)
    return table.assign(
        full_load_hours=table["energy_mwh"] / table["capacity_mw"].where(table["capacity_mw"] > 0),
        capture_price=table["energy_revenue"] / energy,
        received_price=table["revenue"] / energy,
    )


def _earned(plant: pd.DataFrame) -> Earnings:
    lacking = [text for text in plant["lacking"] if text]
    if lacking:
        return Earnings(np.nan, np.nan, np.nan, np.nan, f"nothing states {lacking[0]}")
    columns = ("investment", "cash_flow", "lifetime", "discount_rate")
    return earnings(*(plant[name].to_numpy(float) for name in columns))


def _by_province(plant: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Plant once where it is and once everywhere, and the keys."""
    return pd.concat([plant, plant.assign(province=NATION)]), ["province", "carrier"]


def _by_group(case: Case, plant: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Renewable plant once in its group and once among all, and the key."""
    carriers = case.carriers
    groups = {
        "wind": carriers.wind, "solar": carriers.solar, "hydro": carriers.hydro,
        "renewables": carriers.renewable,
    }  # fmt: skip
    parts = [
        plant[plant["carrier"].isin(members or [])].assign(group=name)
        for name, members in groups.items()
    ]
    return pd.concat(parts), ["group"]


def _split(run: Run, before: pd.DataFrame, after: pd.DataFrame, grouped: bool) -> pd.DataFrame:
    """Effects between two runs, of the same plant."""
    ends = [
        _by_group(run.case, plant) if grouped else _by_province(plant) for plant in (before, after)
    ]
    keys = ends[0][1]
    earned = [measured(rows, keys).set_index(keys) for rows, _ in ends]
    cell = list(dict.fromkeys([*keys, *_CELL]))
    old, new = (rows.groupby(cell, sort=False, dropna=False)[_SUMS].sum() for rows, _ in ends)
    effects = _effects(old, new)
    table = effects.groupby(keys, sort=False).sum()
    table["irr_change"] = earned[1]["irr"] - earned[0]["irr"]
    table["irr_note"] = earned[1]["irr_note"].where(
        earned[1]["irr_note"] != "", earned[0]["irr_note"]
    )
    of_cash = effects[_REVENUE].set_axis(_IRR[:-1], axis="columns")
    of_cash["irr_volume"] -= effects["volume_cost"]
    of_cash["irr_cost"] = effects["volume_cost"] - effects["cost_change"]
    of_irr = [
        _irr_effects(part, rates, old, new)
        for (_, part), *rates in zip(
            of_cash.groupby(keys, sort=False), earned[0]["irr"], earned[1]["irr"], strict=True
        )
    ]
    table[_IRR] = np.array(of_irr)
    table = table.reset_index().rename(columns={"group": "carrier"})
    if grouped:
        table["province"] = NATION
    return _labelled(run, table)


def _irr_effects(
    effects: pd.DataFrame, rates: list[float], old: pd.DataFrame, new: pd.DataFrame
) -> np.ndarray:
    """Effects of some cells on their common IRR, [effect]; NaN where there is none."""
    if np.isnan(rates).any():
        return np.full(len(_IRR), np.nan)
    before, after = (end.loc[effects.index, "cash_flow"].to_numpy(float) for end in (old, new))
    lifetime = effects.index.get_level_values("lifetime").to_numpy(float)
    return rate_effects((rates[0], rates[1]), (before, after), lifetime, effects.to_numpy(float))


def _effects(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Effects on revenue and cost of each cell [money/a]."""
    sold = new["energy_mwh"] - old["energy_mwh"]
    change = new - old

    def of_volume(name: str) -> pd.Series:
        """What the change of volume brings at the mean value per MWh of both."""
        per_mwh = [
            end[name] / end["energy_mwh"].where(end["energy_mwh"] > NOISE_MW) for end in (old, new)
        ]
        # Where one of them sells nothing, what it would have got is what the other gets.
        mean = (per_mwh[0].fillna(per_mwh[1]) + per_mwh[1].fillna(per_mwh[0])) / 2
        return mean.fillna(0.0) * sold

    volume = of_volume("energy_revenue")
    return pd.DataFrame(
        {
            "revenue_change": change["revenue"],
            "volume_effect": volume,
            "price_effect": change["energy_revenue"] - volume,
            "carbon_effect": change["carbon_revenue"],
            "certificate_effect": change["certificate_revenue"],
            "outside_effect": change["outside_energy"],
            "volume_cost": of_volume("variable_cost"),
            "cost_change": change["variable_cost"],
        }
    )


def _labelled(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(regime=run.regime.name, carbon_price=run.carbon_price)


def _runs(runs: HasRuns | Sequence[Run] | Run) -> Sequence[Run]:
    if isinstance(runs, Run):
        return [runs]
    return runs if isinstance(runs, Sequence) else runs.runs


def _base_of(runs: Sequence[Run], base: str | None) -> str:
    """Name of the regime that others are set against."""
    names = list(dict.fromkeys(run.regime.name for run in runs))
    if base is not None and base not in names:
        raise InputError([Fault("base", f"no run of regime {base!r}", nearest(base, names))])
    return base or names[0]
