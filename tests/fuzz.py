"""Broken inputs, one for each seed: what a user, or somebody who means ill, may hand over.

Each entry of `READERS` breaks one kind of input in a way that a `random.Random` decides, and hands
it to its reader. The only outcomes are a result and an error of powermkt; the caller looks.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pypsa
import yaml
from conftest import NETWORKS
from toys import one_bus

import powermkt as pm
from powermkt.commands.session import _regimes, _study
from powermkt.dispatch.packing import DamagedError, unpack
from powermkt.engine.cells import CellStore
from powermkt.inputs.claimsplan import claims_plan
from powermkt.inputs.contractbook import read_book
from powermkt.inputs.intake import series_faults
from powermkt.inputs.market import read_market, read_services
from powermkt.inputs.overlapplan import overlap_plan
from powermkt.inputs.reading import read_series
from powermkt.report.folders import read_folders, read_results
from powermkt.studies.candidates import read_entry_plan
from powermkt.studies.entryfile import read_entry_file
from powermkt.studies.flexibilitystudy import read_assumptions
from powermkt.studies.tracestudy import read_charge
from powermkt.system.horizon import Horizon, cut

Reader = Callable[[Random, Path], object]

NASTY: list[Any] = [
    None, "", " ", "x", "NaN", "nan", "inf", "-1", "1e400", "\x00", "ä" * 300, "../../etc/passwd",
    "/etc/passwd", "0001-01-01", "9999-12-31", "2022-02-30", True, False, 0, -1, 1, 2, 10**9,
    10**30, 10**400, -(10**400), 0.5, -0.5, 1e-300, 1e300, -1e300, float("nan"), float("inf"),
    -float("inf"), [], [None], [[]], {}, {"": None}, {"x": {"y": []}}, [1, "a", None],
    "full_market", "coal", "A",
]  # fmt: skip


# ---- networks in hand --------------------------------------------------------------------------


@cache
def _whole() -> pypsa.Network:
    """A little of everything."""
    n = one_bus([60.0, 70.0, 80.0])
    n.add("Bus", ["B", "C"], v_nom=220.0, carrier="AC")
    n.add("Load", "b", bus="B", p_set=[5.0, 6.0, 7.0])
    n.add("Link", "tie", bus0="A", bus1="B", bus2="C", p_nom=50, efficiency=0.9, efficiency2=0.1)
    n.add("Line", "line", bus0="A", bus1="B", x=1.0, s_nom=20)
    n.add("Transformer", "t", bus0="B", bus1="C", x=0.1, s_nom=20)
    n.add("StorageUnit", "s", bus="B", p_nom=10, max_hours=3, carrier="coal", inflow=[1.0, 2, 3])
    n.add("Store", "h", bus="C", e_nom=10, e_cyclic=True)
    n.add("Generator", "unit", bus="C", carrier="gas", p_nom=20, p_min_pu=0.4, committable=True,
          marginal_cost=450.0, start_up_cost=10.0)  # fmt: skip
    n.add("GlobalConstraint", "cap", sense="<=", constant=1e6)
    n.links_t["p_set"]["tie"] = [1.0, 2.0, 3.0]
    n.generators["tariff"], n.generators["units"] = 400.0, 2.0
    n.loads["user_class"] = "residential_agricultural"
    n.buses["province"] = ["P", "P", "Q"]
    return n


_TABLES = (
    "buses", "loads", "generators", "links", "lines", "transformers", "storage_units", "stores",
    "carriers", "global_constraints",
)  # fmt: skip
_EXTRA = (
    "province", "zone", "units", "tariff", "owner", "emission_rate", "benchmark_class", "own_use",
    "user_class", "contract_base", "wheeling_fee", "min_stable_pu", "lifetime",
)  # fmt: skip


def _scalar(random: Random) -> Any:
    """A nasty value that fits into a cell of a table."""
    return random.choice([value for value in NASTY if not isinstance(value, (list, dict))])


def _break_network(n: pypsa.Network, random: Random) -> None:
    name = random.choice(_TABLES)
    component = n.components[name]
    table = component.static
    way = random.randrange(10)
    if way <= 4:  # a value
        column = random.choice([*table.columns, *_EXTRA])
        values = (table[column] if column in table else pd.Series(np.nan, table.index)).astype(
            object
        )
        if len(values):
            values.iloc[random.randrange(len(values))] = _scalar(random)
        component.static[column] = values
    elif way == 5:  # a series
        attributes = [key for key, frame in component.dynamic.items()]
        if attributes:
            key = random.choice(attributes)
            frame = pd.DataFrame(
                {item: random.choice([np.nan, 1e300, -1.0, 0.0, np.inf, 0.5])
                 for item in [*table.index[:2], "nobody"][: random.randrange(1, 4)]},
                index=n.snapshots,
            )  # fmt: skip
            if random.random() < 0.3:
                frame = frame.astype(object)
                frame.iloc[0] = _scalar(random)
            if random.random() < 0.2:
                frame = frame.iloc[:1]
            component.dynamic[key] = frame
    elif way == 6:  # an index
        labels = list(table.index)
        if labels:
            labels[random.randrange(len(labels))] = random.choice([*labels, 7, "", None, "x" * 999])
            component.static.index = pd.Index(labels, name=table.index.name)
    elif way == 7:  # a column that is missing
        if len(table.columns):
            component.static = table.drop(columns=random.choice(list(table.columns)))
    elif way == 8:
        column = random.choice(list(n.snapshot_weightings.columns))
        n.snapshot_weightings.loc[n.snapshots[0], column] = random.choice([0, -1, np.nan, 1e300])
    else:  # times
        axis = random.choice(
            [
                pd.DatetimeIndex(["0001-01-01", "0001-01-02", "9999-12-31"], dtype="datetime64[s]"),
                pd.DatetimeIndex(["2022-01-01", "2022-01-01", "2022-01-02"]),
                pd.DatetimeIndex(["2022-01-03", "2022-01-02", "2022-01-01"]),
                pd.Index([1, 2, 3]),
                pd.Index(["a", "b", "c"]),
                pd.DatetimeIndex(["2022-01-01", pd.NaT, "2022-01-02"]),
                n.snapshots[:0],
            ]
        )
        n.set_snapshots(axis)


def _used(case: pm.Case, random: Random) -> None:
    """Cut a case and hold a regime against it."""
    horizon = Horizon(
        weeks=random.choice([None, None, 1, 52, 10**9, -1, 0]),
        year=random.random() < 0.2,
        look_ahead=random.choice([None, None, 1.0, -1.0, 1e300, float("nan")]),
        start=random.choice([None, None, "2022-01-03", "0001-01-01", "9999-12-31", "x", ""]),
        days=random.choice([None, None, 1, 10**9, -1, 0]),
    )
    part = cut(case, horizon)
    for name in random.sample(pm.presets(), 2):
        pm.regime(name).faults(part)


def network(random: Random, folder: Path) -> object:
    n = _whole().copy()
    try:
        for _ in range(random.randrange(1, 4)):
            _break_network(n, random)
    except Exception:  # PyPSA or pandas refused: nothing to hand over
        return None
    market = pm.Market()
    if random.random() < 0.3:
        market = pm.Market.model_validate(
            {"mapping": {
                "carriers": {random.choice(["coal", "gas", "x"]): "wind"},
                "columns": {"buses.province": random.choice(["carrier", "x"]),
                            "generators.tariff": {"default": 3, "coal": "abc"}},
                "capacities": random.choice(["given", "optimal", None]),
            }}
        )  # fmt: skip
    case = pm.Case(n, market)
    _used(case, random)
    return case


# ---- YAML --------------------------------------------------------------------------------------


@cache
def _documents() -> list[tuple[str, Any]]:
    """Valid documents: those of the networks, of the presets, and every block of the README."""
    root = NETWORKS.parent
    files = [*NETWORKS.glob("*/*.yaml"), *(root / "powermkt" / "presets").glob("*.yaml")]
    texts = [file.read_text(encoding="utf-8") for file in sorted(files)]
    texts += re.findall(r"```yaml\n(.*?)```", (root / "README.md").read_text(encoding="utf-8"),
                        re.DOTALL)  # fmt: skip
    found = [(text, yaml.safe_load(text)) for text in texts]
    return [(text, content) for text, content in found if isinstance(content, dict)]


def _places(content: Any) -> list[tuple[Any, Any]]:
    """Every container of a document with one of its keys."""
    if isinstance(content, dict):
        keys: list[Any] = list(content)
    elif isinstance(content, list):
        keys = list(range(len(content)))
    else:
        return []
    return [(content, key) for key in keys] + [
        place for key in keys for place in _places(content[key])
    ]


def _broken_content(random: Random) -> Any:
    content = json.loads(json.dumps(random.choice(_documents())[1], default=str))
    for _ in range(random.randrange(1, 4)):
        places = _places(content)
        if not places:
            break
        holder, key = random.choice(places)
        way = random.randrange(6)
        if way <= 2:
            holder[key] = deepcopy(random.choice(NASTY))  # may be broken further
        elif way == 3 and isinstance(holder, dict):
            holder[random.choice(["x", "", key + "s", "rule", "name"])] = holder.pop(key)
        elif way == 4:
            holder[key] = [holder[key], holder[key]]
        else:
            holder[key] = random.choice(places)[0]  # what belongs elsewhere; may hold itself
    return content


def _broken_text(random: Random, text: str) -> str:
    for _ in range(random.randrange(1, 6)):
        at = random.randrange(len(text) + 1)
        way = random.randrange(5)
        if way == 0:
            text = text[:at]
        elif way == 1:
            text = text[:at] + random.choice(
                ["\x00", "\t", "[", "{", "*a", "&a", "!!python/name:os.system", ": ", "\ud800"[:0],
                 "\n  - ", "<<: ", "'", '"', "9" * 5000, "2022-13-45", "%", ",", "\u2028", "🤷"]
            ) + text[at:]  # fmt: skip
        elif way == 2:
            end = at + random.randrange(20)
            text = text[:at] + text[end:]
        elif way == 3:
            end = at + random.randrange(200)
            text = text[:end] + text[at:end] + text[end:]
        else:
            lines = text.split("\n")
            random.shuffle(lines)
            text = "\n".join(lines)
        if not text:
            break
    return text


BOMBS = [
    "a: &a [x]\n" + "".join(f"a{i}: &a{i} [{', '.join(['*a' + (str(i - 1) if i else '')] * 9)}]\n"
                            for i in range(12)),
    "a: " + "[" * 5000, "a: " + "{a: " * 3000, "- " * 5000, "a: " + "9" * 100_000, "a: &a [*a]\n",
    "a: &a {b: *a}\n", "regimes: [&r {extends: *r}]\n", "a: 1\na: 2\n", "? [1, 2]\n: 3\n",
    "a: !!binary '====='\n", "a: !!set {b, c}\n", "a: !!omap [b: 1]\n", "a: 0x" + "f" * 9000 + "\n",
    "a: 1:2:3:4:5:6\n", "a: .inf\nb: .nan\n", "--- a: 1\n--- b: 2\n", "a: 2022-13-45\n",
    "\ufeffa: 1\n", "<<: *x\n", "a: &x 1\nb: {<<: *x}\n", "=: 1\n", "1: 2\n", "null: 2\n",
    "a: !!timestamp 'x'\n",
]  # fmt: skip


def _yaml_file(random: Random, folder: Path) -> Path:
    file = folder / "file.yaml"
    way = random.randrange(10)
    if way == 0:
        file.write_text(random.choice(BOMBS), encoding="utf-8")
    elif way <= 3:
        text = _broken_text(random, random.choice(_documents())[0])
        file.write_bytes(text.encode("utf-8", errors="replace"))
    else:
        try:
            file.write_text(yaml.safe_dump(_broken_content(random), allow_unicode=True))
        except (RecursionError, ValueError):
            file.write_text("a: &a [*a]\n")
    return file


def _study_of(file: Path) -> object:
    plan = _study(file)
    plan.horizon(Horizon())
    return _regimes(plan.regimes or [], file, False)


def _invest_of(file: Path) -> object:
    return read_entry_file(file).beside(file)


YAML_READERS: dict[str, Callable[[Path], object]] = {
    "market": read_market, "services": read_services, "regime": pm.regime, "study": _study_of,
    "entry plan": read_entry_plan, "entry file": _invest_of, "claims": claims_plan,
    "overlap": overlap_plan, "assumptions": read_assumptions, "charge": read_charge,
    "book": read_book,
}  # fmt: skip


@cache
def _plain_case() -> pm.Case:
    return pm.Case(one_bus([60.0, 70.0]))


@cache
def _two_provinces() -> pm.Case:
    return pm.read(NETWORKS / "two_province")


def yaml_file(random: Random, folder: Path) -> object:
    file = _yaml_file(random, folder)
    found = None
    for name in [*random.sample(list(YAML_READERS), 3), "regime"]:
        try:
            found = YAML_READERS[name](file)
        except pm.InputError:
            continue
        if name == "regime":
            assert isinstance(found, pm.Regime)
            found.faults(random.choice([_plain_case(), _two_provinces()]))
            again = folder / "again.yaml"
            again.write_text(found.to_yaml(), encoding="utf-8")
            assert pm.regime(again).rules == found.rules
        elif name == "market":
            assert isinstance(found, pm.Market)
            pm.Case(one_bus([60.0, 70.0]), found)
    return found


# ---- files of tables ---------------------------------------------------------------------------


def _broken_bytes(random: Random, data: bytes, most: int = 8) -> bytes:
    content = bytearray(data)
    for _ in range(random.choice([1, 1, 1, 2, most])):
        at = random.randrange(len(content) + 1)
        way = random.randrange(4)
        if way == 0 and at < len(content):
            content[at] = random.randrange(256)
        elif way == 1:
            content[at:at] = random.choice(
                [
                    b"\n",
                    b",",
                    b'"',
                    b"nan",
                    b"\x00",
                    b"1e999",
                    b"-",
                    b"inf",
                    b"\xff\xfe",
                    b";;",
                    b"x",
                ]
            )
        elif way == 2:
            del content[at : at + random.randrange(30)]
        elif random.random() < 0.2:
            del content[at:]
    return bytes(content)


@cache
def _csv_folder() -> dict[str, bytes]:
    """The files of a network as PyPSA writes them, and those that may lie beside it."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        n = one_bus([60.0, 70.0])
        n.add("Bus", "B", carrier="AC")
        n.add("Link", "tie", bus0="A", bus1="B", p_nom=5.0)
        n.links_t["p_set"]["tie"] = [1.0, 2.0]
        n.export_to_csv_folder(name)
        return {file.name: file.read_bytes() for file in Path(name).glob("*.csv")}


