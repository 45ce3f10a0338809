"""Networks of other projects and formats, mapped or read from MATPOWER, against others."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pypsa
import pytest
import yaml
from conftest import NETWORKS
from scipy.optimize import linprog
from shapely.geometry import box
from toys import one_bus, random_network

import powermkt as pm
from powermkt.errors import validated

# ---- MATPOWER ----------------------------------------------------------------------------------

# The PJM five-bus system (Li and Bo 2010), with a tap, a phase shifter, the limit of an angle, a
# cost of points, a branch and a unit out of service.
BUS = [(1, 2, 0.0), (2, 1, 300.0), (3, 2, 300.0), (4, 3, 400.0), (5, 2, 0.0)]
GEN = [(1, 40.0, 0.0), (1, 170.0, 0.0), (3, 520.0, 0.0), (4, 200.0, 10.0), (5, 600.0, 0.0)]
LINEAR = {0: 14.0, 1: 15.0, 2: 30.0, 3: 40.0}  # the fifth: points
POINTS = [(0.0, 0.0), (300.0, 3000.0), (600.0, 9000.0)]  # 10, then 20 money/MWh
BRANCH = [  # from, to, x, limit [MW], tap, shift [degrees], largest angle difference [degrees]
    (1, 2, 0.0281, 400.0, 0.0, 0.0, 0.0),
    (1, 4, 0.0304, 0.0, 0.0, 2.0, 0.0),
    (1, 5, 0.0064, 0.0, 0.98, 0.0, 0.0),
    (2, 3, 0.0108, 0.0, 0.0, 0.0, 360.0),
    (3, 4, 0.0297, 0.0, 0.0, 0.0, 0.8),
    (4, 5, 0.0297, 240.0, 0.0, 0.0, 0.0),
]


def matpower_case(**changes: str) -> str:
    """The text of the case; a change takes the place of a word."""
    bus = "".join(
        f"\t{i}\t{kind}\t{load}\t0\t0\t0\t{1 + (i > 3)}\t1\t0\t230\t1\t1.1\t0.9;\n"
        for i, kind, load in BUS
    )
    gen = "".join(
        f"\t{at}\t0\t0\t0\t0\t1\t100\t{on}\t{high}\t{low};\n"
        for (at, high, low), on in zip([*GEN, (2, 999.0, 0.0)], [1] * 5 + [0], strict=True)
    )
    branch = "".join(
        f"\t{a}\t{b}\t0.001\t{x}\t0\t{limit}\t0\t0\t{tap}\t{shift}\t1\t{-angle}\t{angle};\n"
        for a, b, x, limit, tap, shift, angle in BRANCH
    )
    branch += "\t2\t5\t0\t0.01\t0\t0\t0\t0\t0\t0\t0\t0\t0;\n"
    cost = "".join(
        f"\t2\t0\t0\t2\t{LINEAR[i]}\t{5 * i}\t0\t0\t0\t0;\n"
        if i in LINEAR
        else f"\t1\t0\t0\t3\t{POINTS[0][0]}\t{POINTS[0][1]}\t{POINTS[1][0]}\t{POINTS[1][1]}"
        f"\t{POINTS[2][0]}\t{POINTS[2][1]};\n"
        for i in range(5)
    )
    cost += "\t2\t0\t0\t3\t0.1\t5\t7\t0\t0\t0;\n"
    text = (
        "function mpc = toy5\nmpc.version = '2';\nmpc.baseMVA = 100;\n"
        f"mpc.bus = [\n{bus}];\nmpc.gen = [\n{gen}];\nmpc.branch = [\n{branch}];\n"
        f"mpc.gencost = [\n{cost}];\n"
    )
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return text


def dc_opf() -> tuple[float, np.ndarray]:
    """Objective and LMPs of the DC OPF of the case, by linprog from its numbers.

    Columns: output of five units (the last in two parts), angles of five buses [rad].
    Flow of a branch: 100 (angle0 - angle1 - shift) / (x tap).
    """
    units, buses = 6, 5
    cost = np.array([*LINEAR.values(), 10.0, 20.0, *np.zeros(buses)])
    at = [row[0] - 1 for row in GEN] + [4]
    bounds = [(low, high) for _, high, low in GEN[:4]] + [(0, 300), (0, 300)]
    bounds += [(None, None)] * 3 + [(0, 0), (None, None)]  # bus 4 is the reference
    balance = np.zeros((buses, units + buses))
    demand = np.array([load for _, _, load in BUS])
    balance[at, range(units)] = 1.0
    rows, limits = [], []
    for a, b, x, limit, tap, shift, angle in BRANCH:
        k, turned = 100 / (x * (tap or 1)), np.deg2rad(shift)
        flow = np.zeros(units + buses)
        flow[units + a - 1], flow[units + b - 1] = k, -k
        balance[a - 1] -= flow
        balance[b - 1] += flow
        demand[a - 1] -= k * turned
        demand[b - 1] += k * turned
        if limit:
            rows += [flow, -flow]
            limits += [limit + k * turned, limit - k * turned]
        if 0 < angle < 360:
            rows += [flow / k, -flow / k]
            limits += [np.deg2rad(angle)] * 2
    found = linprog(cost, np.array(rows), limits, balance, demand, bounds, method="highs")
    assert found.status == 0
    return found.fun, found.eqlin.marginals


@pytest.mark.slow
def test_a_matpower_case_equals_its_dc_opf(tmp_path: Path) -> None:
    pytest.importorskip("matpowercaseframes")
    (tmp_path / "toy5.m").write_text(matpower_case())
    (tmp_path / "market.yaml").write_text("mapping: {columns: {buses.province: area}}\n")
    case = pm.read(tmp_path)
    assert case.provinces.to_dict() == {"1": "1", "2": "1", "3": "1", "4": "2", "5": "2"}
    assert case.network().meta["cost_without_output"] == 0 + 5 + 10 + 15  # c0; the last is off
    run = pm.clear(case, "full_market")
    objective, lmp = dc_opf()
    assert run.objective == pytest.approx(objective, rel=1e-9)
    assert run.price_unique.to_numpy().all()
    assert run.prices.iloc[0].to_numpy() == pytest.approx(lmp, abs=1e-6)
    assert np.ptp(lmp) > 1  # congestion counts
    # The angle of the branch from 3 to 4 is at its limit: 0.8 degrees x 100 / 0.0297.
    assert abs(run.flows["b4"].item()) == pytest.approx(np.deg2rad(0.8) * 100 / 0.0297)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mpc.gencost": "mpc.costs"}, ["gencost: missing"]),
        ({"baseMVA = 100": "baseMVA = -1"}, ["baseMVA: no number above zero"]),
        ({"\t2\t0\t0\t3\t0.1": "\t2\t0\t0\t4\t0.1", "0.0281": "0"}, ["degree 3", "no reactance"]),
        ({"300.0\t3000.0": "300.0\t8000.0"}, ["row 5: points that are no convex curve"]),
        ({"\t1\t4\t0.001": "\t1\t9\t0.001"}, ["branch.T_BUS: unknown bus 9"]),
        ({"\t3\t2\t300.0": "\t2\t2\t3x"}, ["bus: no numbers in rows 3"]),
        ({"\t-0.8\t0.8;": "\t-2.0\t0.8;"}, ["differ by direction: b4"]),
        ({"mpc.gencost = [": "mpc.bus(:, 3) = 2 * mpc.bus(:, 3);\nmpc.gencost = ["}, ["computes"]),
        ({"200.0\t10.0": "200.0\t210.0"}, ["above PMAX in rows 4"]),
        ({"function mpc = toy5": "hello", "mpc.": "mpd."}, ["toy5.m"]),
    ],
)
def test_faults_of_a_matpower_case(
    tmp_path: Path, changes: dict[str, str], words: list[str]
) -> None:
    pytest.importorskip("matpowercaseframes")
    file = tmp_path / "toy5.m"
    file.write_text(matpower_case(**changes))
    with pytest.raises(pm.InputError) as caught:
        pm.read(file)
    for word in words:
        assert word in str(caught.value)


def test_matpower_without_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matpowercaseframes", None)
    (tmp_path / "toy5.m").write_text(matpower_case())
    with pytest.raises(pm.InputError, match=r"pip install 'powermkt\[matpower\]'"):
        pm.read(tmp_path)


# ---- networks of other projects ----------------------------------------------------------------


def european() -> pypsa.Network:
    """Nodes of two countries as PyPSA-Eur's electricity networks have them, solved or not."""
    n = pypsa.Network()
    n.set_snapshots(pd.date_range("2013-01-07", periods=3, freq="h"))
    for column in n.snapshot_weightings:
        n.snapshot_weightings[column] = 3.0
    fuels = {"CCGT": 0.198, "OCGT": 0.198, "coal": 0.3361, "lignite": 0.4069, "load": 0.0}
    clean = ["onwind", "offwind-ac", "solar", "ror", "hydro", "PHS", "AC", "DC", "battery"]
    n.add("Carrier", [*fuels, *clean], co2_emissions=[*fuels.values(), *[0.0] * len(clean)])
    buses = ["DE0 0", "DE0 1", "FR0 0"]
    n.add("Bus", buses, v_nom=380.0, carrier="AC", country=["DE", "DE", "FR"], x=[9.0, 11, 2])
    n.add("Load", buses, bus=buses, p_set=np.array([[50.0, 30, 40], [60, 35, 45], [55, 33, 42]]))
    for bus, carrier, p_nom, efficiency, cost in (
        ("DE0 0", "lignite", 30, 0.4, 22.0), ("DE0 0", "CCGT", 50, 0.58, 45.0),
        ("DE0 1", "OCGT", 40, 0.41, 64.0), ("FR0 0", "CCGT", 60, 0.58, 46.0),
    ):  # fmt: skip
        n.add("Generator", f"{bus} {carrier}", bus=bus, carrier=carrier, p_nom=p_nom,
              efficiency=efficiency, marginal_cost=cost, p_nom_extendable=carrier == "CCGT",
              capital_cost=1000.0)  # fmt: skip
    shares = {"onwind": [0.1, 0.9, 0.4], "offwind-ac": [0.5, 0.8, 0.2], "ror": [0.6, 0.6, 0.6]}
    for (carrier, share), bus in zip(shares.items(), buses, strict=True):
        n.add("Generator", f"{bus} {carrier}", bus=bus, carrier=carrier, p_nom=25, p_max_pu=share,
              marginal_cost=0.02, p_nom_extendable=True, p_nom_max=60.0)  # fmt: skip
    n.add("Generator", buses, suffix=" load", bus=buses, carrier="load", sign=1e-3, p_nom=1e9,
          marginal_cost=8.0)  # fmt: skip
    n.add("StorageUnit", "FR0 0 PHS", bus="FR0 0", carrier="PHS", p_nom=10, max_hours=6,
          efficiency_store=0.87, efficiency_dispatch=0.87, cyclic_state_of_charge=True)  # fmt: skip
    n.add("Line", ["0", "1"], bus0="DE0 0", bus1=["DE0 1", "FR0 0"], s_nom=[30.0, 12.0],
          x=[10.0, 20.0], s_nom_extendable=True, s_max_pu=0.7, carrier="AC")  # fmt: skip
    n.add("Link", "14801", bus0="DE0 1", bus1="FR0 0", p_nom=8.0, p_min_pu=-1.0, carrier="DC")
    n.add("GlobalConstraint", "CO2Limit", type="primary_energy", sense="<=", constant=1e9,
          carrier_attribute="co2_emissions")  # fmt: skip
    n.add("GlobalConstraint", "lv_limit", type="transmission_volume_expansion_limit", sense="<=",
          constant=1e9, carrier_attribute="AC, DC")  # fmt: skip
    return n


