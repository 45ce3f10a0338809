"""What users pay under retail rules: bands, catalogue tariffs, agency, surcharges. By hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pypsa
import pytest
import toys

import powermkt as pm
from powermkt.common.ledger import balances
from powermkt.inputs.market import Market
from powermkt.rules import RetailTariff
from powermkt.rules.contracts import contract_base
from powermkt.studies.comparison import Comparison

CLASSES = {
    "shops": "industrial_commercial",
    "smelter": "energy_intensive",
    "homes": "residential_agricultural",
}
AUCTION = pm.rules.CarbonPrice(allocation="auction")
TARIFF = 560.0


@toys.copied
def province(weight: float = 2.0) -> pypsa.Network:
    """Coal at 460 and e 0.95 with a tariff of 394.9 serves shops 60, a smelter 30, homes 10 MW."""
    n = pypsa.Network()
    n.set_snapshots(pd.date_range("2022-01-03", periods=2, freq="h"))
    toys.weigh(n, weight)
    n.add("Bus", "A")
    n.add("Carrier", ["coal", "gas"])
    coal = {"bus": "A", "carrier": "coal", "p_nom": 200.0, "marginal_cost": 460.0,
            "emission_rate": 0.95, "tariff": 394.9}  # fmt: skip
    gas = {"bus": "A", "carrier": "gas", "p_nom": 200.0, "marginal_cost": 900.0}
    toys.add_rows(n, "Generator", {"coal": coal, "gas": gas})
    for (name, kind), load in zip(CLASSES.items(), (60.0, 30.0, 10.0), strict=True):
        n.add("Load", name, bus="A", p_set=load, tariff=TARIFF, user_class=kind)
    n.loads["network_charge"] = 120.0
    return n


@pytest.fixture(scope="module")
def case() -> pm.Case:
    return pm.Case(province())


def regime(*, pricing: pm.rules.PricingRule | None = None, **options: object) -> pm.Regime:
    rule = RetailTariff.model_validate(options)
    pricing = pricing or pm.rules.LocationalPrice()
    return pm.Regime("r", (pm.rules.MeritOrder(), pm.rules.Coupled(), pricing, AUCTION, rule))


@pytest.fixture(scope="module")
def cleared(case: pm.Case) -> tuple[pm.Run, pm.Run]:
    """Without a carbon price and at 60 money/t: coal sets 460 and 517."""
    free, priced = (pm.clear(case, regime(), tau) for tau in (0.0, 60.0))
    return free, priced


def under(runs: tuple[pm.Run, pm.Run], **options: object) -> Comparison:
    """The same clearings under another retail rule, which only says who pays."""
    rule = regime(**options)
    return Comparison(
        runs[0].case,
        [replace(run, regime=rule.at(run.carbon_price)) for run in runs],
    )


def changes(result: Comparison) -> pd.DataFrame:
    table = result.retail
    return table[table["carbon_price"] > 0].set_index("user_class")


@pytest.mark.parametrize(
    "options",
    [{}, {"contract_price": "carbon", "premium": 460 / 394.9 - 1}],
    ids=["spot", "carbon"],
)
def test_the_band_of_2021(cleared: tuple[pm.Run, pm.Run], options: dict[str, object]) -> None:
    """460 + 57 = 517, clipped to 1.2 x 394.9 = 473.88: of 57, shops see 13.88 (24.4 %).

    The smelter all, homes nothing. Of what generation emits on average, 0.95 x 60 = 57.
    """
    found = changes(under(cleared, **options))
    assert found.loc["industrial_commercial", "price_change"] == pytest.approx(13.88)
    assert found.loc["industrial_commercial", "pass_through"] == pytest.approx(0.2435, abs=5e-5)
    assert found.loc["industrial_commercial", "price"] == pytest.approx(473.88 + 120)
    assert found.loc["energy_intensive", "pass_through"] == pytest.approx(1.0)
    assert found.loc["residential_agricultural", "price_change"] == 0
    assert found.loc["residential_agricultural", "price"] == TARIFF


def test_the_grid_company_bears_the_difference(cleared: tuple[pm.Run, pm.Run]) -> None:
    """Shops 60 MW for 4 h pay 43.12 less than 517, homes 10 MW pay 560 for 517 + 120."""
    result = under(cleared)
    run = result.runs[1]
    rows = run.ledger[run.ledger["product"] == "retail settlement"].set_index("payer")["amount"]
    assert rows["shops"] == pytest.approx(-43.12 * 240)
    assert rows["homes"] == pytest.approx(-77.0 * 40)
    assert "smelter" not in rows or rows["smelter"] == pytest.approx(0, abs=1e-9)
    net = balances(run.ledger)
    assert net["grid company A"] == pytest.approx(120 * 400 - 43.12 * 240 - 77.0 * 40)
    assert net.sum() == pytest.approx(0, abs=1e-6)
    # What users pay, in the ledger and as announced.
    paid = (run.outcome.served(run.case) * run.announced.retail).to_numpy().sum() * 2.0
    assert run.summary()["consumer_payment"] == pytest.approx(paid)
    mean = (60 * 13.88 + 30 * 57.0) / 100
    rates = result.pass_through.set_index("province")
    assert rates.loc["A", "pass_through_retail"] == pytest.approx(mean / 57)


@pytest.mark.parametrize(
    ("options", "shops", "smelter"),
    [
        # Half under contract: 0.5 x 13.88 + 0.5 x 57; what is not is not bound.
        ({"contract_share": 0.5}, 35.44, 57.0),
        ({"contract_share": 0.0}, 57.0, 57.0),
        ({"band": 0.5}, 57.0, 57.0),
        # 5 % over the market: 483 and 542.85, both above 473.88.
        ({"premium": 0.05}, 0.0, 59.85),
        # A surcharge does not move.
        ({"surcharge": 19.0}, 13.88, 57.0),
        # Serving homes costs 460 + 120 - 560 = 20 a MWh and then 77: 10 x 57 more over 90 MW.
        ({"catalogue_balance": "users"}, 13.88 + 570 / 90, 57.0 + 570 / 90),
    ],
)
def test_what_reaches_users(
    cleared: tuple[pm.Run, pm.Run], options: dict[str, object], shops: float, smelter: float
) -> None:
    result = under(cleared, **options)
    found = changes(result)["price_change"]
    assert found["industrial_commercial"] == pytest.approx(shops, abs=1e-9)
    assert found["energy_intensive"] == pytest.approx(smelter)
    assert found["residential_agricultural"] == 0
    for run in result.runs:
        assert balances(run.ledger).sum() == pytest.approx(0, abs=1e-6)
        paid = (run.outcome.served(run.case) * run.announced.retail).to_numpy().sum() * 2.0
        assert run.summary()["consumer_payment"] == pytest.approx(paid)


def test_the_grid_company_keeps_its_charge_alone_where_users_share(
    cleared: tuple[pm.Run, pm.Run],
) -> None:
    """All at spot and homes shared: everybody together pays the market and the network."""
    run = under(cleared, contract_share=0.0, catalogue_balance="users").runs[1]
    assert balances(run.ledger)["grid company A"] == pytest.approx(120 * 400)
    assert run.announced.retail["shops"].iloc[0] == pytest.approx(637 + 770 / 90)


def test_surcharges_go_to_their_account(cleared: tuple[pm.Run, pm.Run]) -> None:
    """19 on 90 MW for 4 h; by class 19 on the smelter alone."""
    for surcharge, energy in ((19.0, 360), ({"energy_intensive": 19.0}, 120)):
        net = balances(under(cleared, surcharge=surcharge).runs[0].ledger)
        assert net["public funds"] == pytest.approx(19 * energy)
    wide = under(cleared, surcharge=19.0, account="renewable fund").incidence_summary
    assert "renewable fund" not in wide  # it receives the same at both prices


def test_the_lower_end_holds_for_everybody() -> None:
    """Energy at 100: contracts at 0.8 x 394.9, for the smelter as well."""
    n = province()
    n.generators.loc["coal", "marginal_cost"] = 100.0
    run = pm.clear(pm.Case(n), regime())
    assert run.announced.retail.iloc[0].tolist() == pytest.approx(
        [0.8 * 394.9 + 120, 0.8 * 394.9 + 120, TARIFF]
    )


@pytest.fixture(scope="module")
def peaky() -> pm.Run:
    """Gas at 900 serves 40 of 240 MW in the second hour."""
    n = province()
    n.loads_t["p_set"] = pd.DataFrame({"shops": [60.0, 200.0]}, n.snapshots)
    return pm.clear(pm.Case(n), regime(contract_share=0.0))


@pytest.mark.parametrize(("share", "flat"), [(0.0, 0.0), (1.0, 1.0), (0.25, 0.25)])
def test_agency_purchase_passes_on_the_mean(peaky: pm.Run, share: float, flat: float) -> None:
    """Shops use 60 at 460 and 200 at 900: the mean is 798.46; the smelter buys itself."""
    run = replace(peaky, regime=regime(contract_share=0.0, agency_share=share))
    mean = (60 * 460 + 200 * 900) / 260
    expected = (1 - flat) * np.array([460.0, 900.0]) + flat * mean + 120
    assert run.announced.retail["shops"].tolist() == pytest.approx(expected.tolist())
    assert run.announced.retail["smelter"].tolist() == pytest.approx([580, 1020])
    # Over the horizon shops pay what they would have paid.
    rows = run.ledger[run.ledger["product"] == "retail settlement"]
    assert rows.loc[rows["payer"] == "shops", "amount"].sum() == pytest.approx(0, abs=1e-6)


def test_a_contract_is_priced_at_the_mean_of_the_province(peaky: pm.Run) -> None:
    """100 MW at 460 and 240 MW at 900, a premium of -30 %: 539.4, above the band for shops."""
    run = replace(peaky, regime=regime(premium=-0.3))
    wholesale = 0.7 * (100 * 460 + 240 * 900) / 340
    assert run.announced.retail["smelter"].tolist() == pytest.approx([wholesale + 120] * 2)
    assert run.announced.retail["shops"].tolist() == pytest.approx([1.2 * 394.9 + 120] * 2)


def test_base_of_the_band() -> None:
    """By load, else the benchmark tariff of coal in the province, else the default tariff."""
    n = province()
    n.add("Bus", "B")
    n.add("Generator", "more", bus="A", carrier="coal", p_nom=100.0, tariff=424.9)
    n.add("Load", "far", bus="B", p_set=0.0, user_class="industrial_commercial")
    n.loads["contract_base"] = ["", "500", np.nan, ""]
    case = pm.Case(n)
    expected = [(200 * 394.9 + 100 * 424.9) / 300, 500.0, (200 * 394.9 + 100 * 424.9) / 300]
    assert contract_base(case).tolist() == pytest.approx([*expected, case.default_tariff])


def test_capacity_payments_reach_users_in_the_market(case: pm.Case) -> None:
    """330 x 30 % a kW and year for 200 MW over 4 of 8,760 h: 9,041.1, shared by 400 MWh.

    22.6 a MWh for shops and smelter; homes pay their tariff, so that the grid company bears theirs.
    """
    capacity = pm.rules.CapacityPayment(rate={"coal": 330.0}, share={"coal": 0.3})
    plain = regime(contract_share=0.0)
    paid = replace(plain, rules=(*plain.rules, capacity))
    run = pm.clear(case, paid)
    per_mwh = 200 * 330 * 0.3 * 1000 * 4 / 8760 / 400
    assert run.announced.retail.iloc[0].tolist() == pytest.approx(
        [580 + per_mwh, 580 + per_mwh, TARIFF]
    )
    assert balances(run.ledger)["coal"] == pytest.approx(460 * 400 + per_mwh * 400)
    short = (580 + per_mwh - TARIFF) * 40
    assert balances(run.ledger)["grid company A"] == pytest.approx(120 * 400 - short)


def test_beside_regulated_tariffs_contracts_follow_what_generation_is_paid(case: pm.Case) -> None:
    """Coal is paid 394.9: so are contracts, and the network's charge stays."""
    run = pm.clear(case, regime(pricing=pm.rules.BenchmarkTariff()))
    assert run.announced.retail.iloc[0].tolist() == pytest.approx([514.9, 514.9, TARIFF])
    assert balances(run.ledger)["grid company A"] == pytest.approx(120 * 360 + (560 - 394.9) * 40)


