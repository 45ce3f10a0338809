"""The example scripts beside the network run, and print what can be found by hand."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from conftest import NETWORKS
from toys import one_bus

import powermkt as pm
from powermkt.rules import RULES

FOLDER = NETWORKS / "two_province"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "row", "numbers"),
    [
        # Tie at 50: wind 3 x 200 + 120 + 60 + 60 = 840 of 1,080; coal 360 x 250 + 1,800 x 350.
        ("own_network", "provincial_market", ["720000.0", "1836.0", "240.0"]),
        # Tie at 200: all wind, coal inland 6 x 350 - 1,080 = 1,020 at 250, at the coast 900 at 350.
        ("own_network", "full_market", ["570000.0", "1632.0", "0.0"]),
        # North by day is set by N2: 0.95 x 60 under auction, (0.95 - 0.8177) x 60 by output.
        ("pass_through", "full_market, auction", ["33.833", "1.0", "1.0", "0.791", "57.000"]),
        ("pass_through", "full_market, output_based", ["1.563", "0.046", "1.0", "0.037", "7.938"]),
        # Wind of 900 - 600 MW at night behind a tie of 300; with 400 North sends it all.
        ("curtailment", "full_market", ["600.0", "600.0", "0.0", "0.0", "1200.0"]),
        ("curtailment", "full_market  ", ["1200.0", "0.0"]),
    ],
)
def test_examples_print_what_can_be_found_by_hand(
    script: str, row: str, numbers: list[str], printed: dict[str, str]
) -> None:
    if script not in printed:
        command = [sys.executable, str(FOLDER / f"{script}.py")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        printed[script] = done.stdout
    lines = [line for line in printed[script].splitlines() if line.startswith(row.rstrip() + " ")]
    found = [float(cell) for cell in lines[-1 if row.endswith(" ") else 0][len(row) :].split()]
    assert found[: len(numbers)] == [float(number) for number in numbers]


@pytest.fixture(scope="module")
def printed() -> dict[str, str]:
    return {}


@pytest.fixture
def own_rule() -> Iterator[str]:
    """The example of the README: its rule is known by name until the test ends."""
    text = (NETWORKS.parent / "REGIMES.md").read_text(encoding="utf-8")
    part = text.partition("## A rule of your own")[2]
    code = part.partition("```python\n")[2].partition("```")[0]
    exec(compile(code, "REGIMES.md", "exec", dont_inherit=True), {"__name__": "example"})
    yield part.partition("```yaml\n")[2].partition("```")[0]
    del RULES["ClimateLevy"]


def test_a_rule_of_ones_own(own_rule: str, tmp_path: Path) -> None:
    """Coal 100 MW at 300 and 0.9 t/MWh, gas at 500 and 0.4, wind 25; load 80 and 120.

    A levy of 30 money/MWh on plant above 0.5 t/MWh: in the first hour coal is marginal, 330; in the
    second coal is at its 100 less nothing: 120 - 25 = 95, coal again. Coal pays 30 (55 + 95).
    """
    file = tmp_path / "levied.yaml"
    file.write_text(own_rule, encoding="utf-8")
    run = pm.clear(pm.Case(one_bus([80.0, 120.0])), pm.regime(file))
    assert run.prices["A"].tolist() == pytest.approx([330.0, 330.0])
    paid = run.ledger[run.ledger["product"] == "climate levy"]
    assert paid["amount"].sum() == pytest.approx(30 * (55 + 95))
    assert set(paid["payer"]) == {"coal"} and set(paid["payee"]) == {"climate fund"}
    cheaper = pm.clear(pm.Case(one_bus([80.0, 120.0])), "full_market")
    assert cheaper.prices["A"].tolist() == pytest.approx([300.0, 300.0])
    assert run.objective == pytest.approx(cheaper.objective)  # a transfer is no resource cost
    assert pm.regime(yaml.safe_load(run.regime.to_yaml())).rules == run.regime.rules
