"""The page of results: what it holds, what it says when something is missing, and in a browser."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from toys import one_bus

import powermkt as pm
from powermkt.analysis.overview import overview
from powermkt.analysis.quality import quality_of
from powermkt.common.writing import write_results
from powermkt.report import Report, report_of
from powermkt.report.folders import read_folders
from powermkt.report.sections import SECTIONS
from powermkt.report.source import named

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def results(two_province: pm.Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    regimes = ["fixed_tariff", "full_market"]
    folder = tmp_path_factory.mktemp("page") / "results"
    return pm.compare(two_province, regimes, carbon_prices=[0, 60]).to_parquet(folder)


@pytest.fixture(scope="module")
def run(two_province: pm.Case) -> pm.Run:
    return pm.clear(two_province, pm.regime("full_market"))


def test_tables_for_the_page_add_up(two_province: pm.Case, run: pm.Run) -> None:
    """Priority behind a flat tie of 100 MW: 1,200 MWh of 7,200 cut in the market with 300."""
    tables = overview(two_province, [run])
    # Both provinces of the mean day are the hours: there is one day.
    days = tables["province_days"]
    for name in ("load", "curtailed", "coal", "gas", "onshore wind"):
        per_hour = days.groupby("hour")[name].sum().to_numpy()
        assert per_hour == pytest.approx(tables["hours"][name].to_numpy())
    assert days.set_index(["province", "hour"])["price"]["South", 0] == pytest.approx(360)
    hours, provinces = tables["hours"], tables["provinces"].set_index("province")
    carriers = hours.columns[list(hours.columns).index("charging") + 1 :]
    assert hours[carriers].sum(axis=1).to_numpy() == pytest.approx(hours["load"].to_numpy())
    assert (hours["curtailed"] * hours["hours"]).sum() == pytest.approx(1200)
    assert provinces.loc["North", "curtailment_mwh"] == pytest.approx(1200)
    assert provinces["load_mwh"].tolist() == pytest.approx([12 * 1300, 12 * 2300])
    # By night prices are 0 and 360, by day 300 and 520; loads 500 and 800, 900 and 1,400 MW.
    assert provinces.loc["North", "price"] == pytest.approx(300 * 800 / 1300)
    assert provinces.loc["South", "price"] == pytest.approx((360 * 900 + 520 * 1400) / 2300)
    flow = tables["corridors"].iloc[0]
    assert flow["energy_mwh"] == pytest.approx(abs(float(run.flows.sum().iloc[0])))
    assert tables["payments"]["amount"].sum() == pytest.approx(run.ledger["amount"].sum())


@pytest.mark.slow
@pytest.mark.parametrize("regime", ["fixed_tariff", "priority_dispatch", "guaranteed_purchase"])
def test_prices_on_the_page_are_what_is_paid(two_province: pm.Case, regime: str) -> None:
    """Under priority dispatch what one more MWh would cost is paid to nobody."""
    run = pm.clear(two_province, regime, 60.0)
    tables, paid = overview(two_province, [run]), run.summary()["wholesale_price"]
    hours, provinces = tables["hours"], tables["provinces"]
    load = hours["load"] * hours["hours"]
    assert (hours["price"] * load).sum() / load.sum() == pytest.approx(paid)
    assert np.average(provinces["price"], weights=provinces["load_mwh"]) == pytest.approx(paid)


@pytest.fixture(scope="module")
def english(results: Path) -> Report:
    return report_of(results)


def test_a_page_stands_by_itself(english: Report) -> None:
    page = english
    assert page.sections == ["headline", "dispatch", "generation", "duration", "map",
                             "pass_through", "incidence", "windfall", "retail", "revenue",
                             "payments", "assumptions", "record"]  # fmt: skip
    assert page.missing == [] and page.repeated == {}
    assert "<code>powermkt explain</code>" in page.html  # what would make what is not here
    outside = re.sub(r"<script>.*?</script>", "", page.html, flags=re.DOTALL)
    assert not re.search(r"(src|href)=\"(?!#)", outside)
    plots = re.findall(r'class="plot">(.*?)</script>', page.html, flags=re.DOTALL)
    # Dispatch of all and two provinces; energy, map, payments by regime and price; one price of
    # pass-through, of incidence and windfall; two of what users pay; revenue.
    assert len(plots) == 3 * 2 + 4 + 2 + 4 + 1 + 2 + 2 + 2 + 4 + 4
    assert page.html.count('<p class="settled">carbon price: 60 CNY/t</p>') == 3
    for text in plots:
        assert "template" not in json.loads(text)["layout"]
    assert "13.86" in page.html and "12.04" in page.html  # m CNY a day, by hand elsewhere


def test_a_page_in_chinese(results: Path) -> None:
    page = report_of(results, "zh").html
    assert '<html lang="zh-CN">' in page
    for text in ("规则比较", "全面市场化", "元/吨", json.dumps("煤电")[1:-1]):
        assert text in page


def test_what_is_missing_has_no_section_and_is_told(results: Path, tmp_path: Path) -> None:
    part = shutil.copytree(results, tmp_path / "part")
    for name in ("hours", "corridors", "windfall"):
        (part / f"{name}.parquet").unlink()
    page = report_of(part)
    assert page.missing == ["corridors", "hours", "windfall"]
    assert not {"dispatch", "duration", "map"} & {*page.sections}
    assert "incomplete results: corridors, hours, windfall" in page.html


def test_several_folders_in_one_page(results: Path, tmp_path: Path) -> None:
    """The first leads; another horizon is told beside what comes from it; networks do not mix."""
    causes = pd.DataFrame({"regime": ["full_market"], "cause": ["network"], "province": ["North"],
                           "mwh": [5.0]})  # fmt: skip
    record = json.loads((results / "record.json").read_text(encoding="utf-8"))
    record["windows"] = {"week": {"from": "2023-05-01", "to": "2023-05-07", "hours": 168.0}}
    record["notes"] = {"y01": {"full_market @ 0": ["something odd"]}}
    comparison = pd.read_parquet(results / "comparison.parquet").assign(cost=0.0)
    tables = {"causes": causes, "comparison": comparison}
    study = write_results(tmp_path / "study", tables, record)
    page = report_of([results, study])
    assert {"dispatch", "causes"} <= {*page.sections}
    assert page.repeated == {str(study): ["comparison"]} and "13.86" in page.html
    assert "y01: full_market @ 0: something odd" in page.html
    assert page.html.count(f"comes from {study}: 2023-05-01 - 2023-05-07") == 1
    alone = report_of(study)  # a study without hours
    assert alone.sections == ["headline", "causes", "assumptions", "record"]
    other = write_results(tmp_path / "other", {"causes": causes}, {**record, "case": "elsewhere"})
    with pytest.raises(pm.InputError, match="are results of different networks") as told:
        report_of([results, other, tmp_path / "nowhere"])
    assert len(told.value.faults) == 2


def test_windfall_and_revenue_add_up(results: Path) -> None:
    """N1 and N2 sell 7.8 GWh at 0.975 and 0.95 t/MWh, 60 CNY/t, with 0.8177 t/MWh for free."""
    parts = pm.figures.windfall(results, "fixed_tariff", 60)
    bars = [np.array(item.x, dtype=float) for item in parts.data if item.type == "bar"]
    dots = next(np.array(item.x, dtype=float) for item in parts.data if item.type == "scatter")
    table = pd.read_parquet(results / "windfall.parquet").query("regime == 'fixed_tariff'")
    said = table.groupby("carrier", sort=False)["windfall"].sum()
    assert sum(bars) == pytest.approx(dots, abs=1e-5)
    assert dots * 1e6 == pytest.approx(said[["coal", "gas"]].to_numpy(), abs=1.0)
    paid = pm.figures.revenue(results, "fixed_tariff", 0).data
    # Tariffs by hand elsewhere: coal 5.928 + 9.72, gas 2.16, wind 0.96 m CNY.
    assert [float(value) for value in paid[0].x] == pytest.approx([15.648, 2.16, 0.96], rel=1e-6)


def test_windfall_has_one_scale_where_parts_add_up_to_more_than_any() -> None:
    """600 + 300 m of gain and allowances less 200 m of cost: 1.1 bn wide, the dot at 0.7 bn."""
    row = {"regime": "r", "carbon_price": 60.0, "carrier": "coal", "price_gain": 6e8,
           "free_allowances": 3e8, "carbon_cost": 2e8, "windfall": 7e8}  # fmt: skip
    parts = pm.figures.windfall({"windfall": pd.DataFrame([row])})
    bars = [float(item.x[0]) for item in parts.data if item.type == "bar"]
    assert bars == pytest.approx([0.6, 0.3, -0.2])
    dots = [float(item.x[0]) for item in parts.data if item.type == "scatter"]
    assert dots == pytest.approx([0.7])


def test_what_an_overlap_study_shows() -> None:
    """Parties by case without the rows of single instruments; both sides of a check; units."""
    parties = pd.DataFrame({
        "case": "carbon", "party": ["users", "plant", "plant"], "line": ["all", "all", "carbon"],
        "loss": [3e6, -1e6, np.nan], "net": [0.0, 2e6, 2e6], "avoided_t": [0.0, 50.0, 50.0],
    })  # fmt: skip
    proof = pd.DataFrame(
        [("claimed", 1.5, "<=", 2.0, "tCO2", True)],
        columns=["check", "left", "relation", "right", "unit", "holds"],
    )
    caps = pd.DataFrame(
        [("r", 40.0, 100.0, 99.5, 0.002)],
        columns=["regime", "carbon_price", "limit_t", "counted_t", "cap_gap"],
    )
    leakage = pd.DataFrame([("r", 60.0, -200.0, 50.0, 0.25)],
                           columns=["regime", "carbon_price", "priced_change_t",
                                    "elsewhere_change_t", "leakage_rate"])  # fmt: skip
    tables = {"overlap_parties": parties, "overlap_proof": proof, "caps": caps, "leakage": leakage}
    shown = {item.name: item.x[0] for item in pm.figures.burdens(tables).data}
    assert shown == {"users": 3.0, "plant": -1.0}
    made = {item.name: item.make(named(tables, "en", {"currency": "CNY"}), {}).table
            for item in SECTIONS if item.needs and set(item.needs) <= {*tables}}  # fmt: skip
    assert made["ledger_proof"].to_numpy().tolist() == [
        ["claimed", "1.5", "<=", "2", "tCO2", "yes"]
    ]
    assert made["caps"].iloc[0].tolist() == ["r", "40", "100", "99.5", "0.2"]
    assert "carbon price (CNY/t)" in made["caps"]
    assert made["leakage"].iloc[0].tolist() == ["r", "60", "-200", "50", "25"]


def test_what_moves_nothing_is_no_figure() -> None:
    """A remedy that is worth less than anybody would see is no bar."""
    rows = pd.DataFrame({"regime": "r", "remedy": "corridor", "where": "A-B", "size": 1.0,
                         "unit": "MW", "money_by_dual": [5.0], "money_by_difference": [np.nan],
                         "mwh_by_dual": [1e-12], "mwh_by_difference": [np.nan]})  # fmt: skip
    section = next(item for item in SECTIONS if item.name == "remedies")
    views = section.make(named({"remedies": rows}, "en", {}), {}).views
    assert [view.choice["what"] for view in views] == ["resource cost saved"]


def test_figures_of_runs_comparisons_studies_and_folders(
    two_province: pm.Case, run: pm.Run, results: Path, tmp_path: Path
) -> None:
    """The same figure from each of them, and what there is not is told."""
    result = pm.Comparison(two_province, [run])
    sums = []
    for source in (run, result, results):
        data = pm.figures.dispatch(source, "full_market", province="South").data
        sums.append({item.name: float(np.sum(item.y)) for item in data})
    # South has load of 900 MW by night, 1,400 MW by day: 27.6 GWh; coal of 600 and 700 MW.
    assert sums[0] == sums[1] == pytest.approx(sums[2]) and sums[0]["load"] == pytest.approx(27.6)
    shown = pm.figures.payments(run).data[0]
    assert sum(shown.link.value) == pytest.approx(run.ledger["amount"].abs().sum() / 1e6)
    causes = pd.DataFrame({"regime": "r", "cause": ["network", "quota"], "province": "North",
                           "mwh": [3000.0, -1000.0]})  # fmt: skip
    assert [item.x[0] for item in pm.figures.causes({"causes": causes}).data] == [3.0, -1.0]
    for wrong in ({"regime": "full_markt"}, {"carbon_price": 7.0}, {"window": "w"},
                  {"province": "Nord"}):  # fmt: skip
        with pytest.raises(pm.InputError, match=r"did you mean|no carbon price 7|valid: all"):
            pm.figures.dispatch(run, **wrong)
    with pytest.raises(pm.InputError, match="have no table 'causes'"):
        pm.figures.causes(result)
    with pytest.raises(pm.InputError, match="is neither a run nor a comparison"):
        pm.figures.dispatch(3)
    assert result.report(tmp_path / "page.html", language="zh").stat().st_size > 1e6


def test_quality_of_data_is_in_the_record_and_on_the_page(tmp_path: Path) -> None:
    (tmp_path / "net" / "tables").mkdir(parents=True)
    table = "bus,quality\nA,sourced\nB,estimated\nC,sourced\n"
    (tmp_path / "net" / "tables" / "buses.csv").write_text(table, encoding="utf-8")
    (tmp_path / "net" / "tables" / "plain.csv").write_text("bus\nA\n", encoding="utf-8")
    market = pm.Market(value_of_lost_load=9000.0)
    case = pm.Case(one_bus([60.0]), market, folder=tmp_path / "net")
    assert quality_of(case) == {"buses": {"sourced": 2, "estimated": 1}}
    record = pm.Comparison(case, []).record()
    assert record["quality"] == quality_of(case)
    assert record["market"]["value_of_lost_load"] == 9000.0  # type: ignore[index]
    shares = {item.name: list(item.x) for item in pm.figures.quality(quality_of(case)).data}
    assert shares == {"sourced": pytest.approx([200 / 3], rel=1e-6),
                      "estimated": pytest.approx([100 / 3], rel=1e-6)}  # fmt: skip


def test_dispatch_stacks_what_is_given_and_what_is_taken() -> None:
    """Rounding below zero moves nothing; who does both is in both stacks."""
    row = {"regime": "r", "carbon_price": 0.0, "window": "w", "hours": 1.0, "load": 100.0,
           "price": 1.0, "curtailed": 0.0, "charging": 0.0}  # fmt: skip
    output = {"coal": [100.0, -1e-12], "gas": [5.0, -5.0]}
    hours = pd.DataFrame({**row, **output}, index=range(2))
    hours.insert(3, "snapshot", pd.date_range("2022-01-03", periods=2, freq="h"))
    data = pm.figures.dispatch({"hours": hours}, "r", 0.0, "w").data
    stacks = [(item.name, item.stackgroup, list(item.y)) for item in data[:-1]]
    assert stacks == [("coal", "output", [100, 0]), ("gas", "output", [5, 0]),
                      ("gas", "taken", [0, -5])]  # fmt: skip


def test_names_cannot_leave_their_element(tmp_path: Path) -> None:
    n = one_bus([60.0])
    n.name = "<script>alert(1)</script>"
    n.generators = n.generators.rename(index={"wind": "</script><b>wind"})
    n.buses.loc["A", ["x", "y"]] = 1.0, 1.0
    n.buses["name_zh"] = np.nan
    item = replace(pm.regime("full_market"), name="<!--")
    found = pm.compare(pm.Case(n), [item, "joint_dispatch"], carbon_prices=[0])
    kept = found.to_parquet(tmp_path / "r")
    html = report_of(kept).html
    assert "<script>alert(1)" not in html and "</script><b>" not in html
    for text in re.findall(r'class="(?:plot|choice)">(.*?)</script>', html, flags=re.DOTALL):
        json.loads(text)
    # A bus without a Chinese name has its own; of one hour a step is drawn.
    assert found.tables["provinces"]["name_zh"].tolist() == ["A", "A"]
    assert "map" in report_of(kept, "zh").sections
    notebook = [shown._repr_html_() for shown in (found.case, item, found.runs[0], found)]
    # Coal gives 35 MW beside 25 of wind, at 300 money/MWh.
    assert "10,500" in notebook[2] and "300.00" in notebook[2] and "MeritOrder" in notebook[1]
    assert "coal 100, gas 100, onshore wind 50" in notebook[0]
    for html in notebook:
        assert "<script" not in html and "<!--" not in html and len(html) < 3000
    curve = pm.figures.duration(found, 0.0).data[0]
    assert list(curve.x) == [0, 100] and list(curve.y) == [300, 300]


def test_what_is_no_result_is_refused(results: Path, english: Report, tmp_path: Path) -> None:
    with pytest.raises(pm.InputError, match="holds no results"):
        report_of(tmp_path)
    with pytest.raises(pm.InputError, match="is no folder"):
        report_of(tmp_path / "nowhere")
    with pytest.raises(pm.InputError, match="no language 'fr'"):
        report_of(results, "fr")
    with pytest.raises(pm.InputError, match="is a folder"):
        english.write(tmp_path)
    (results / "blocked").write_text("", encoding="utf-8")
    with pytest.raises(pm.StorageError, match="cannot be written"):
        english.write(results / "blocked" / "page.html")
    old = shutil.copytree(results, tmp_path / "old")
    record = json.loads((old / "record.json").read_text(encoding="utf-8"))
    record["versions"]["powermkt"] = "9.0.0"
    (old / "record.json").write_text(json.dumps(record), encoding="utf-8")
    (old / "prices.parquet").write_bytes(b"no parquet")
    with pytest.raises(pm.InputError) as told:
        report_of(old)
    assert len(told.value.faults) == 2
    assert "is of powermkt 9.0.0" in str(told.value) and "prices.parquet" in str(told.value)
    (old / "record.json").write_text("{", encoding="utf-8")
    with pytest.raises(pm.InputError, match=r"record\.json: cannot be read"):
        report_of(old)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("language", "width"),
    [
        ("en", 1280), ("zh", 390),
        pytest.param("en", 390, marks=pytest.mark.long),
        pytest.param("zh", 1280, marks=pytest.mark.long),
    ],
)  # fmt: skip
def test_in_a_browser(
    browser: Any, results: Path, tmp_path: Path, language: str, width: int
) -> None:
    """No errors, no requests, nothing wider than the window; switches and downloads work."""
    from axe_playwright_python.sync_playwright import Axe

    file = report_of(results, language).write(tmp_path / "page.html")
    page = browser.new_page(viewport={"width": width, "height": 900})
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    for name in [section.get_attribute("id") for section in page.locator("section").all()]:
        page.locator(f"#{name}").scroll_into_view_if_needed()
        drawn = f"!document.querySelector('#{name} .figure')"
        page.wait_for_function(f"{drawn} || document.querySelector('#{name} .figure svg')")
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # By keyboard: the next regime, then its data.
    radio = page.locator("#dispatch input[type=radio]").first
    radio.focus()
    page.keyboard.press("ArrowRight")
    wind = "陆上风电" if language == "zh" else "onshore wind"
    drawn = page.evaluate(
        "name => Array.from(document.querySelector('#dispatch .figure')._fullData"
        ".find(t => t.name === name).y).reduce((a, b) => a + b)",
        wind,
    )
    assert drawn == pytest.approx(6.0, abs=1e-6)  # GWh of wind in the market: 7,200 - 1,200
    # The mean day of one province, from a switch; then all provinces again.
    switch = page.locator("#dispatch [data-switch=province]")
    assert switch.count() == 3
    switch.nth(1).check()
    here = page.evaluate("document.querySelector('#dispatch .figure')._fullLayout.xaxis.title.text")
    assert here == ("时刻" if language == "zh" else "hour of the day")
    switch.first.check()
    with page.expect_download() as download:
        page.locator("#dispatch button[data-download]").press("Enter")
    table = pd.read_csv(download.value.path())
    assert table["regime"].unique().tolist() == ["full_market"]
    assert table["onshore wind"].sum() == pytest.approx(6000)
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa"]})
    assert found.violations_count == 0, found.generate_report()
    page.close()


def test_a_record_whose_list_of_files_is_none_is_refused(tmp_path: Path) -> None:
    pd.DataFrame({"regime": ["a"]}).to_parquet(tmp_path / "comparison.parquet")
    record = {"versions": {"powermkt": pm.__version__}, "files": None}
    (tmp_path / "record.json").write_text(json.dumps(record))
    with pytest.raises(pm.InputError, match="files is no mapping"):
        read_folders([tmp_path])
