"""The curtailment benchmark: answers by hand, answers of others, and what is written for them."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import highspy
import pandas as pd
import pytest
from toys import one_bus

import powermkt as pm
from benchmarks.curtailment import __main__ as command
from benchmarks.curtailment.__main__ import main
from benchmarks.curtailment.answers import hold, read_answers
from benchmarks.curtailment.cases import institution, system
from benchmarks.curtailment.commitment import GivenCommitment, given
from benchmarks.curtailment.export import export
from benchmarks.curtailment.recipe import book, cells
from benchmarks.curtailment.report import markdown
from benchmarks.curtailment.results import Results, names_of, read_results, run
from powermkt.engine.regime import regime
from powermkt.errors import InputError

SMALL = ["two_provinces", "three_provinces"]

# Two provinces, wind of 7,200 MWh a day (arithmetic: `test_two_province.py`), in MWh.
LOST = {
    "fixed_tariff": 4_800, "priority_dispatch": 3_600, "provincial_market": 3_600,
    "full_market": 1_200, "full_market_auction": 1_200,
}  # fmt: skip

# Three provinces, MW: A has wind 100, sun 60 at noon, coal at least 20 of its load of 50; ties of
# 40 to B and 70 on to C. B has wind 80, water 20 and load 60, C gas and load 100.
#
# Full market. A uses 30 itself and sends at most 40. B and C can take 60 + 70 = 130 of what costs
# nothing, and are offered 40 + 80 + 20 = 140. So of A's 100 by night 30 are lost for certain, of
# its 160 at noon 90, and each hour 10 more somewhere: 30 + 10 + 90 + 10 = 140.
#   A wind: by night 30 .. 40; at noon 30, where all sun is lost, .. 100, all of it, where A's 60 of
#     sun are what it uses and sends and the 10 are its own. Both: 60 .. 140. Sun: 0 .. 60.
#   B wind, water: none or all of the 10, twice: 0 .. 20 each.
# By the declared order sun goes first, 60, then wind, 80, of which A has at least 60; water none.
# Gas C 30 each hour, coal 20: 2 (30 x 600 + 20 x 300) = 48,000.
#
# Behind barriers A sends 20, B 30. A uses 30 + 20 = 50: by night 50 of wind are lost, at noon 110
# of 160: sun 10 .. 60, wind 50 .. 100. B needs 60 - 20 + 30 = 70 of 100: 30 are lost each hour,
# wind 10 .. 30, water 0 .. 20. Sum 50 + 110 + 60 = 220; by the order sun 60, wind 100 + 60.
# Gas C 70: 2 (70 x 600 + 20 x 300) = 96,000.
FULL = {"A wind": (60, 140), "A solar": (0, 60), "B wind": (0, 20), "B hydro": (0, 20)}
BARRIER = {"A wind": (100, 150), "A solar": (10, 60), "B wind": (20, 60), "B hydro": (0, 40)}
THREE = {
    "full_market": (FULL, 140, (80, 60, 0), 48_000),
    "provincial_market": (BARRIER, 220, (160, 60, 0), 96_000),
    "priority_dispatch": (BARRIER, 220, (160, 60, 0), 96_000),
}


@pytest.fixture(scope="module")
def results() -> Results:
    return run(cells(SMALL), peers=False)


@pytest.mark.parametrize("regime", LOST)
def test_two_provinces(results: Results, regime: str) -> None:
    row = results.cells.set_index(["case", "regime"]).loc[("two_provinces", regime)]
    for name in ("wind_mwh", "curtailment_mwh", "least_mwh", "most_mwh"):
        assert row[name] == pytest.approx(LOST[regime], abs=1e-6)
    assert row["curtailment_rate"] == pytest.approx(LOST[regime] / 7_200)
    months = results.months[results.months["case"] == "two_provinces"].set_index("regime")
    assert months.loc[regime, "month"] == "2022-01"
    assert months.loc[regime, "curtailment_mwh"] == pytest.approx(LOST[regime], abs=1e-6)


@pytest.mark.parametrize("regime", THREE)
def test_three_provinces(results: Results, regime: str) -> None:
    """What is lost in all and of each carrier is one number; of each province it is a range."""
    ends, total, kinds, cost = THREE[regime]
    row = results.cells.set_index(["case", "regime"]).loc[("three_provinces", regime)]
    assert row["curtailment_mwh"] == pytest.approx(total, abs=1e-6)
    assert row[["wind_mwh", "solar_mwh", "hydro_mwh"]].tolist() == pytest.approx(kinds, abs=1e-6)
    assert row["cost"] == pytest.approx(cost)
    detail = results.detail[results.detail["case"] == "three_provinces"]
    detail = detail[detail["regime"] == regime]
    detail.index = pd.Index(detail["province"] + " " + detail["carrier"])
    for name, (least, most) in ends.items():
        assert detail.loc[name, "min"] == pytest.approx(least, abs=1e-6), name
        assert detail.loc[name, "max"] == pytest.approx(most, abs=1e-6), name


@pytest.mark.slow
def test_stock_pypsa_curtails_within_the_range_and_finds_the_range_itself() -> None:
    """PyPSA's own search: least and most of every sum with its objective held at the optimum."""
    cell = [cell for cell in cells(["three_provinces"]) if cell.regime == "full_market"]
    found = run(cell)
    row = found.cells.iloc[0]
    assert found.agreed and row["peer_inside"]
    assert row["peer_off"] <= book().tolerances.objective
    assert row["peer_mwh"] == pytest.approx(140, abs=1e-4)
    assert row["peer_range_off"] <= 1e-3
    ends = [row["peer_least_mwh"], row["peer_most_mwh"]]
    assert ends == pytest.approx([140, 140], abs=1e-3)  # the total is no choice
    text = markdown(found)
    assert "| three_provinces | full_market, 0 | 80.0 | 60.0 | 0.0 | 30.435 |" in text
    assert "pypsa" in text


