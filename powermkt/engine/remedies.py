"""Remedies for curtailment: what may be built or changed, one unit more at a time.

A remedy changes a case and perhaps its rules by a size. Those of `REMEDIES` know how their size
enters the programme, so that the dual value of all of them is read from one clearing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import pandas as pd

from powermkt.engine.causes import on_copy, put
from powermkt.engine.newcomers import electric_boilers, new_battery
from powermkt.engine.regime import Regime
from powermkt.engine.remedytypes import Increase, Remedy, RemedySettings
from powermkt.errors import Fault, InputError, name_list, nearest
from powermkt.inputs.case import Case
from powermkt.system.branches import electric_links


def _increase(
    name: str, where: str, alter: Callable[[Case, float], None], prefixes: Sequence[str],
    components: Sequence[str], **more: object,
) -> Increase:  # fmt: skip
    parts = frozenset((prefix, item) for prefix in prefixes for item in components)
    batch = name if name == "storage_hours" else "capacity"
    apply = partial(_altered, alter)
    return Increase(
        name=name, where=where, apply=apply, alter=alter, parts=parts, batch=batch, **more  # type: ignore[arg-type]
    )  # fmt: skip


def _altered(
    alter: Callable[[Case, float], None], case: Case, regime: Regime, size: float
) -> tuple[Case, Regime]:
    changed = on_copy(case)
    alter(changed, size)
    return changed, regime


# ---- branches --------------------------------------------------------------------------------


def corridors(case: Case, settings: RemedySettings) -> list[Remedy]:
    """Each branch with a rating: links between electric buses, lines, transformers.

    More of it goes in every direction it has; impedances stay.
    """
    n = case._n
    found: list[Remedy] = []
    for table, column, names, prefixes in (
        ("links", "p_nom", electric_links(case), ("Link", "Exchange")),
        ("lines", "s_nom", n.lines.index[n.lines["s_nom"] > 0], ("Line",)),
        ("transformers", "s_nom", n.transformers.index[n.transformers["s_nom"] > 0],
         ("Transformer",)),
    ):  # fmt: skip
        for name in names:
            alter = partial(_add, table=table, column=column, shares={name: 1.0})
            found.append(_increase("corridor", str(name), alter, prefixes, [str(name)]))
    return found


def _add(case: Case, size: float, table: str, column: str, shares: dict[str, float]) -> None:
    """Add to a static number of components, each its share of the size."""
    static = getattr(case._n, table)
    share = pd.Series(shares)
    static[column] = static[column].astype(float).add(size * share, fill_value=0.0)[static.index]


# ---- storage ---------------------------------------------------------------------------------


def _storage(case: Case) -> pd.DataFrame:
    """Storage without inflow: batteries, pumped storage."""
    table = case.storage_units
    without = case.dense("StorageUnit", "inflow").sum() <= 0
    return table[(table["p_nom"] > 0) & without.reindex(table.index, fill_value=True)]


def storage_power(case: Case, settings: RemedySettings) -> list[Remedy]:
    """Power at the hours there are, of what a province has; a new battery where there is none."""
    found: list[Remedy] = []
    table = _storage(case)
    for province in case.provinces.unique():
        power = table.loc[table["province"] == province, "p_nom"]
        if power.empty:
            found += new_battery(case, province, settings)
            continue
        shares = (power / power.sum()).to_dict()
        alter = partial(_add, table="storage_units", column="p_nom", shares=shares)
        found.append(_increase("storage_power", province, alter, ["StorageUnit"], list(shares)))
    return found


def storage_hours(case: Case, settings: RemedySettings) -> list[Remedy]:
    """Energy at the power there is, of what a province has."""
    found: list[Remedy] = []
    for province, power in _storage(case).groupby("province", sort=False)["p_nom"]:
        per_mwh = dict.fromkeys(power.index, 1.0 / power.sum())
        alter = partial(_add, table="storage_units", column="max_hours", shares=per_mwh)
        names = list(power.index)
        item = _increase("storage_hours", str(province), alter, ["StorageUnit"], names, unit="MWh")
        found.append(item)
    return found


# ---- thermal plant ---------------------------------------------------------------------------


def flexible_coal(case: Case, settings: RemedySettings) -> list[Remedy]:
    """Quota plant whose minimum output is lowered by some points, on so many MW of a province.

    Every plant of the province by its share of capacity: `min_stable_pu` of fleets, `p_min_pu` of
    others; what plant must run at for heat stays.
    """
    table = case.generators
    quota = table[table["carrier"].isin(case.carriers.quota or []) & (table["p_nom"] > 0)]
    least = case.dense("Generator", "p_min_pu")[quota.index]
    heat = quota["carrier"].isin(case.carriers.heat or [])
    bound = (quota["min_stable_pu"] > 0) | ((least > 0).any() & ~heat)
    found: list[Remedy] = []
    for province, members in quota[bound].groupby("province", sort=False):
        capacity = float(members["p_nom"].sum())
        names = tuple(members.index)
        plain = tuple(members.index[~heat[members.index]])
        alter = partial(_lower, names=names, plain=plain, per_mw=settings.points / capacity)
        item = _increase("flexible_coal", str(province), alter, ["Generator", "Fleet"], names)
        found.append(replace(item, most=capacity))
    return found


def _lower(
    case: Case, size: float, names: Sequence[str], plain: Sequence[str], per_mw: float
) -> None:
    """Lower minimum outputs; those of `plain` plant in `p_min_pu` too."""
    n, down = case._n, size * per_mw
    if "min_stable_pu" in n.generators:
        stable = n.generators.loc[list(names), "min_stable_pu"]
        n.generators.loc[list(names), "min_stable_pu"] = (stable - down).clip(lower=0.0)
    least = n.get_switchable_as_dense("Generator", "p_min_pu")[list(plain)]
    if (least > 0).any(axis=None):
        put(n, "generators", "p_min_pu", least.where(least <= 0, (least - down).clip(lower=0.0)))
    key = "generators_t.p_min_pu"
    if key in case.forecast:
        expected = case.forecast[key]
        mine = expected.columns.intersection(list(plain))
        lower = {name: (expected[name] - down).clip(lower=0.0) for name in mine}
        case.forecast = {**case.forecast, key: expected.assign(**lower)}


# ---- choice ----------------------------------------------------------------------------------

Finder = Callable[[Case, RemedySettings], list[Remedy]]
REMEDIES: dict[str, Finder] = {
    "corridor": corridors,
    "storage_power": storage_power,
    "storage_hours": storage_hours,
    "flexible_coal": flexible_coal,
    "electric_boilers": electric_boilers,
}


def chosen_remedies(
    case: Case,
    names: Sequence[str | Remedy],
    settings: RemedySettings,
    where: Sequence[str] = (),
) -> list[Remedy]:
    """Return remedies of the kinds named, and those given as they are.

    Parameters
    ----------
    case : Case
    names : sequence of str or Remedy
    settings : RemedySettings
    where : sequence of str, optional
        Provinces and branches, those of a corridor's ends too; default: everywhere.

    Raises
    ------
    InputError
        Naming every kind or place that is unknown, and what stands twice.
    """
    faults = [
        Fault("remedies", f"unknown remedy {item!r}", nearest(str(item), REMEDIES))
        for item in names
        if not isinstance(item, Remedy) and item not in REMEDIES
    ]
    n = case._n
    branches = {
        name: {case.provinces[row["bus0"]], case.provinces[row["bus1"]]}
        for table in (n.links, n.lines, n.transformers)
        for name, row in table.iterrows()
    }
    known = {*case.provinces, *branches}
    faults += [
        Fault("where", f"unknown province or branch {item!r}", nearest(item, known))
        for item in where
        if item not in known
    ]
    if not names:
        faults.append(Fault("remedies", "none given", f"name some of {name_list(REMEDIES)}"))
    found: list[Remedy] = []
    for item in names:
        if isinstance(item, Remedy):
            found.append(item)
        elif item in REMEDIES:
            found += [
                remedy
                for remedy in REMEDIES[item](case, settings)
                if not where or {remedy.where, *branches.get(remedy.where, ())} & {*where}
            ]
    labels = [remedy.label for remedy in found]
    for label in sorted({label for label in labels if labels.count(label) > 1}):
        faults.append(Fault("remedies", f"{label!r} is given twice", "give each its own name"))
    if faults:
        raise InputError(faults)
    return found