FORECAST = "snapshot,load\n2022-01-03 00:00:00,61\n2022-01-03 01:00:00,72\n"
OFFERS = (
    "generator,snapshot,quantity_mw,price\ncoal,,50,300\ncoal,,50,350\n"
    "gas,2022-01-03 00:00:00,100,500\ngas,2022-01-03 01:00:00,100,550\n"
)


def csv_folder(random: Random, folder: Path) -> object:
    files = dict(_csv_folder())
    files["offers.csv"] = OFFERS.encode()
    files["forecast/loads-p_set.csv"] = FORECAST.encode()
    for name in random.sample(sorted(files), random.randrange(1, 3)):
        if random.random() < 0.1:
            del files[name]
        else:
            files[name] = _broken_bytes(random, files[name])
    where = folder / "network"
    for name, content in files.items():
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        (where / name).write_bytes(content)
    try:
        return pm.read(where)
    finally:
        shutil.rmtree(where)


def offers(random: Random, folder: Path) -> object:
    file = folder / random.choice(["offers.csv", "offers.parquet", "offers.txt", "none.csv"])
    if file.name == "offers.csv":
        file.write_bytes(_broken_bytes(random, OFFERS.encode()))
    elif file.name == "offers.parquet":
        table = pd.DataFrame(
            {
                random.choice(["generator", "x"]): [random.choice(["coal", None, "x"])] * 3,
                "snapshot": [random.choice([None, "x", pd.Timestamp("2022-01-03")])] * 3,
                "quantity_mw": [random.choice([1.0, -1.0, float("nan"), 1e300])] * 3,
                random.choice(["price", "y"]): [random.choice([1.0, -1e300, float("inf")])] * 3,
            }
        )
        table.to_parquet(file)
        if random.random() < 0.5:
            file.write_bytes(_broken_bytes(random, file.read_bytes()))
    return _plain_case().with_offers(file)