EUROPEAN = {
    "value_of_lost_load": 9000.0,
    "mapping": {
        "carriers": {
            "CCGT": "gas", "OCGT": "gas", "lignite": "coal", "onwind": "wind",
            "offwind-ac": "wind", "ror": "hydro",
        },
        "columns": {
            "buses.province": "country",
            "generators.tariff": {"coal": 50, "gas": 80, "default": 60},
            "generators.benchmark": {"coal": 0.8},
            "loads.tariff": 90,
        },
        "drop": ["load"],
        "capacities": "given",
        "global_constraints": "drop",
    },
}  # fmt: skip


@pytest.mark.slow
def test_a_european_network_is_read_with_a_mapping_alone(tmp_path: Path) -> None:
    n = european()
    n.export_to_netcdf(str(tmp_path / "elec_s_3.nc"))
    (tmp_path / "market.yaml").write_text(yaml.safe_dump(EUROPEAN))
    case = pm.read(tmp_path)
    assert sorted(set(case.provinces)) == ["DE", "FR"]
    assert (case.carriers.wind, case.carriers.hydro, case.carriers.quota) == (
        ["wind"], ["hydro"], ["coal"],
    )  # fmt: skip
    g = case.generators
    # What a carrier emitted before it was renamed: lignite 0.4069 / 0.4, and two kinds of gas.
    rates = g["emission_rate"][["DE0 0 lignite", "DE0 0 CCGT", "DE0 1 OCGT", "DE0 0 onwind"]]
    assert rates.tolist() == pytest.approx([1.01725, 0.198 / 0.58, 0.198 / 0.41, 0.0])
    assert g["tariff"][["DE0 0 lignite", "FR0 0 CCGT", "FR0 0 ror"]].tolist() == [50, 80, 60]
    assert g["benchmark"].sum() == 0.8 and (case.loads["tariff"] == 90).all()
    assert "DE0 0 load" not in g.index


