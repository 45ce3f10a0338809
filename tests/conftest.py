"""Networks that tests share, and settings of hypothesis."""

from __future__ import annotations

import gc
from pathlib import Path

import hypothesis
import pytest

import powermkt as pm

# Modules stay; looking through them for garbage takes a tenth of the time.
gc.freeze()
gc.set_threshold(100_000, 50, 100)

# Shrinking over linear programmes takes minutes and teaches little.
for profile, examples in (("lp", 1), ("many", 3)):
    hypothesis.settings.register_profile(
        profile,
        max_examples=examples,
        deadline=None,
        derandomize=True,
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
hypothesis.settings.load_profile("lp")  # CI runs the properties with "many" as well

NETWORKS = Path(__file__).parents[1] / "networks"


@pytest.fixture(scope="session")
def two_province() -> pm.Case:
    return pm.read(NETWORKS / "two_province")
