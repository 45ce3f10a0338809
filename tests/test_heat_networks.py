"""Networks of electricity, heat, fuels and CO2 as PyPSA-China's sector-coupled ones are built."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from heattoy import MARKET, chinese

import powermkt as pm
from powermkt.common.ledger import balances

LONG = pytest.mark.long


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> pm.Case:
    folder = tmp_path_factory.mktemp("chinese")
    chinese().export_to_netcdf(str(folder / "postnetwork.nc"))
    (folder / "market.yaml").write_text(yaml.safe_dump(MARKET))
    case = pm.read(folder)
    return pm.plan_schedule(case)


@pytest.mark.slow
def test_a_market_on_it_is_what_pypsa_finds(case: pm.Case) -> None:
    """Stock PyPSA with capacities fixed at what it found: cost, and every price that is unique."""
    run = pm.clear(case, "full_market", 0.0)
    n = chinese().copy()
    n.optimize.fix_optimal_capacities()
    n.remove("GlobalConstraint", "co2_limit")
    n.optimize(include_objective_constant=False, log_to_console=False)
    assert run.objective == pytest.approx(n.objective, rel=1e-7)
    unique = run.price_unique.to_numpy()
    apart = (run.prices - n.buses_t["marginal_price"][run.prices.columns]).abs().to_numpy()
    assert unique.any() and apart[unique].max() < 1e-5
    # Heat is made by plant of every kind that was found, through links of three ports.
    assert (
        run.flows[["Anhui CHP coal", "Anhui central biomass CHP", "Jilin central heat pump"]].sum()
        > 1
    ).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    "regime",
    [
        name if name in ("priority_dispatch", "full_market") else pytest.param(name, marks=LONG)
        for name in pm.presets()
        if name != "two_settlement"  # there are no forecasts
    ],
)
def test_every_regime_settles_on_it(case: pm.Case, regime: str, tmp_path: Path) -> None:
    """Cleared and audited without findings: in memory, and on what it wrote."""
    run = pm.clear(case, regime, 20.0)
    assert not run.audit().findings
    money = run.ledger["amount"].abs().sum()
    assert abs(balances(run.ledger).sum()) <= 1e-9 * money
    # Fuel is burnt where it is brought in: all carbon is that of coal and gas.
    burnt = run.dispatch.mul(run.case.generators["emission_rate"]) * 4.0
    assert run.summary()["emissions_t"] == pytest.approx(burnt.to_numpy().sum())
    pm.compare(case, [regime], [20.0]).to_parquet(tmp_path)
    assert not pm.audit(tmp_path).findings