@pytest.mark.long
def test_stock_pypsa_on_all_small_cells() -> None:
    found = run(cells(SMALL))
    assert found.agreed
    assert found.cells["peer_range_off"].max() <= 1e-3


# ---- answers of others ---------------------------------------------------------------------------

HEAD = "case,regime,province,carrier,curtailment_mwh,cost\n"
THIRD = "three_provinces,full_market"


def _file(folder: Path, text: str) -> Path:
    file = folder / "answers.csv"
    file.write_text(text, encoding="utf-8")
    return file


def _three(folder: Path, amounts: tuple[float, ...], cost: str = "48000") -> Path:
    """Answers of the full market: wind and sun of A, wind and water of B."""
    names = ("A,wind", "A,solar", "B,wind", "B,hydro")
    rows = [f"{THIRD},{k},{v},{cost}\n" for k, v in zip(names, amounts, strict=True)]
    return _file(folder, HEAD + "".join(rows))


@pytest.mark.slow
def test_another_optimum_is_accepted(results: Results, tmp_path: Path) -> None:
    """No sun, 100 + 35 of A's wind and 5 of water are lost: 140, as in every optimum.

    Each hour 10 of A, B: by night 5 of A's wind and 5 of water, at noon all 10 of A's wind.
    """
    answers = read_answers(_three(tmp_path, (135, 0, 0, 5)), results.detail)
    verdict = hold(answers, results)
    assert verdict.met and verdict.cells["verdict"].tolist() == ["met"]
    assert set(verdict.rows["verdict"]) == {"inside"}
    assert verdict.cells["off"].item() == pytest.approx(0, abs=1e-6)
    assert abs(verdict.cells["dearer"].item()) <= 1e-6
    assert ("two_provinces", "full_market") in verdict.unanswered
    off = verdict.rows.set_index(["province", "carrier"])["off"]
    assert off["A", "solar"] == pytest.approx(-60) and off["B", "hydro"] == pytest.approx(5)


@pytest.mark.parametrize(
    ("amounts", "cost", "said"),
    [
        ((60, 60, 21, 0), "48000", "1 outside"),
        ((60, 60, 0, 0), "48000", "no optimum curtails all this"),  # 120 in all, each in its range
        ((70, 60, 10, 0), "48001", "cost differs"),
    ],
)
def test_what_is_no_optimum_is_refused(
    results: Results, tmp_path: Path, amounts: tuple[float, ...], cost: str, said: str
) -> None:
    answers = read_answers(_three(tmp_path, amounts, cost), results.detail)
    # The last is refused by what it says itself.
    verdict = hold(answers, results, jointly=cost == "48000")
    assert not verdict.met
    assert verdict.cells["verdict"].tolist() == [said]