def test_a_negative_load_is_paid_the_market_price(case: pm.Case) -> None:
    n = province()
    toys.add_rows(
        n, "Load", {"rooftop": {"bus": "A", "p_set": -5.0, "user_class": "", "tariff": 0.0}}
    )
    run = pm.clear(pm.Case(n), regime())
    assert run.announced.retail["rooftop"].tolist() == pytest.approx([460, 460])


def test_a_retail_rule_is_no_other_clearing(case: pm.Case) -> None:
    plain = pm.Regime("plain", regime().rules[:-1])
    assert regime().clearing_key == plain.clearing_key
    assert regime().structure == plain.structure


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"band": -0.1}, "band"),
        ({"contract_share": 1.2}, "contract_share"),
        ({"agency_share": -0.1}, "agency_share"),
        ({"surcharge": {"energy_intensive": -1}}, "surcharge"),
        ({"contract_price": "spot"}, "contract_price"),
        ({"account": ""}, "account"),
        ({"bnad": 0.2}, "did you mean 'band'"),
    ],
)
def test_bad_values_are_named(options: dict[str, object], message: str) -> None:
    entry = {"rule": "RetailTariff", **options}
    with pytest.raises(pm.InputError, match=message):
        pm.regime({"name": "r", "extends": "full_market", "retail": entry})


