"""The master programme in numbers alone."""

from __future__ import annotations

import numpy as np
import pytest

from powermkt.methods.master import Master


def test_bounds_of_prices_lie_below_the_cost() -> None:
    """8 units from steps of 5 at 100, 10 at 200: 1,100. At 300: 8 x 300 - 5 x 200 - 10 x 100."""
    one = np.ones(1)
    master = Master(
        -one, 8 * one, 4000 * one, 10 * one, np.array([5.0, 10.0, 10.0]),
        np.array([100.0, 200.0, 400.0]), np.ones((1, 3)), 1,
    )  # fmt: skip
    assert master.add(0, 0.0, 0 * one) and not master.add(0, 0.0, 0 * one)
    found = master.solve()
    assert (found.value, found.prices[0]) == pytest.approx((1100, 200))
    for price, bound in ((300.0, 400.0), (200.0, 1100.0)):
        master.answered(price * one, 0.0)
        assert master.bound == pytest.approx(bound)
    master.answered(0 * one, 0.0)  # a worse one moves nothing
    assert (master.bound, master.best[0]) == pytest.approx((1100, 200))
    assert master.gap(found.value) == pytest.approx(0)
