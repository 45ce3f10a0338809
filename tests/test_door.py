"""What a user meets first: `--help`, `check`, `new`."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from conftest import NETWORKS
from shell import inside
from toys import one_bus

import powermkt
from powermkt import api, cli
from powermkt.analysis.passthrough import LOAD_QUANTILES
from powermkt.analysis.principles import SHARE
from powermkt.commands.overlap import overlap
from powermkt.engine.causes import CAUSES
from powermkt.engine.remedies import REMEDIES
from powermkt.guide.inspection import inspect_case
from powermkt.guide.starting import lay_out
from powermkt.inputs.instruments import YEARS

TWO = str(NETWORKS / "two_province")


def test_help_imports_nothing_that_takes_long() -> None:
    code = """
import contextlib, io, sys
from powermkt.cli import COMMANDS, main
for words in ([], *([name] for name in COMMANDS)):
    sys.argv = ["powermkt", *words, "--help"]
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()) as said:
        main()
    assert "Usage" in said.getvalue(), words
heavy = {"numpy", "pandas", "pypsa", "linopy", "highspy"} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_list_says_what_commands_say_of_themselves() -> None:
    for name, (place, text) in cli.COMMANDS.items():
        module, _, function = place.partition(".")
        command = getattr(importlib.import_module(f"powermkt.commands.{module}"), function)
        assert (inspect.getdoc(command) or "").splitlines()[0] == text, name


def test_defaults_in_options_are_those_of_the_engine() -> None:
    """Options are stated without importing what they are for."""

    def options(name: str) -> dict[str, Any]:
        return {item.name: item for item in cli.command(name).params}

    assert options("pass-through")["quantiles"].default == LOAD_QUANTILES
    assert options("trace")["share"].default == SHARE
    year = inspect.signature(overlap, eval_str=True).parameters["year"].annotation.__metadata__[0]
    assert (year.min, year.max) == YEARS
    for command, option, names in (("explain", "cause", CAUSES), ("remedies", "remedy", REMEDIES)):
        assert options(command)[option].help.startswith(", ".join(names)), command


def test_public_names_stand_beside_folders() -> None:
    """Whatever is asked for first; `presets` is a folder too, which Python takes for a package."""
    code = "import powermkt as pm; print(pm.presets is pm.api.presets)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "True\n", done.stderr
    modules = {item.name for item in pkgutil.iter_modules(powermkt.__path__)}
    assert set(api.__all__) & modules == {"rules"}


def test_names_that_are_not_there() -> None:
    assert set(powermkt.__all__) <= set(dir(powermkt))
    with pytest.raises(AttributeError, match="no attribute 'cleer'"):
        _ = powermkt.cleer


def test_check_tells_faults_of_all_files_at_once(tmp_path: Path) -> None:
    n = one_bus([50.0])
    n.generators.loc["coal", "p_nom"] = -1.0
    n.export_to_netcdf(str(tmp_path / "bad.nc"))
    (tmp_path / "market.yaml").write_text(
        "currencies: CNY\ncarriers: {wind: [wynd]}\nquota: {band: 2}\n"
    )
    (tmp_path / "services.yaml").write_text(
        "products: {spinning: {kind: spinning, requirements: [{zone: Z, mw: 5}]}}\n"
    )
    (tmp_path / "study.yaml").write_text("carbon_price: [0]\n")
    (tmp_path / "mine.yaml").write_text("extends: full_market\ncarbon: {rule: CarbonPrise}\n")
    (tmp_path / "offers.csv").write_text("generator,quantity_mw,price\nnobody,1,1\n")
    options = ["--study", "study.yaml", "--services", "services.yaml", "--regime", "mine.yaml"]
    done = inside("check", ".", *options, "--json", cwd=tmp_path)
    assert done.returncode == 2 and done.stderr == ""
    found = "\n".join(json.loads(line)["where"] for line in done.stdout.splitlines())
    for where in (
        "market.yaml: currencies", "market.yaml: quota.band", "market.yaml: carriers.wind",
        "services.yaml: products.spinning.requirements.0.zone", "study.yaml: carbon_price",
        "mine.yaml: carbon", "generators.p_nom", "offers",
    ):  # fmt: skip
        assert where in found, where
    assert "unknown carrier 'wynd'" in done.stdout


def test_check_says_what_is_there_and_what_is_assumed() -> None:
    n = one_bus([50.0, 60.0], weight=2.0)
    n.generators.loc["coal", ["min_stable_pu", "units"]] = [0.5, 4.0]
    n.generators.loc["gas", "emission_rate"] = float("nan")
    found = inspect_case(powermkt.Case(n))
    assert found.counts["fleets"] == 1 and found.counts["units in fleets"] == 4
    assert found.counts["hours they stand for"] == 4
    missing = found.assumed.set_index("what")[["missing", "of"]].T.to_dict("list")
    assert missing["generators.emission_rate"] == [1, 2]  # of coal and gas, not of wind
    assert missing["generators.tariff"] == [3, 3] and missing["loads.tariff"] == [1, 1]
    assert "generators.benchmark" not in missing
    # 300 of 100 MW of coal and 500 of 100 MW of gas.
    assert "400.0" in found.assumed.set_index("what").loc["generators.tariff", "assumed"]
    lacks = found.regimes.set_index("regime")["lacks"]
    assert lacks["full_market"] == "" and "forecast" in lacks["two_settlement"]


def test_new_overwrites_nothing(tmp_path: Path) -> None:
    made = lay_out(tmp_path / "mine")
    assert (made / "market.yaml").read_text().startswith("# yaml-language-server: $schema=schemas/")
    assert json.loads((made / "schemas" / "study.schema.json").read_text())["properties"]
    assert [item.name for item in tmp_path.iterdir()] == ["mine"]
    (made / "market.yaml").write_text("name: changed\n")
    done = inside("new", "mine", cwd=tmp_path)
    assert done.returncode == 2 and "holds files" in done.stderr
    assert (made / "market.yaml").read_text() == "name: changed\n"
    (tmp_path / "file").write_text("")
    with pytest.raises(powermkt.InputError, match="no folder"):
        lay_out(tmp_path / "file")


def test_what_new_lays_out_is_explained_and_without_faults(tmp_path: Path) -> None:
    made = lay_out(tmp_path)
    for file in made.glob("*.yaml"):
        parts = [line for line in file.read_text().splitlines() if not line.startswith("#")]
        bare = [line for line in parts if "#" not in line and not line.endswith(":")]
        assert not [line for line in bare if line and not line.startswith("description")], file
    done = inside("check", ".", "--study", "study.yaml", cwd=made)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "ready for: fixed_tariff" in done.stdout


@pytest.mark.slow
def test_what_new_lays_out_is_cleared_at_once(tmp_path: Path) -> None:
    lay_out(tmp_path / "mine")
    words = ["mine", "--study", "mine/study.yaml", "--carbon-price", "0", "--workers", "1"]
    done = inside("compare", *words, "--json", "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == 4 and done.stderr == ""
    assert {row["regime"] for row in rows} >= {"my_regime", "fixed_tariff"}


@pytest.mark.long
def test_the_wheel_holds_the_starter_study(tmp_path: Path) -> None:
    root = NETWORKS.parent
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "-q", "-w", str(tmp_path), "."]
    subprocess.run(command, cwd=root, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    starter = root / "powermkt" / "starter"
    files = [file.relative_to(root).as_posix() for file in starter.rglob("*") if file.is_file()]
    assert len(files) > 10 and set(files) <= names
