"""Whatever is handed over: a result, or an error of powermkt that says what is wrong.

`pytest -m long tests/test_fuzz.py` breaks 10,000 inputs.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random

import fuzz
import pytest
import yaml
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from toys import one_bus

import powermkt as pm
from powermkt.commands.session import _regimes, _study
from powermkt.common.files import load_yaml
from powermkt.errors import PowermktError
from powermkt.studies.entryfile import read_entry_file

QUICK = {"yaml": 10, "offers": 8, "series": 12, "book": 12, "results": 12, "matpower": 2}
MANY = [pytest.param(*item, id=item[0]) for item in QUICK.items()]
MANY += [
    pytest.param(name, count, id=f"{name} {count}", marks=pytest.mark.long)
    for name, (_, count) in fuzz.READERS.items()
]


@pytest.mark.parametrize(("name", "count"), MANY)
def test_a_broken_input_is_read_or_refused(name: str, count: int, tmp_path: Path) -> None:
    read, _ = fuzz.READERS[name]

    @settings(max_examples=count, deadline=None, derandomize=True, phases=[Phase.generate])
    @given(st.integers(0, 2**32))
    def attempt(seed: int) -> None:
        try:
            read(Random(seed), tmp_path)
        except PowermktError as error:
            assert str(error)

    attempt()


# ---- YAML --------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", fuzz.BOMBS, ids=range(len(fuzz.BOMBS)))
def test_a_bomb_is_a_small_thing(text: str, tmp_path: Path) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(text, encoding="utf-8")
    try:
        assert len(str(load_yaml(file))) < 1000
    except pm.InputError as error:
        assert str(file) in str(error) and len(str(error)) < 1000


def test_what_is_too_large_or_stands_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file.yaml"
    for text, word in (
        ("a: 1\nb: {c: 1, c: 2}\n", "line 2: key 'c' stands twice"),
        ("# " + "x" * 2_000_001, "is larger than 2 MB"),
        ("a: " + "9" * 41, "a number of 41 digits"),
        ("a: !!python/object/apply:os.system [ls]", "tag"),
    ):
        file.write_text(text)
        with pytest.raises(pm.InputError, match=word):
            load_yaml(file)
    file.write_text("a: &x {b: 1}\nc: {<<: *x, d: 2}\n")  # an alias is nothing bad
    assert load_yaml(file) == {"a": {"b": 1}, "c": {"b": 1, "d": 2}}
    with pytest.raises(pm.InputError, match="is no file"):
        load_yaml(tmp_path)


CANDIDATE = {
    "carrier": "wind", "province": "A", "capital_cost": 1, "life": 20, "hurdle_rate": 0.07,
}  # fmt: skip

# ---- paths -------------------------------------------------------------------------------------


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside a regime and a table that are none of its business."""
    folder = tmp_path / "study"
    (folder / "below").mkdir(parents=True)
    (tmp_path / "mine.yaml").write_text("extends: full_market\n")
    (folder / "below" / "mine.yaml").write_text("extends: full_market\n")
    (tmp_path / "observed.csv").write_text("secret\n")
    (folder / "linked.yaml").symlink_to(tmp_path / "mine.yaml")
    return folder


@pytest.mark.parametrize(
    "name", ["../mine.yaml", "{}/mine.yaml", "linked.yaml", "x/../../mine.yaml"]
)
def test_a_study_names_no_file_outside_its_folder(name: str, outside: Path) -> None:
    name = name.format(outside.parent)
    regimes = [name, {"extends": name}, "below/mine.yaml", "full_market"]
    for item in regimes[:2]:
        (outside / "study.yaml").write_text(yaml.safe_dump({"regimes": [item]}))
        study = _study(outside / "study.yaml")
        with pytest.raises(pm.InputError, match="lies outside"):
            _regimes(study.regimes or [], outside / "study.yaml", own=False)
        entry = {"regimes": [item], "candidates": {"w": CANDIDATE}}
        (outside / "entry.yaml").write_text(yaml.safe_dump(entry))
        with pytest.raises(pm.InputError, match="lies outside"):
            read_entry_file(outside / "entry.yaml").beside(outside / "entry.yaml")
    (outside / "regime.yaml").write_text(f"extends: {name}\n")
    with pytest.raises(pm.InputError, match="lies outside"):
        pm.regime(outside / "regime.yaml")
    found = _regimes(regimes[2:], outside / "study.yaml", own=False)
    assert [item.name for item in found] == ["mine", "full_market"]


def test_the_command_line_may_name_any_file(outside: Path) -> None:
    names = [str(outside.parent / "mine.yaml")]
    assert _regimes(names, outside / "study.yaml", own=True)[0].name == "mine"


@pytest.mark.parametrize("key", ["regime", "observed"])
def test_a_market_file_names_no_file_outside_its_folder(key: str, outside: Path) -> None:
    said = {"regime": "full_market", "observed": "observed.csv", key: "../observed.csv"}
    market = pm.Market.model_validate({"calibration": said})
    case = pm.Case(one_bus([50.0]), market, folder=outside)
    with pytest.raises(pm.InputError, match="lies outside"):
        pm.compare(case, ["full_market"], [0.0])


def test_contracts_name_no_file_outside_the_folder_of_the_network(outside: Path) -> None:
    case = pm.Case(one_bus([50.0]), folder=outside)
    (fault,) = pm.rules.Contracts(file="../observed.csv").faults(case)
    assert "lies outside" in str(fault)


@pytest.mark.slow
def test_a_study_file_that_escapes_exits_with_2(outside: Path) -> None:
    (outside / "study.yaml").write_text("regimes: [../mine.yaml]\n")
    two = Path(__file__).parents[1] / "networks" / "two_province"
    done = subprocess.run(
        [sys.executable, "-m", "powermkt.cli", "compare", str(two), "--study", "study.yaml"],
        cwd=outside, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and "lies outside" in done.stderr