def test_rows_that_are_missing_are_named(results: Results, tmp_path: Path) -> None:
    file = _file(tmp_path, f"{HEAD}{THIRD},A,wind,70,\n")
    verdict = hold(read_answers(file, results.detail), results)
    assert verdict.cells["verdict"].tolist() == ["3 missing"]
    missing = verdict.rows[verdict.rows["verdict"] == "missing"]
    assert missing["carrier"].tolist() == ["solar", "wind", "hydro"]


def test_every_mistake_is_told_at_once(results: Results, tmp_path: Path) -> None:
    rows = [
        "two_province,full_market,North,onshore wind,1200,",  # 2: no such case
        "two_provinces,fullmarket,North,onshore wind,1200,",  # 3: no such regime
        "two_provinces,full_market,Nort,onshore wind,1200,",  # 4: no such province
        "two_provinces,full_market,North,wind,1200,",  # 5: no such carrier
        f"{THIRD},A,wind,-1,48000",  # 6
        f"{THIRD},A,solar,nan,48000",  # 7
        f"{THIRD},B,wind,many,48001",  # 8; another cost
        f"{THIRD},B,hydro,0,dear",  # 9
        f"{THIRD},B,hydro,0,48000",  # 10: again
    ]
    with pytest.raises(InputError) as caught:
        read_answers(_file(tmp_path, HEAD + "\n".join(rows)), results.detail)
    said = "\n".join(map(str, caught.value.faults))
    for line, what in {
        2: "case 'two_province'", 3: "regime 'fullmarket'", 4: "province 'Nort'",
        5: "carrier 'wind'", 6: "-1 is negative", 7: "'nan' is no number",
        8: "'many' is no number", 9: "cost: 'dear' is no number", 10: "stands twice",
    }.items():  # fmt: skip
        assert any(f"line {line}" in part and what in part for part in said.splitlines()), line
    assert "did you mean 'two_provinces'" in said
    assert "cost of three_provinces full_market differs" in said
    assert len(caught.value.faults) == 10


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("case,regime,province,curtailment_mw\n", ["lacks carrier, curtailment_mwh", "did you"]),
        (HEAD, ["holds no answers"]),
        ("", ["cannot be read"]),
    ],
)
def test_a_file_that_holds_no_answers(
    results: Results, tmp_path: Path, text: str, said: list[str]
) -> None:
    with pytest.raises(InputError) as caught:
        read_answers(_file(tmp_path, text), results.detail)
    assert all(part in str(caught.value) for part in said)


def test_unknown_cases_and_results_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'rts_april'"):
        cells(["rts_aprl"])
    with pytest.raises(InputError, match="lacks cells"):
        read_results(tmp_path)


def test_names_are_known_before_anything_is_cleared(results: Results) -> None:
    columns = ["case", "regime", "province", "carrier"]
    known = names_of(cells(SMALL), SMALL)
    assert set(map(tuple, known[columns].to_numpy())) == set(
        map(tuple, results.detail[columns].to_numpy())
    )


