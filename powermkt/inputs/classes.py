"""Emission benchmarks by class of unit: the sets that come with powermkt, and who is in a class."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources

import pandas as pd

from powermkt.errors import Fault, name_list, nearest


@cache
def benchmark_table() -> pd.DataFrame:
    """Benchmarks that come with powermkt.

    Returns
    -------
    DataFrame
        Columns set, class, value, unit (t/MWh), basis (net: per MWh after the plant's own use),
        quality (sourced, or recalled: not verified), source.
    """
    with (resources.files("powermkt") / "data" / "benchmarks.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file)


def benchmark_sets() -> dict[str, dict[str, float]]:
    """Benchmarks of each set by class [t per net MWh]."""
    table = benchmark_table()
    return {
        str(name): dict(zip(part["class"], part["value"], strict=True))
        for name, part in table.groupby("set")
    }


def shares_of(text: str) -> dict[str, float]:
    """Shares of the classes that a text names: ``a``, or ``a:0.6+b:0.4`` for a mixed fleet.

    Raises
    ------
    ValueError
        If a share is no number above 0, a class stands twice, or shares do not add up to 1.
    """
    parts = [part.strip() for part in text.split("+")]
    if len(parts) == 1 and ":" not in text:
        return {text.strip(): 1.0}
    found: dict[str, float] = {}
    for part in parts:
        name, _, share = part.rpartition(":")
        try:
            value = float(share)
        except ValueError:
            value = 0.0
        if not name or not value > 0:
            raise ValueError(f"{part!r} is no class with a share above 0")
        if name in found:
            raise ValueError(f"class {name!r} stands twice")
        found[name] = value
    if abs(sum(found.values()) - 1) > 1e-6:
        raise ValueError(f"shares add up to {sum(found.values()):g}, not to 1")
    return found


def class_benchmarks(
    table: pd.DataFrame, values: Mapping[str, float], where: str
) -> tuple[pd.Series, list[Fault]]:
    """Benchmark of each generator by its class, on the basis of the network.

    Benchmarks are per MWh after own use; a network that counts output before it states the share
    in `own_use`: ``b = (1 - own_use) * sum(share of class * benchmark of class)``.

    Parameters
    ----------
    table : DataFrame [generator]
        Columns emission_rate [t/MWh], benchmark_class, own_use [1].
    values : mapping of str to float
        Benchmark of each class [t per net MWh].
    where : str
        Named in faults.

    Returns
    -------
    Series [generator]
        t/MWh; 0 for generators that do not emit and are in no class.
    list of Fault
        Emitting generators without a class, texts that state none, classes without a benchmark.
    """
    given = table["benchmark_class"]
    lacking = table.index[(given == "") & (table["emission_rate"] > 0)]
    faults = []
    if len(lacking):
        what = f"no class for {len(lacking)} generators that emit: {name_list(lacking, most=20)}"
        remedy = f"state generators.benchmark_class, one of {', '.join(sorted(values))}"
        faults.append(Fault(f"{where}: generators.benchmark_class", what, remedy))
    per_net_mwh = {"": 0.0}
    for text in given[given != ""].unique():
        members = name_list(given.index[given == text])
        place = f"{where}: generators.benchmark_class {text!r} ({members})"
        try:
            shares = shares_of(text)
        except ValueError as error:
            faults.append(Fault(place, str(error), "write a class, or `a:0.6+b:0.4`"))
            continue
        unknown = [name for name in shares if name not in values]
        faults += [
            Fault(place, f"no benchmark for class {name!r}", nearest(name, values))
            for name in unknown
        ]
        per_net_mwh[text] = sum(share * values.get(name, 0.0) for name, share in shares.items())
    found = given.map(per_net_mwh).fillna(0.0).astype(float) * (1 - table["own_use"])
    return found, faults