def series(random: Random, folder: Path) -> object:
    where = folder / "forecast"
    where.mkdir(exist_ok=True)
    name = random.choice(["loads-p_set", "generators-p_max_pu", "x-y", "loads", "a-b-c"])
    (where / f"{name}.csv").write_bytes(_broken_bytes(random, FORECAST.encode()))
    try:
        case = _plain_case()
        found = read_series(where, case.snapshots)
        return list(series_faults(case._n, found, "toy", "forecast"))
    finally:
        shutil.rmtree(where)


def book(random: Random, folder: Path) -> object:
    text = (
        "name,kind,seller,buyer,quantity,price,shape,delivery\n"
        "a,difference,coal,users,10,400,,2022\nb,forward,gas,*,5,300,1 2 3,2022-01\n"
    )
    file = folder / "book.csv"
    file.write_bytes(_broken_bytes(random, text.encode()))
    return pm.rules.Contracts(book=tuple(read_book(file))).faults(_plain_case())


@cache
def _netcdf() -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        one_bus([60.0, 70.0]).export_to_netcdf(f"{name}/n.nc")
        return (Path(name) / "n.nc").read_bytes()


def netcdf(random: Random, folder: Path) -> object:
    file = folder / random.choice(["n.nc", "n.nc", "n.h5", "n.m", "n.txt"])
    data = _netcdf()
    file.write_bytes(
        random.choice([data[: random.randrange(len(data))], b"", b"\x89HDF\r\n", data])
    )
    try:
        return pm.read(file)
    finally:
        file.unlink()


