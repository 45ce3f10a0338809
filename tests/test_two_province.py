"""The two-province system: every number can be found by hand.

North: N1 500 MW at 240 CNY/MWh and 0.80 t/MWh, N2 500 MW at 300 and 0.95, both at least half on;
wind 400 MW by night and 200 by day; load 500 and 800. South: S1 1000 MW at 360 and 0.82, at least
half on; S2 (gas) 600 MW at 520 and 0.38; load 900 and 1400. One tie of 300 MW, schedule 100 MW
southward. Twelve hours each. In South, with the tie at +100 or more, S1 covers the night and S1 at
1000 MW plus S2 the day in every row.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pypsa
import pytest
import toys

import powermkt as pm
from powermkt.accounts.metrics import simultaneous_storage

NIGHT, DAY = slice(0, 12), slice(12, 24)

# Equal shares: N1 = N2 = 0.65 x 500 x 24 = 7,800 MWh. North must generate 600 x 12 + 900 x 12 =
# 18,000, so wind gets 2,400 of 7,200: 66.7 % lost. Cost 7,800 (240 + 300) + S1 (800 x 12 + 1000
# x 12) 360 + S2 300 x 12 x 520 = 4,212,000 + 7,776,000 + 1,872,000.
# CO2 7,800 (0.80 + 0.95) + 21,600 x 0.82 + 3,600 x 0.38 = 13,650 + 17,712 + 1,368.
# Priority: N1 and N2 at 250 by night, wind 100 of 400; by day N1 450, N2 250, wind 200: 50 % lost.
# Cost 12 (250 x 240 + 250 x 300) + 12 (450 x 240 + 250 x 300) + South 9,648,000.
# CO2 12 (250 x 0.80 + 250 x 0.95 + 450 x 0.80 + 250 x 0.95) + 19,080.
# Joint: tie +300; night wind 300 of 400 (N at 500), day N1 500, N2 400: 16.7 % lost. South night
# S1 600, day S1 1000 and S2 100. Cost 12 (135,000 + 240,000) + 12 (216,000 + 360,000 + 52,000).
# CO2 12 (437.5 + 780) + 12 (492 + 820 + 38).
ROWS = {
    "fixed_tariff": (13_860_000, 32_730, 4_800, 2 / 3),
    "priority_dispatch": (13_464_000, 31_500, 3_600, 1 / 2),
    "provincial_market": (13_464_000, 31_500, 3_600, 1 / 2),
    "full_market": (12_036_000, 30_810, 1_200, 1 / 6),
}


@pytest.mark.parametrize("regime", ROWS)
def test_cost_emissions_and_curtailment(two_province: pm.Case, regime: str) -> None:
    cost, emissions, lost_mwh, lost_rate = ROWS[regime]
    run = pm.clear(two_province, regime)
    row = run.summary()
    assert run.objective == pytest.approx(cost, rel=1e-9)
    assert run.emissions == pytest.approx(emissions, rel=1e-9)
    assert row["curtailment_mwh"] == pytest.approx(lost_mwh, rel=1e-9)
    assert row["wind_curtailment_rate"] == pytest.approx(lost_rate, rel=1e-9)
    assert row["load_shed_mwh"] == 0


@pytest.mark.parametrize(
    ("regime", "north_day"),
    [("priority_dispatch", 240), ("provincial_market", 240), ("full_market", 300)],
)
def test_prices(two_province: pm.Case, regime: str, north_day: float) -> None:
    """By night wind is curtailed (0) and S1 sets 360; by day N1 or N2, and S2 at 520."""
    prices = pm.clear(two_province, regime).prices
    assert np.allclose(prices["North"].iloc[NIGHT], 0, atol=1e-9)
    assert np.allclose(prices["North"].iloc[DAY], north_day, atol=1e-9)
    assert np.allclose(prices["South"].iloc[NIGHT], 360, atol=1e-9)
    assert np.allclose(prices["South"].iloc[DAY], 520, atol=1e-9)


def test_fixed_tariff_settles_at_tariffs(two_province: pm.Case) -> None:
    """Coal of North 15,600 MWh at 380, wind 2,400 at 400: mean 382.667 in every hour.

    Users: North 15,600 MWh at 520, South 27,600 at 620 = 25,224,000.
    """
    run = pm.clear(two_province, "fixed_tariff")
    assert np.allclose(run.prices["North"], (15_600 * 380 + 2_400 * 400) / 18_000)
    assert run.summary()["consumer_payment"] == pytest.approx(25_224_000)
    paid = run.ledger.set_index(["payee", "product"])["amount"]
    assert paid["N1", "energy"] == pytest.approx(7_800 * 380)


@pytest.mark.parametrize(
    ("regime", "north_day", "south_night", "south_day"),
    # auction e tau: 0.95 x 60 = 57, 0.82 x 60 = 49.2, 0.38 x 60 = 22.8
    # by output (e - b) tau: (0.95 - 0.8177) 60 = 7.938, (0.82 - 0.8177) 60 = 0.138,
    # (0.38 - 0.3901) 60 = -0.606
    [("full_market_auction", 57.0, 49.2, 22.8), ("full_market", 7.938, 0.138, -0.606)],
)
def test_carbon_price_of_60(
    two_province: pm.Case, regime: str, north_day: float, south_night: float, south_day: float
) -> None:
    change = pm.clear(two_province, regime, 60.0).prices - pm.clear(two_province, regime).prices
    assert np.allclose(change["North"].iloc[NIGHT], 0, atol=1e-9)
    assert np.allclose(change["North"].iloc[DAY], north_day, atol=1e-9)
    assert np.allclose(change["South"].iloc[NIGHT], south_night, atol=1e-9)
    assert np.allclose(change["South"].iloc[DAY], south_day, atol=1e-9)


def test_pass_through_rates(two_province: pm.Case) -> None:
    """Marginal rate 1 under auction; under output-based allocation (e - b) / e, net rate 1.

    North has a fossil marginal unit by day only (N2): marginal 7.938 / 57 = 13.9 %. South, loads
    900 and 1400: (900 x 0.138 - 1400 x 0.606) / (900 x 49.2 + 1400 x 22.8) = -724.2 / 76,200.
    """
    rates = pm.pass_through(two_province, ["full_market", "full_market_auction"], [0, 60])
    rates = rates.set_index(["regime", "province"])
    for province in ("North", "South", "all"):
        auction = rates.loc[("full_market_auction", province)]
        assert auction["pass_through_marginal"] == pytest.approx(1.0)
        assert auction["pass_through_net"] == pytest.approx(1.0)
        assert rates.loc[("full_market", province), "pass_through_net"] == pytest.approx(1.0)
    by_output = rates["pass_through_marginal"]["full_market"]
    assert by_output["North"] == pytest.approx(7.938 / 57)
    assert by_output["South"] == pytest.approx(-724.2 / 76_200)
    kappa = rates["pass_through_rate"]["full_market_auction"]
    assert kappa["North"] == pytest.approx(0.95 * 800 / 1300)  # day load only
    share = rates["renewable_marginal_share"]["full_market"]
    assert share["North"] == pytest.approx(500 / 1300)
    assert share["South"] == 0


@pytest.mark.parametrize(("free", "expected"), [(0.0, 9.0), (0.5, 33.0), (1.0, 57.0)])
def test_windfall_of_a_clean_unit(two_province: pm.Case, free: float, expected: float) -> None:
    """N1 runs flat out by day with N2 marginal: dP - e tau + free e_m tau per MWh by day.

    Windfall q (dP - e tau) + tau A: dP = 57, e tau = 48 leaves 9; an allocation of half (all) of
    0.80 t/MWh adds 24 (48).
    """
    auction = pm.regime("full_market_auction")
    lump = pm.rules.CarbonPrice(allocation="lump_sum", free_share=free, reference_load_factor=1.0)
    regime = pm.Regime("lump sum", (*auction.rules[:3], lump))
    runs = [pm.clear(two_province, regime, tau) for tau in (0.0, 60.0)]
    assert runs[0].prices.equals(pm.clear(two_province, auction).prices)
    assert np.allclose(runs[1].prices, pm.clear(two_province, auction, 60.0).prices)
    by_day = {}
    for run in runs:
        q = run.dispatch["N1"].iloc[DAY].sum()
        revenue = (run.dispatch["N1"] * run.prices["North"]).iloc[DAY].sum()
        tau = run.carbon_price
        allowances = free * 0.80 * 500 * 12
        by_day[tau] = (revenue - q * 240 - tau * (0.80 * q - allowances)) / q
    assert by_day[60.0] - by_day[0.0] == pytest.approx(expected)
    # The account says the same over the whole day: free allocation of 24 h.
    account = runs[1].compliance.set_index("generator").loc["N1"]
    assert account["allocation_t"] == pytest.approx(free * 0.80 * 500 * 24)
    lacking = 0.80 * runs[1].dispatch["N1"].sum() - free * 0.80 * 500 * 24
    assert account["allowance_cost"] == pytest.approx(60 * lacking)


def test_summary_of_several_regimes(two_province: pm.Case) -> None:
    result = pm.compare(two_province, ["fixed_tariff", "full_market"], [0, 60])
    assert list(result.table["regime"]) == ["fixed_tariff"] * 2 + ["full_market"] * 2
    assert list(result.table.columns) == list(pm.COLUMNS)
    missing = result.table.columns[result.table.isna().any()]
    assert list(missing) == ["solar_curtailment_rate", "hydro_curtailment_rate"]  # there is none


def test_builder_reproduces_the_network(two_province: pm.Case) -> None:
    import importlib.util

    from conftest import NETWORKS

    spec = importlib.util.spec_from_file_location("b", NETWORKS / "two_province" / "build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    built = pm.Case(module.build(), two_province.market)
    pd.testing.assert_frame_equal(built.generators, two_province.generators, check_dtype=False)
    pd.testing.assert_frame_equal(
        built.availability, two_province.availability, check_freq=False, check_dtype=False
    )


@pytest.mark.slow
def test_range_of_curtailment_where_the_optimum_is_not_unique() -> None:
    """Two wind farms in provinces joined by a free tie: 30 MW too much, whose is not settled.

    Load 50, wind 40 + 40, so that 30 are lost: each farm loses 0 to 30. With loads of its own the
    range closes: the tie-break must not count as a difference of cost.
    """
    n = pypsa.Network()
    n.set_snapshots(range(2))
    n.add("Carrier", "wind")
    n.add("Bus", ["A", "B"])
    n.add("Generator", ["a", "b"], bus=["A", "B"], p_nom=40.0, carrier="wind")
    n.add("Generator", "dear", bus="A", p_nom=10.0, marginal_cost=100.0)
    n.add("Load", ["la", "lb"], bus=["A", "B"], p_set=25.0)
    n.add("Link", "ab", bus0="A", bus1="B", p_nom=100.0, p_min_pu=-1.0)
    for _ in range(2):
        table = pm.clear(pm.Case(n), "full_market", ranges=True).curtailment
        if n.links.loc["ab", "p_nom"] > 0:
            assert table["min"].tolist() == pytest.approx([0, 0], abs=1e-6)
            assert table["max"].tolist() == pytest.approx([60, 60])
            assert table["curtailment_mwh"].sum() == pytest.approx(60)
            n.links.loc["ab", "p_nom"] = 0.0
        else:
            assert table["min"].tolist() == pytest.approx([30, 30])
            assert table["max"].tolist() == pytest.approx([30, 30])


@pytest.mark.parametrize(
    ("dispatch", "note"),
    [
        ("PriorityOrder", "lossy links carried 210 MWh both ways in the same hours"),
        ("MeritOrder", None),
    ],
)
def test_links_that_burn_energy_are_told(dispatch: str, note: str | None) -> None:
    """Wind 100 MW in A, loads 20 and 10; ties of 50 MW each way lose a tenth; snapshots of 3 h.

    Where curtailing costs, wind fills the tie to B: 45 arrive, 35 go back. 35 x 2 x 3 = 210 MWh. By
    cost 10 / 0.9 go to B and nothing comes back.
    """
    n = windy()
    n.add("Link", "BA", bus0="B", bus1="A", p_nom=50.0, efficiency=0.9)
    result = pm.compare(pm.Case(n), [coupled(dispatch)], [0.0])
    back = 35.0 if note else 0.0
    assert result.runs[0].flows["BA"].tolist() == pytest.approx([back, back], abs=1e-6)
    notes = result.record()["notes"]["by weight @ 0"]
    assert [text for text in notes if "both ways" in text] == ([note] if note else [])


def test_storage_that_burns_energy_is_told() -> None:
    """Pumping 50 gives 40, of which 36 come out at once: 14 MW are gone in each snapshot of 3 h.

    Net pumping of 28 in two snapshots would store 0.8 x 28 MW that never come out: x 3 h = 67.2
    MWh. A river of 5 MW burns nothing. Of storage that leaks, or need not end as full as it began,
    nothing is said.
    """
    n = windy()
    n.add("Carrier", ["PHS", "hydro"])
    n.add(
        "StorageUnit", ["pumped", "river"], bus="A", carrier=["PHS", "hydro"], p_nom=[50.0, 5.0],
        max_hours=4, efficiency_store=0.8, efficiency_dispatch=0.9, inflow=[0.0, 5.0],
        p_min_pu=[-1.0, 0.0], cyclic_state_of_charge=True,
    )  # fmt: skip
    result = pm.compare(pm.Case(n), [coupled("PriorityOrder")], [0.0])
    assert result.runs[0].outcome.storage["pumped"].sum() == pytest.approx(-28)
    told = "storage charged and discharged at once, losing 67 MWh"
    assert told in result.record()["notes"]["by weight @ 0"]
    outcome = result.runs[0].outcome
    assert simultaneous_storage(pm.Case(n), outcome) == pytest.approx(67.2)
    # The river: 5 MW come in, 3 leave for 2.7 MW of output; 2 spilled are all there is, of 0.5
    # spilled 1.5 MW are gone, in two snapshots of 3 h.
    moved = outcome.storage.assign(pumped=0.0, river=2.7)
    for spilled, gone in ((2.0, 0.0), (0.5, 1.5 * 2 * 3)):
        spill = pd.DataFrame({"river": spilled}, moved.index)
        found = simultaneous_storage(pm.Case(n), replace(outcome, storage=moved, spill=spill))
        assert found == pytest.approx(gone, abs=1e-9)
    n.storage_units.loc["pumped", "standing_loss"] = 0.01
    assert simultaneous_storage(pm.Case(n), outcome) == pytest.approx(0, abs=1e-6)
    n.storage_units.loc["pumped", ["standing_loss", "cyclic_state_of_charge"]] = [0.0, False]
    assert simultaneous_storage(pm.Case(n), outcome) == pytest.approx(0, abs=1e-6)


def windy() -> pypsa.Network:
    """Two hours of wind 100 MW at A, where loads are 20 and, behind a tie that loses, 10."""
    n = pypsa.Network()
    n.set_snapshots(range(2))
    toys.weigh(n, 3.0)
    n.add("Carrier", "wind")
    n.add("Bus", ["A", "B"])
    n.add("Generator", "wind", bus="A", p_nom=100.0, carrier="wind")
    n.add("Load", ["near", "far"], bus=["A", "B"], p_set=[20.0, 10.0])
    n.add("Link", "AB", bus0="A", bus1="B", p_nom=50.0, efficiency=0.9)
    return n


def coupled(dispatch: str) -> pm.Regime:
    return pm.regime({"name": "by weight", "extends": "full_market", "dispatch": dispatch})