@pytest.mark.slow
def test_a_european_network_clears_as_in_pypsa() -> None:
    """Stock PyPSA on the same network with capacities as given."""
    n = european()
    run = pm.clear(pm.Case(n, pm.Market.model_validate(EUROPEAN)), "full_market")
    for table, nominal in (("generators", "p_nom"), ("lines", "s_nom")):
        getattr(n, table)[f"{nominal}_extendable"] = False
    n.remove("Generator", n.generators.index[n.generators["carrier"] == "load"])
    n.remove("GlobalConstraint", n.global_constraints.index)
    n.optimize(include_objective_constant=False, log_to_console=False)
    assert run.objective == pytest.approx(n.objective, rel=1e-9)
    unique = run.price_unique.to_numpy()
    apart = (run.prices - n.buses_t["marginal_price"][run.prices.columns]).abs().to_numpy()
    assert unique.any() and apart[unique].max() < 1e-6


def test_capacities_that_an_expansion_found() -> None:
    """Optimal capacities are taken where a network was solved, and missed where it was not."""
    n = one_bus([50.0])
    n.generators["p_nom_extendable"] = [True, False, False]
    n.generators["p_nom_opt"] = [70.0, 0.0, 0.0]
    market = pm.Market.model_validate({"mapping": {"capacities": "optimal"}})
    with pytest.raises(pm.InputError, match="never solved"):
        pm.Case(n, market)
    n._objective = 1.0
    assert n.is_solved
    assert pm.Case(n, market).generators["p_nom"].tolist() == [70.0, 100.0, 50.0]
    assert n.generators["p_nom_extendable"].tolist() == [True, False, False]  # never changed
    with pytest.raises(pm.InputError, match="capacities to be found"):
        pm.Case(n)


