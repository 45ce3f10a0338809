"""Units convert there and back; instruments exist from the year they began."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import hypothesis.strategies as st
import pandas as pd
import pytest
from hypothesis import given, settings
from shell import inside

import powermkt as pm
from powermkt.inputs.conversion import Conversions, Factor, coal_equivalent
from powermkt.inputs.instruments import Instrument, instruments

BASES = ("power supply 2022", "raw coal")
PAIRS = list(permutations(Conversions().units, 2))


@settings(max_examples=30)
@given(
    value=st.floats(1e-9, 1e12),
    pair=st.sampled_from(PAIRS),
    supply=st.sampled_from(["power supply 2022", "power supply 2015", "calorific value"]),
    fuel=st.sampled_from(["raw coal", "natural gas", "lignite"]),
)
def test_there_and_back(value: float, pair: tuple[str, str], supply: str, fuel: str) -> None:
    there = pm.convert(value, *pair, supply, fuel)
    assert pm.convert(there, *reversed(pair), supply, fuel) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("unit", "into", "bases", "expected"),
    [
        ("tce", "GJ", (), 29.3076),
        ("MWh", "tce", ("calorific value",), 3.6 / 29.3076),
        ("MWh", "tce", ("power supply 2022",), 0.3015),
        ("TWh", "Mtce", ("power supply 2022",), 0.3015),
        ("tce", "tCO2", ("raw coal",), 2.66),
        ("tce", "tCO2", ("bituminous coal",), 29.3076 * 0.0946),
        ("kWh", "kgCO2", BASES, 0.3015 * 2.66),  # a kWh is 0.3015 kgce
        ("GWh", "GWh", (), 1.0),
    ],
)
def test_worked(unit: str, into: str, bases: tuple[str, ...], expected: float) -> None:
    assert pm.convert(1.0, unit, into, *bases) == pytest.approx(expected, rel=1e-12)
    series = pm.convert(pd.Series([1.0, 2.0]), unit, into, *bases)
    assert series.tolist() == pytest.approx([expected, 2 * expected])


def test_the_user_says_otherwise() -> None:
    own = [Factor(unit="tCO2", into="tce", basis="raw coal", factor=0.4), coal_equivalent(280)]
    assert pm.convert(1.0, "tce", "tCO2", "raw coal", own=own) == pytest.approx(2.5)
    assert pm.convert(1.0, "MWh", "tce", "power supply", own=own) == pytest.approx(0.28)
    table = pm.Conversions(own).table
    ours = table[table["basis"] == "raw coal"]
    assert ours["quality"].tolist() == ["stated"]
    assert set(Conversions().table["quality"]) == {"defined", "sourced", "recalled"}
    assert (Conversions().table["source"] != "").all()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("MWh", "tce"), "without a basis -> name one of 'calorific value', 'power supply 2013'"),
        (("MWh", "tCO2", "raw coal"), "on 'raw coal' -> name one of 'calorific value'"),
        (("MWh", "tCO2"), "name two bases, such as 'calorific value' with 'raw coal'"),
        (("MWh", "tce", "calorific value", "power supply 2022"), "has two values"),
        (("tce", "tCO2", "raw coal", "lignite"), "has two values"),
        (("MWH", "tee"), "unknown unit 'tee' -> did you mean 'tce'?"),
        (("tce", "GJ", "raw cole"), "did you mean 'raw coal'?"),
        (("cow", "tce"), "cow does not convert to tce"),
    ],
)
def test_what_does_not_convert(arguments: tuple[str, ...], said: str) -> None:
    own = [Factor(unit="cow", into="herd", factor=0.01)]
    with pytest.raises(pm.InputError) as caught:
        pm.convert(1.0, *arguments, own=own)
    assert said in str(caught.value)


def test_two_factors_for_one_thing() -> None:
    own = [Factor(unit=a, into=b, factor=2) for a, b in (("tce", "GJ"), ("GJ", "tce"))]
    with pytest.raises(pm.InputError, match="2 factors between GJ and tce"):
        Conversions(own)


# ---- instruments ---------------------------------------------------------------------------------

ALL = [
    "white_certificates", "carbon_market", "electricity_market", "energy_use_rights",
    "green_certificates",
]  # fmt: skip


@pytest.mark.parametrize(
    ("year", "count"), [(2012, 0), (2013, 2), (2014, 3), (2015, 3), (2016, 4), (2017, 5)]
)
def test_what_exists_in_a_year(year: int, count: int) -> None:
    table = pm.instruments_of(year)
    assert list(table.index) == ALL[:count]
    assert set(table["quality"]) <= {"sourced"} and set(table["details"]) <= {"recalled"}


def test_more_instruments() -> None:
    own = [
        Instrument(instrument="heat_certificates", launch_year=2020, unit="GJ"),
        Instrument(instrument="carbon_market", launch_year=2021, unit="tCO2"),
    ]
    assert list(pm.instruments_of(2020, own).index) == [*ALL[:1], *ALL[2:], "heat_certificates"]
    assert instruments(own).loc["heat_certificates", "name"] == "heat_certificates"
    wrong = [*own, own[0], Instrument(instrument="x", launch_year=2020, unit="tee")]
    with pytest.raises(pm.InputError) as caught:
        instruments(wrong)
    assert "2 are called 'heat_certificates'" in str(caught.value)
    assert "did you mean 'tce'?" in str(caught.value)


@pytest.mark.parametrize("year", [20177, 0, "2017", 2017.0, True])
def test_no_year(year: object) -> None:
    with pytest.raises(pm.InputError, match="is no year"):
        pm.instruments_of(year)  # type: ignore[arg-type]


def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text(
        "instruments: [{instrument: heat, launch_year: 2015, unit: GJ, obligated: towns}]\n"
    )
    done = inside("instruments", "--year", "2015", "--file", "more.yaml", cwd=tmp_path)
    assert done.returncode == 0 and "4 instruments in 2015" in done.stdout
    assert "towns" in done.stdout and "energy_use_rights" not in done.stdout
    (tmp_path / "bad.yaml").write_text("instruments: [{instrument: heat, launch_yeer: 2015}]\n")
    done = inside("instruments", "--file", "bad.yaml", cwd=tmp_path)
    assert done.returncode == 2 and "did you mean 'launch_year'?" in done.stderr
