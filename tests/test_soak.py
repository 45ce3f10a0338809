"""Random studies: rules put together at random on random networks, at random carbon prices.

Each is refused, cannot be cleared, or is cleared so that money and energy add up and an audit finds
nothing; and memory stays what it was. `pytest -m long tests/test_soak.py`
"""

from __future__ import annotations

import gc
from collections import Counter
from random import Random

import numpy as np
import psutil
import pydantic
import pytest
from toys import random_case

import powermkt as pm
from powermkt.common.ledger import balances
from powermkt.errors import ClearingError, InputError
from powermkt.rules import RULES

STUDIES = 200
_LEAK_MB = 300


def random_regime(random: Random) -> pm.Regime:
    """A preset with some of its rules replaced, and some added; most values as by default."""
    preset = pm.regime(random.choice(pm.presets()))
    content = {rule.role: [rule] for rule in preset.rules}
    for name in random.sample(sorted(RULES), random.randrange(1, 4)):
        values = {}
        fields = RULES[name].model_fields
        for key in random.sample(sorted(fields), min(len(fields), random.randrange(3))):
            values[key] = random.choice([True, False, 0, 0.5, 1, 2.5, 60, "auction", None])
        try:
            rule = RULES[name].model_validate(values)
        except pydantic.ValidationError:
            try:
                rule = RULES[name]()
            except pydantic.ValidationError:
                continue
        if rule.role in ("dispatch", "trade", "pricing") or random.random() < 0.5:
            content[rule.role] = [rule]
        else:
            content.setdefault(rule.role, []).append(rule)
    return pm.Regime("random", tuple(rule for rules in content.values() for rule in rules))


def study(seed: int) -> str:
    """Clear one; what came of it."""
    random = Random(seed)
    case = random_case(random.randrange(8), 6, 2)
    try:
        run = pm.clear(case, random_regime(random), random.choice([0.0, 0.0, 20.0, 150.0]))
    except InputError as error:
        assert error.faults
        return "refused"
    except ClearingError as error:
        assert str(error)
        return "not cleared"
    net = balances(run.ledger)
    turnover = run.ledger["amount"].abs().sum()
    assert abs(net.sum()) <= 1e-9 * turnover
    assert np.isfinite(run.ledger["amount"]).all()
    n = case.network()
    left = -run.outcome.served(case).T.groupby(n.loads["bus"]).sum().T
    left = left.add(run.dispatch.T.groupby(n.generators["bus"]).sum().T, fill_value=0)
    left = left.add(run.storage.T.groupby(n.storage_units["bus"]).sum().T, fill_value=0)
    flows = run.flows[n.links.index]
    left = left.sub(flows.T.groupby(n.links["bus0"]).sum().T, fill_value=0)
    received = flows * n.links["efficiency"]
    left = left.add(received.T.groupby(n.links["bus1"]).sum().T, fill_value=0)
    assert np.abs(left.to_numpy()).max() < 1e-4
    audited = run.audit()
    assert audited.ok, audited.findings[:5]
    return "cleared"


def memory() -> float:
    """Memory of this process [MB]."""
    gc.collect()
    return float(psutil.Process().memory_info().rss) / 1e6


@pytest.mark.long
def test_random_studies_add_up_or_are_refused() -> None:
    outcomes: Counter[str] = Counter()
    before = 0.0
    for seed in range(STUDIES):
        if seed == STUDIES // 4:
            before = memory()
        outcomes[study(seed)] += 1
    assert memory() - before < _LEAK_MB
    assert outcomes["cleared"] > STUDIES // 5 and outcomes["refused"] > 0, outcomes