def test_what_a_network_states_itself_stays() -> None:
    n = one_bus([50.0])
    n.generators["tariff"] = [400.0, np.nan, np.nan]
    n.generators["who"] = ["X", "", "Z"]
    columns = {"generators.tariff": {"coal": 1, "gas": 500}, "generators.owner": "who"}
    case = pm.Case(n, pm.Market.model_validate({"mapping": {"columns": columns}}))
    assert case.generators["tariff"]["coal"] == 400 and case.generators["tariff"]["gas"] == 500
    assert case.generators["tariff"]["wind"] == case.default_tariff
    assert case.network().generators["owner"].fillna("").tolist() == ["X", "", "Z"]
    assert case.market.mapping is None


def test_names_that_a_mapping_has_wrong_are_told_at_once() -> None:
    plan = {
        "carriers": {"coall": "coal"},
        "drop": ["gass"],
        "columns": {
            "buses.provinze": "country", "buses.province": "land",
            "generators.tariff": {"coall": 3},
        },
    }  # fmt: skip
    with pytest.raises(pm.InputError) as caught:
        pm.Case(one_bus([50.0]), pm.Market.model_validate({"mapping": plan}))
    text = str(caught.value)
    assert len(caught.value.faults) == 5
    for word in ("'coall'", "'gas'", "'buses.province'", "no column 'land'", "unknown carrier"):
        assert word in text


