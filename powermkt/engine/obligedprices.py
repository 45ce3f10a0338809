"""The prices of obligations that were found, what is met, and how well that is known."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

ENOUGH = 1e-4  # a gap up to it, of what obligations add to cost, is asked for

COLUMNS: dict[str, tuple[str, str]] = {
    "regime": ("", "name of the regime"),
    "carbon_price": ("money/t", "carbon price beside the obligations"),
    "line": ("", "obligation, `@province` where each province meets its own"),
    "kind": ("", "at_most or at_least"),
    "unit": ("", "label of the unit"),
    "target": ("unit", "what is to be met over the horizon"),
    "reached": ("unit", "what plant adds up to, with what measures save"),
    "saved": ("unit", "what measures add, or take off"),
    "shortfall": ("unit", "what is lacking, or above what is allowed; paid at the shortfall price"),
    "price": (
        "money/unit",
        "price at which it is met, of the best lower bound of cost; 0 where it does not bind",
    ),
    "mixture_price": (
        "money/unit",
        "price of the mixture that is given; how far from `price` says how well that is known",
    ),
    "free": ("unit", "what plant adds up to without any obligation"),
}

SAVINGS: dict[str, tuple[str, str]] = {
    "regime": ("", "name of the regime"),
    "carbon_price": ("money/t", "carbon price beside the obligations"),
    "measure": ("", "name of the measure"),
    "province": ("", "where it is, if that is stated"),
    "potential": ("tce", "most that it can save over the horizon"),
    "saved": ("tce", "what it saves"),
    "unit_cost": ("money/tce", "its resource cost"),
    "unit_worth": ("money/tce", "prices of obligations times what a tce counts in them"),
    "cost": ("money", "resource cost of what it saves, beside that of the power system"),
    "worth": ("money", "what it is paid"),
    "rent": ("money", "what it is paid beyond its cost"),
}


@dataclass(frozen=True)
class Obliged:
    """The prices of obligations, and how well they are known.

    Attributes
    ----------
    table : DataFrame
        One row a line, columns of `COLUMNS` but regime and carbon_price.
    savings : DataFrame
        One row a measure, columns of `SAVINGS` but regime and carbon_price.
    gap : float
        Offered cost less its lower bound, relative to it [1].
    gap_of_added : float
        The same relative to what obligations add to offered cost [1].
    rounds : int
        Times that every window was cleared.
    seconds : float
    """

    table: pd.DataFrame
    savings: pd.DataFrame
    gap: float
    gap_of_added: float
    rounds: int
    seconds: float

    @property
    def prices(self) -> dict[str, float]:
        """Price by line [money/unit]."""
        return dict(zip(self.table["line"], self.table["price"], strict=True))

    @property
    def saved(self) -> dict[str, float]:
        """Savings by measure [tce]."""
        return dict(zip(self.savings["measure"], self.savings["saved"], strict=True))

    @property
    def _price_error(self) -> float:
        """Largest distance of prices from those of the mixture, of the largest price [1]."""
        most = self.table["price"].max()
        apart = (self.table["price"] - self.table["mixture_price"]).abs().max()
        return float(apart / most) if most > 0 else 0.0

    @property
    def notes(self) -> list[str]:
        """What a run says of it."""
        lines = self.table.set_index("line")
        said = [
            f"obligations: cost within {self.gap:.1e} of its lower bound, "
            f"{self.gap_of_added:.1e} of what they add to it, after {self.rounds} rounds"
            + (", more than is asked for" if self.gap_of_added > ENOUGH else "")
            + f"; prices of the mixture within {self._price_error:.1e} of the largest"
        ]
        slack = lines.index[lines["price"] == 0]
        if len(slack):
            said.append(f"obligations that do not bind: {', '.join(slack)}")
        # What is lacking in the mixture is paid at its price there: the shortfall price.
        short = lines[lines["shortfall"] > negligible(lines["target"])]
        said += [
            f"obligation {name}: {row['shortfall']:,.6g} {row['unit']} are short of the target and "
            f"paid at {row['mixture_price']:,.6g}"
            for name, row in short.iterrows()
        ]
        return said


def negligible(target: pd.Series) -> pd.Series:
    """How much of a target may be missed without a word [unit]."""
    return 1e-7 * target.abs().clip(lower=1.0)