def test_exit_codes_of_the_command(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    kept = results.write(tmp_path / "kept")
    assert (kept / "curtailment.csv").is_file() and (kept / "record.json").is_file()
    for amounts, code in (((70, 60, 10, 0), 0), ((60, 60, 21, 0), 1), ((-1, 60, 21, 0), 2)):
        file = _three(tmp_path, amounts)
        given = ["--against", str(file), "--results", str(kept), "--each"]
        monkeypatch.setattr(sys, "argv", ["benchmark", *given])
        if not code:
            main()
            assert "met" in capsys.readouterr().out
            continue
        with pytest.raises(SystemExit) as ended:
            main()
        assert (1 if isinstance(ended.value.code, str) else ended.value.code) == code


def test_a_readme_without_the_marks_is_refused_before_anything_is_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    page = tmp_path / "README.md"
    page.write_text("<!-- curtailment benchmark -->\n", encoding="utf-8")
    monkeypatch.setattr(command, "_README", page)
    monkeypatch.setattr(command, "growing", None)
    given = ["--case", "two_provinces", "--readme", "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["benchmark", *given])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "has no <!-- curtailment benchmark -->" in capsys.readouterr().err


def test_rows_of_cases_that_were_not_run_stay_in_the_table(results: Results) -> None:
    earlier = "\n| rts_april | old |\n| three_provinces | old |\n| gone | old |\n"
    table = markdown(results, earlier)
    assert table.count("| old |") == 1 and "| rts_april | old |" in table
    assert table.index("| three_provinces") < table.index("| rts_april")
    assert table.endswith("; rts_april: earlier runs")


def test_spaces_around_names_play_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results: Results
) -> None:
    monkeypatch.setattr(command, "run", lambda cells, peers: results)
    head = "case , regime ,province, carrier, curtailment_mwh\n"
    file = _file(tmp_path, head + "three_provinces , full_market, A, wind, 70\n")
    answers, _ = command._cleared_for(file, cells(SMALL))
    assert answers.iloc[0].tolist() == ["three_provinces", "full_market", "A", "wind", 70]


# ---- what is written for others ------------------------------------------------------------------


def test_whoever_solves_the_programme_has_an_answer(results: Results, tmp_path: Path) -> None:
    """HiGHS alone on the file: the objective, and what is curtailed by the columns that say so."""
    cell = [cell for cell in cells(["two_provinces"]) if cell.regime == "fixed_tariff"]
    folder = export(cell, tmp_path / "files")
    here = folder / "two_provinces" / "fixed_tariff"
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    assert highs.readModel(str(here / "programme.mps.gz")) == highspy.HighsStatus.kOk
    highs.run()
    objective = highs.getInfo().objective_function_value
    assert objective == pytest.approx(13_860_000)
    columns = pd.read_csv(here / "curtailment.csv")
    names = [highs.getColName(j)[1] for j in range(highs.getNumCol())]
    value = pd.Series(highs.getSolution().col_value, names)[columns["column"]].to_numpy()
    lost = (columns["hours"] * (columns["available_mw"] - value)).sum()
    assert lost == pytest.approx(4_800, abs=1e-4)
    form = pd.read_csv(folder / "answers.csv", dtype={"province": str})
    form["curtailment_mwh"], form["objective"] = lost, objective
    form.to_csv(tmp_path / "answers.csv", index=False)
    assert hold(read_answers(tmp_path / "answers.csv", results.detail), results, jointly=False).met
    quota = pd.read_csv(here / "quota.csv")
    assert (quota["room_mwh"] * quota["load_factor"]).tolist() == pytest.approx([7_800] * 2)
    limits = pd.read_csv(here / "limits.csv")
    assert set(limits["low"]) == set(limits["high"]) == {100.0} and len(limits) == 24
    with pytest.raises(InputError, match="is not empty"):
        export(cell, folder)


def test_commitment_is_a_datum() -> None:
    """Coal, 100 MW at 300 and at least 40, is on in the second hour alone; gas does the rest."""
    n = one_bus([50.0, 80.0])
    n.generators.loc["coal", ["committable", "p_min_pu"]] = [True, 0.4]
    case = pm.Case(n)
    market = regime("full_market")
    rule = GivenCommitment(on={"coal": "01"})
    held = replace(market, rules=(rule, *market.rules[1:]))
    assert pm.clear(case, held).dispatch["coal"].tolist() == pytest.approx([0.0, 55.0])
    wrong = GivenCommitment(on={"gas": "02"}).faults(case)
    said = "\n".join(map(str, wrong))
    assert "units of the case and of the commitment differ: coal, gas" in said
    assert "not 2 digits 0 or 1: gas" in said


@pytest.mark.slow
def test_the_commitment_of_the_rts_day_fits_it() -> None:
    pytest.importorskip("dispatches_data")
    cell = cells(["rts_april"])[0]
    rule = institution(cell).rules[0]
    assert isinstance(rule, GivenCommitment) and len(given()) == len(rule.on)
    assert not rule.faults(system("rts_april"))