def test_carriers_of_different_content_are_not_made_one_under_a_limit() -> None:
    n = one_bus([50.0])
    n.carriers.loc[["coal", "gas"], "co2_emissions"] = [0.3, 0.2]
    n.add("GlobalConstraint", "cap", type="primary_energy", sense="<=", constant=1e6)
    plan = {"carriers": {"coal": "thermal", "gas": "thermal"}}
    with pytest.raises(pm.InputError, match="different co2_emissions become 'thermal'"):
        pm.Case(n, pm.Market.model_validate({"mapping": plan}))


# ---- what is refused, though PyPSA may take it -------------------------------------------------


def broken(what: str) -> pypsa.Network:
    n = one_bus([50.0, 60.0])
    n.add("Bus", "B", v_nom=220.0, carrier="AC")
    if what == "ring":
        n.add("Line", ["one", "two"], bus0="A", bus1="B", x=0.0, s_nom=10.0)
    elif what == "type":
        n.add("Line", "one", bus0="A", bus1="B", type="nope", s_nom=10.0)
    elif what == "transformer":
        n.add("Transformer", "one", bus0="A", bus1="B", x=0.1, s_nom_extendable=True)
    elif what == "limit":
        n.add("GlobalConstraint", "one", type="fancy", sense="<=", constant=1.0)
    elif what == "names":
        n.loads.index = pd.Index([7], name="name")
    elif what == "twice":
        n.generators.index = pd.Index(["coal", "coal", "wind"], name="name")
    elif what == "column":
        n.components["generators"].static = n.generators.drop(columns="bus")
    elif what == "text":
        n.generators["p_nom"] = ["a", 1.0, 10**400]
    elif what == "flag":
        n.generators["committable"] = ["perhaps", False, False]
    return n


@pytest.mark.parametrize(
    ("what", "word"),
    [
        ("ring", "a ring without impedance: one, two"),
        ("type", "unknown type 'nope'"),
        ("transformer", "transformers.s_nom_extendable: capacities to be found"),
        ("limit", "no type 'fancy'"),
        ("names", "names that are no text: 7"),
        ("twice", "names twice: coal"),
        ("column", "lacks PyPSA's columns bus"),
        ("text", "no finite number, for coal, wind"),
        ("flag", "neither true nor false for coal"),
    ],
)
def test_what_cannot_be_cleared_is_refused(what: str, word: str) -> None:
    with pytest.raises(pm.InputError, match=word):
        pm.Case(broken(what))


def test_values_of_another_kind_are_read_as_they_are_meant() -> None:
    n = one_bus([50.0])
    n.generators["p_nom"] = ["100", 100, 50.0]
    n.generators["active"] = ["True", 1, 0.0]
    n.generators["tariff"] = ["", None, "7"]
    case = pm.Case(n)
    assert case.generators["p_nom"].tolist() == [100.0, 100.0]
    assert (case.generators["tariff"] == case.default_tariff).all()
    assert n.generators["p_nom"].tolist() == ["100", 100, 50.0]  # never changed


def test_regions_of_buses_are_no_numbers() -> None:
    """Networks of PyPSA-Eur hold the shapes of their regions."""
    n = one_bus([50.0])
    n.add("Shape", "A", geometry=box(0, 0, 1, 1), component="Bus", idx="A", type="onshore")
    assert pm.Case(n).network().shapes["idx"].tolist() == ["A"]


def test_a_table_whose_notes_make_no_sense_is_refused(tmp_path: Path) -> None:
    """pandas looks for keys in the metadata of Parquet files, and raises KeyError."""
    table = pa.Table.from_pandas(pd.DataFrame({"generator": ["coal"], "price": [300.0]}))
    notes = table.schema.metadata[b"pandas"].replace(b"numpy_type", b"numpy_typo")
    file = tmp_path / "offers.parquet"
    pq.write_table(table.replace_schema_metadata({b"pandas": notes}), file)
    with pytest.raises(pm.InputError, match=r"offers\.parquet: cannot be read: KeyError"):
        pm.read(NETWORKS / "two_province").with_offers(file)


