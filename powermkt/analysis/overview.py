"""Tables for people who look: hours by carrier, provinces, corridors, payments between groups.

They are small whatever the network's size: what is summed here is what a page can show.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from powermkt.inputs.case import Case
from powermkt.run import Run, labelled

_KEY = ("regime", "carbon_price")
_MOST_PROVINCES = 60  # that have days of their own
CHARGING = "charging"  # storage that takes in

# column -> (unit, meaning)
HOURS: dict[str, tuple[str, str]] = {
    "regime": ("", "name of the regime"),
    "carbon_price": ("money/t", "carbon price tau"),
    "window": ("", "label of the window"),
    "snapshot": ("", "beginning of the hour"),
    "hours": ("h", "hours of the horizon that the snapshot stands for"),
    "load": ("MW", "load served"),
    "price": ("money/MWh", "wholesale price, weighted by load"),
    "curtailed": ("MW", "renewable output that was available and not used, without spill"),
    "charging": ("MW", "what storage takes in"),
    "(carrier)": ("MW", "output; of storage: what it gives back"),
}
PROVINCES: dict[str, tuple[str, str]] = {
    "regime": ("", "name of the regime"),
    "carbon_price": ("money/t", "carbon price tau"),
    "province": ("", ""),
    "name_zh": ("", "`buses.name_zh`, or the name of the province"),
    "x": ("degree", "mean longitude of its buses"),
    "y": ("degree", "mean latitude of its buses"),
    "load_mwh": ("MWh", "load served over the horizon"),
    "price": ("money/MWh", "wholesale price, weighted by load"),
    "generation_mwh": ("MWh", "output over the horizon"),
    "curtailment_mwh": ("MWh", "curtailment over the horizon"),
    "curtailment_rate": ("1", "of what was available"),
}
PROVINCE_DAYS: dict[str, tuple[str, str]] = {
    "regime": ("", "name of the regime"),
    "carbon_price": ("money/t", "carbon price tau"),
    "window": ("", "label of the window"),
    "province": ("", ""),
    "hour": ("h", "hour of the day; of snapshots that are no times, their number in the window"),
    "load": ("MW", "load served, mean of the days of the window by their hours"),
    "price": ("money/MWh", "wholesale price, mean of the days"),
    "curtailed": ("MW", "renewable output that was available and not used, without spill"),
    "charging": ("MW", "what storage takes in"),
    "(carrier)": ("MW", "output; of storage: what it gives back"),
}
CORRIDORS: dict[str, tuple[str, str]] = {
    "regime": ("", "name of the regime"),
    "carbon_price": ("money/t", "carbon price tau"),
    "province0": ("", "from"),
    "province1": ("", "to"),
    "energy_mwh": ("MWh", "energy that leaves province0 for province1, net"),
}
PAYMENTS: dict[str, tuple[str, str]] = {
    "regime": ("", "name of the regime"),
    "carbon_price": ("money/t", "carbon price tau"),
    "payer": ("", "group of parties, of producers by carrier"),
    "payee": ("", "group of parties, of producers by carrier"),
    "product": ("", "what is paid for"),
    "amount": ("money", "over the horizon"),
}
CARRIERS: dict[str, tuple[str, str]] = {
    "carrier": ("", ""),
    "color": ("", "`carriers.color` of the network, may be empty"),
}
OVERVIEW = ("hours", "provinces", "province_days", "corridors", "payments", "carriers")


def overview(case: Case, runs: Sequence[Run]) -> dict[str, pd.DataFrame]:
    """Return the tables by name.

    Parameters
    ----------
    case : Case
    runs : sequence of Run
        On that case.

    Returns
    -------
    dict of str to DataFrame
        hours, provinces, province_days, corridors, payments with the columns of `HOURS` and so on,
        one block a run; and carriers. Days of provinces are of each regime at its lowest carbon
        price alone, and only where there are at most 60.
    """
    makers = {"hours": _hours, "provinces": _provinces, "province_days": _province_days,
              "corridors": _corridors, "payments": _payments}  # fmt: skip
    found = {}
    for name, make in makers.items():
        if name == "province_days" and case.provinces.nunique() > _MOST_PROVINCES:
            continue
        chosen = _lowest(runs) if name == "province_days" else runs
        parts = [labelled(run, make(run)) for run in chosen]
        found[name] = pd.concat(parts, ignore_index=True)
    colour = case._n.carriers["color"].rename_axis("carrier").astype(str)
    found["carriers"] = colour.rename("color").reset_index()
    return found


def _lowest(runs: Sequence[Run]) -> list[Run]:
    """The run of each regime at its lowest carbon price."""
    found: dict[str, Run] = {}
    for run in sorted(runs, key=lambda run: run.carbon_price):
        found.setdefault(run.regime.name, run)
    return [run for run in runs if found[run.regime.name] is run]


def _hours(run: Run) -> pd.DataFrame:
    case = run.case
    by_carrier = run.dispatch.T.groupby(case.generators["carrier"]).sum().T
    kinds = pd.concat([case.storage_units["carrier"], case._n.stores["carrier"]])
    stored = run.storage.clip(lower=0.0).T.groupby(kinds).sum().T
    output = by_carrier.add(stored, fill_value=0.0)
    served = run.outcome.served(case)
    unused = _unused(run).sum(axis=1).clip(lower=0.0)
    price = _weighted(run.announced.wholesale, _by_province(case, served))
    head = pd.DataFrame(
        {"window": _windows(case), "snapshot": case.snapshots, "hours": case.weights,
         "load": served.sum(axis=1), "price": price,
         "curtailed": unused, CHARGING: -run.storage.clip(upper=0.0).sum(axis=1)},
    )  # fmt: skip
    return pd.concat([head, output], axis=1)


def _windows(case: Case) -> pd.Series:
    """Label of the window of each snapshot."""
    window = pd.Series("", case.snapshots)
    for label, index in case.windows.items():
        window[index] = label
    return window


def _unused(run: Run) -> pd.DataFrame:
    """Renewable output that was available and not used, [snapshot x generator] in MW."""
    case = run.case
    renewable = case.generators.index[case.generators["carrier"].isin(case.carriers.renewable)]
    available = case.dense("Generator", "p_max_pu")[renewable] * case.generators["p_nom"][renewable]
    return available - run.dispatch[renewable]


def _province_days(run: Run) -> pd.DataFrame:
    """Mean day of every window by province."""
    case, n = run.case, run.case._n
    stores = pd.concat([table[["bus", "carrier"]] for table in (n.storage_units, n.stores)])
    at = {"generators": case.generators["province"], "stores": stores["bus"].map(case.provinces)}
    kinds = {"generators": case.generators["carrier"], "stores": stores["carrier"]}
    given = {"generators": run.dispatch, "stores": run.storage.clip(lower=0.0)}
    output = pd.concat(
        [frame.T.groupby([at[kind], kinds[kind]]).sum().T for kind, frame in given.items()], axis=1
    )
    output = output.T.groupby(level=[0, 1]).sum().T
    served = _by_province(case, run.outcome.served(case))
    unused, taken = _unused(run), -run.storage.clip(upper=0.0)
    series = {
        "load": served,
        "price": run.announced.wholesale,
        "curtailed": unused.T.groupby(at["generators"][unused.columns]).sum().T.clip(lower=0.0),
        CHARGING: taken.T.groupby(at["stores"].reindex(taken.columns)).sum().T,
    }
    window = _windows(case)
    hour = (
        case.snapshots.hour
        if isinstance(case.snapshots, pd.DatetimeIndex)
        else window.groupby(window).cumcount().to_numpy()
    )
    wide = pd.concat(
        {name: frame.reindex(columns=served.columns, fill_value=0.0)
         for name, frame in series.items()}, axis=1,
    )  # fmt: skip
    wide = pd.concat([wide, output.swaplevel(axis=1)], axis=1)
    keys = [window.to_numpy(), np.asarray(hour)]
    total = wide.mul(case.weights, axis="index").groupby(keys, sort=False).sum()
    mean = total.div(case.weights.groupby(keys, sort=False).sum(), axis="index")
    mean.index.names, mean.columns.names = ["window", "hour"], ["", "province"]
    names = list(dict.fromkeys(mean.columns.get_level_values(0)))
    parts = {place: mean.xs(place, axis=1, level="province") for place in served.columns}
    long = pd.concat(parts, names=["province"]).fillna(0.0).reset_index()
    return long[["window", "province", "hour", *names]]


def _by_province(case: Case, served: pd.DataFrame) -> pd.DataFrame:
    """Load served that takes energy, [snapshot x province] in MW."""
    at = served.clip(lower=0.0).T.groupby(case.loads["province"]).sum().T
    return at.reindex(columns=case.provinces.unique(), fill_value=0.0)


def _weighted(price: pd.DataFrame, load: pd.DataFrame) -> pd.Series:
    """Mean over provinces by hour; plain where nothing is served."""
    total = load.sum(axis=1)
    return ((price * load).sum(axis=1) / total).where(total > 0, price.mean(axis=1))


def _provinces(run: Run) -> pd.DataFrame:
    case = run.case
    buses, province, price = case._n.buses, case.provinces, run.announced.wholesale
    served = _by_province(case, run.outcome.served(case)).mul(case.weights, axis="index")
    load = served.sum()
    output = run.dispatch.mul(case.weights, axis="index").sum()
    lost = run.curtailment.groupby("province")[["curtailment_mwh", "available_mwh"]].sum()
    plain = price.mul(case.weights, axis="index").sum() / float(case.weights.sum())
    table = pd.DataFrame(
        {"x": buses["x"].groupby(province).mean(), "y": buses["y"].groupby(province).mean()}
    )
    table.insert(0, "name_zh", chinese_names(case))
    table["load_mwh"] = load.reindex(table.index).fillna(0.0)
    table["price"] = ((price * served).sum() / load.where(load > 0)).fillna(plain)
    table["generation_mwh"] = output.groupby(case.generators["province"]).sum()
    table["curtailment_mwh"] = lost["curtailment_mwh"]
    available = lost["available_mwh"].where(lost["available_mwh"] > 0)
    table["curtailment_rate"] = lost["curtailment_mwh"] / available
    return table.fillna(dict.fromkeys(table.columns[5:], 0.0)).rename_axis("province").reset_index()


def chinese_names(case: Case) -> pd.Series:
    """Chinese name of each province where its buses have one, else its name."""
    province = case.provinces
    names = case._n.buses.get("name_zh", province).replace("", np.nan)
    named = names.groupby(province).first()
    return named.where(named.notna(), named.index)


def _corridors(run: Run) -> pd.DataFrame:
    case = run.case
    n, energy = case._n, run.flows.mul(case.weights, axis="index").sum()
    ends = pd.concat([table[["bus0", "bus1"]] for table in (n.links, n.lines, n.transformers)])
    ends = ends.loc[energy.index]
    where = np.column_stack([ends[end].map(case.provinces) for end in ("bus0", "bus1")])
    back = where[:, 0] > where[:, 1]
    where[back] = where[back, ::-1]
    table = pd.DataFrame(where, columns=["province0", "province1"])
    table["energy_mwh"] = np.where(back, -energy, energy)
    table = table[table["province0"] != table["province1"]]
    net = table.groupby(["province0", "province1"], as_index=False).agg({"energy_mwh": "sum"})
    turned = net["energy_mwh"] < 0
    net.loc[turned, ["province0", "province1"]] = net.loc[
        turned, ["province1", "province0"]
    ].to_numpy()
    net["energy_mwh"] = net["energy_mwh"].abs()
    return net


def _payments(run: Run) -> pd.DataFrame:
    who = run.accounts["group"].where(
        run.accounts["group"] != "producers", "producers: " + run.accounts["detail"].astype(str)
    )
    table = run.ledger[["payer", "payee", "product", "amount"]].copy()
    for side in ("payer", "payee"):
        table[side] = table[side].map(who).fillna(table[side])
    found = table.groupby(["payer", "payee", "product"], as_index=False).agg({"amount": "sum"})
    return found[found["amount"] != 0]