def test_classes_that_pay_no_surcharge_are_named(case: pm.Case) -> None:
    wrong = {"homes": 1.0, "energy_intensiv": 1.0, "residential_agricultural": 1.0}
    with pytest.raises(pm.InputError) as caught:
        pm.clear(case, regime(surcharge=wrong))
    text = str(caught.value)
    assert "unknown class 'homes'" in text and "did you mean 'energy_intensive'" in text
    assert "'residential_agricultural' pays its tariff" in text
    assert len(caught.value.faults) == 3


def test_pricing_rules_with_contracts_of_their_own_are_refused() -> None:
    with pytest.raises(pm.InputError, match="GuaranteedPurchase, which states contracts"):
        regime(pricing=pm.rules.GuaranteedPurchase())
    with pytest.raises(pm.InputError, match="more than one rule of retail"):
        pm.Regime("r", (*regime().rules, RetailTariff()))


def test_a_negative_base_is_a_fault() -> None:
    n = province()
    n.loads["contract_base"] = -1.0
    with pytest.raises(pm.InputError, match=r"loads\.contract_base"):
        pm.Case(n)


def test_regimes_with_a_retail_rule_come_from_files() -> None:
    text = "extends: full_market\nretail: {rule: RetailTariff, band: 0.1, surcharge: 19}\n"
    import yaml

    read = pm.regime({"name": "r", **yaml.safe_load(text)})
    assert read.retail == RetailTariff(band=0.1, surcharge=19.0)
    assert pm.regime(yaml.safe_load(read.to_yaml())).rules == read.rules


def test_users_without_a_value_of_lost_load_still_settle() -> None:
    """Load that is shed pays nothing: at 5000 what cannot be served is shared by all users."""
    n = province()
    n.generators["p_nom"] = [50.0, 0.0]
    run = pm.clear(pm.Case(n, Market(value_of_lost_load=5000)), regime())
    assert run.outcome.served(run.case).iloc[0].tolist() == pytest.approx([30, 15, 5])
    paid = (run.outcome.served(run.case) * run.announced.retail).to_numpy().sum() * 2.0
    assert run.summary()["consumer_payment"] == pytest.approx(paid)
    assert run.announced.retail["homes"].tolist() == [TARIFF] * 2