def test_what_a_csv_folder_leaves_open_or_says_wrongly_is_told_at_once(tmp_path: Path) -> None:
    """PyPSA reads an empty `active` as False, `no` as True, and passes over files it knows not."""
    one_bus([50.0, 60.0]).export_to_csv_folder(str(tmp_path))
    file = tmp_path / "generators.csv"
    table = pd.read_csv(file).astype({"marginal_cost": object, "p_nom": object})
    table["active"], table["committable"] = ["True", "", "False"], ["False", "no", "True"]
    table.loc[table["name"] == "coal", "marginal_cost"] = ""
    table.loc[table["name"] == "gas", "p_nom"] = "6oo"
    table.to_csv(file, index=False)
    loads = pd.read_csv(tmp_path / "loads-p_set.csv").astype(object)
    loads.iloc[1, 1] = "n/a-ish"
    loads.to_csv(tmp_path / "loads-p_set.csv", index=False)
    loads.iloc[:, :1].to_csv(tmp_path / "generator-p_max_pu.csv", index=False)
    loads.iloc[:, :1].to_csv(tmp_path / "generators-p_maxpu.csv", index=False)
    with pytest.raises(pm.InputError) as caught:
        pm.read(tmp_path)
    told = str(caught.value)
    for words in (
        "generator-p_max_pu.csv: is no table of PyPSA: 'generator' -> did you mean 'generators'?",
        "generators-p_maxpu.csv: is no series of PyPSA: 'p_maxpu' -> did you mean 'p_max_pu'?",
        "generators.csv: active: is empty for gas, which PyPSA reads as False",
        "generators.csv: committable: 'no': with them PyPSA reads every row as True",
        "generators.csv: marginal_cost: is empty for coal",
        "generators.csv: p_nom: no number for gas: '6oo'",
        "loads-p_set.csv: load: no number at 1: 'n/a-ish'",
    ):
        assert words in told, told


def test_a_series_that_cannot_be_read_beside_an_empty_cell(tmp_path: Path) -> None:
    one_bus([50.0, 60.0]).export_to_csv_folder(str(tmp_path))
    file = tmp_path / "generators.csv"
    table = pd.read_csv(file).astype({"marginal_cost": object})
    table.loc[0, "marginal_cost"] = ""
    table.to_csv(file, index=False)
    (tmp_path / "generators-marginal_cost.csv").write_bytes(b"\xff\xfe\x00,")
    with pytest.raises(pm.InputError, match=r"generators-marginal_cost\.csv"):
        pm.read(tmp_path)


def test_a_choice_of_kinds_is_one_fault_and_what_is_wrong_within_keeps_its_place() -> None:
    columns = {"generators.owner": [1, 2], "loads.tariff": 90}
    faults = {"mapping": {"columns": columns, "int": 1}}
    with pytest.raises(pm.InputError) as caught:
        pm.Case(one_bus([50.0]), faults)
    told = str(caught.value)
    assert told.startswith("2 faults") and "mapping.int: unknown key 'int'" in told
    assert "owner: Input should be a valid string; or Input should be a valid number" in told
    with pytest.raises(pm.InputError, match=r"tiers\.0\.rat: unknown key 'rat' -> did you mean"):
        validated(pm.TieredCharge, {"tiers": [{"above": 0.5, "rat": 20}]}, "charge")


def test_a_link_goes_somewhere() -> None:
    """PyPSA would let it give energy away."""
    n = random_network(2)
    n.links.loc[n.links.index[0], "bus1"] = ""
    with pytest.raises(pm.InputError, match=r"links\['.*'\]: unknown bus ''"):
        pm.Case(n)


def test_snapshot_weightings_without_a_column_are_refused(tmp_path: Path) -> None:
    """PyPSA reads a CSV folder whose snapshots.csv has no column `generators`."""
    one_bus([60.0, 70.0]).export_to_csv_folder(str(tmp_path))
    file = tmp_path / "snapshots.csv"
    pd.read_csv(file).drop(columns="generators").to_csv(file, index=False)
    with pytest.raises(pm.InputError, match="snapshot_weightings: no column generators"):
        pm.read(tmp_path)
