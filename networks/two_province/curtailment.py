"""Why wind is thrown away under two regimes, and what a wider tie would change.

``python networks/two_province/curtailment.py``: shares of causes that add up (Shapley values), then
what is lost with a tie of 300 and of 400 MW.
"""

from pathlib import Path

import pandas as pd

import powermkt as pm

FOLDER = Path(__file__).parent
REGIMES = ("provincial_market", "full_market")
CAUSES = ("flexibility", "network", "barrier")


def causes(case: pm.Case) -> pd.DataFrame:
    """Return curtailed energy by regime and cause [MWh]; a row adds up to what is curtailed."""
    found = {
        name: pm.explain_curtailment(case, name, causes=CAUSES, workers=1).by_cause["total"]
        for name in REGIMES
    }
    table = pd.DataFrame(found).T
    table["all"] = table.sum(axis=1)
    return table


def with_tie(case: pm.Case, rating: float) -> pm.Case:
    """Return the case with another rating of the tie [MW]."""
    n = case.network()
    n.links.loc["tie", "p_nom"] = rating
    n.links_t.p_set["tie"] = case.schedule["tie"]  # the framework schedule stays what it is
    return pm.Case(n, case.market)


def main() -> None:
    """Print both tables."""
    case = pm.read(FOLDER)
    print("curtailed wind by cause, MWh a day")
    print(causes(case).round(1).to_string())
    print("\ncurtailed wind by rating of the tie, MWh a day")
    lost = {
        f"{rating:g} MW": {
            name: pm.clear(with_tie(case, rating), name).summary()["curtailment_mwh"]
            for name in REGIMES
        }
        for rating in (300.0, 400.0)
    }
    print(pd.DataFrame(lost).round(1).to_string())


if __name__ == "__main__":
    main()