def matpower(random: Random, folder: Path) -> object:
    from test_readers import matpower_case

    file = folder / "case.m"
    file.write_text(_broken_text(random, matpower_case()), encoding="utf-8", errors="replace")
    try:
        return pm.read(file)
    finally:
        file.unlink()


# ---- results -----------------------------------------------------------------------------------


def results(random: Random, folder: Path) -> object:
    where = folder / "results"
    where.mkdir(exist_ok=True)
    record: Any = {"versions": {"powermkt": "0.1.0"}, "notes": [], "regimes": {}}
    if random.random() < 0.5:
        record[random.choice(["files", "seal", "windows", "case", "notes"])] = random.choice(NASTY)
    if random.random() < 0.7:
        record = random.choice([*NASTY[:20], {"versions": random.choice(NASTY[10:20])}, []])
    text = json.dumps(record, default=str)
    (where / "record.json").write_bytes(
        _broken_bytes(random, text.encode()) if random.random() < 0.5 else text.encode()
    )
    table = pd.DataFrame({"regime": ["a"], "carbon_price": [0.0]})
    table.to_parquet(where / "table.parquet")
    file = where / "table.parquet"
    if random.random() < 0.5:
        file.write_bytes(_broken_bytes(random, file.read_bytes()))
    try:
        return random.choice([read_results, lambda it: read_folders([it]), pm.audit])(where)
    finally:
        shutil.rmtree(where)


_packed: list[bytes] = []


def cell(random: Random, folder: Path) -> object:
    """A damaged cell, or one that somebody made, with a digest that is right."""
    from powermkt.dispatch.packing import pack

    if not _packed:
        _packed.append(pack(pm.clear(_plain_case(), "full_market").outcome))
    data = _broken_bytes(random, _packed[0])
    if random.random() < 0.7:
        size = random.choice([data[32:40], (10**15).to_bytes(8, "little"), b"\xff" * 8])
        block = size + data[40:]
        data = hashlib.sha256(block).digest() + block
    with CellStore(folder / "cells") as store:
        store._path("a").write_bytes(data)
        try:
            found = store.load("a")
        except DamagedError:
            found = None
    try:
        return found, unpack(data)
    except DamagedError:
        return found, None


READERS: dict[str, tuple[Reader, int]] = {  # and how many of 10,000 inputs it gets
    "network": (network, 500),
    "yaml": (yaml_file, 5000),
    "csv folder": (csv_folder, 100),
    "offers": (offers, 1500),
    "series": (series, 900),
    "book": (book, 700),
    "netcdf": (netcdf, 50),
    "matpower": (matpower, 350),
    "results": (results, 500),
    "cell": (cell, 500),
}
