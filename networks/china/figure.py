"""Draw the headline picture from the results of `powermkt compare networks/china`.

python networks/china/figure.py results/china networks/china/regimes.png
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd

COLOURS = {"fixed_tariff": "#b5651d", "priority_dispatch": "#2a7f9e", "full_market": "#4a9a4a"}


def draw(results: Path, target: Path) -> None:
    """Draw cost and emissions, curtailment, prices and pass-through of the three regimes."""
    table = pd.read_parquet(results / "comparison.parquet")
    rates = pd.read_parquet(results / "pass_through.parquet")
    lost = pd.read_parquet(results / "curtailment.parquet")
    regimes = [name for name in COLOURS if name in set(table["regime"])]
    base = table[table["carbon_price"] == 0].set_index("regime").loc[regimes]
    colours = [COLOURS[name] for name in regimes]
    words = [name.replace("_", "\n") for name in regimes]
    figure, axes = plt.subplots(2, 2, figsize=(10, 7), constrained_layout=True)

    relative = 100 * (base[["cost", "emissions_t"]] / base.loc["full_market"][
        ["cost", "emissions_t"]].astype(float) - 1)  # fmt: skip
    axes[0, 0].bar([i - 0.2 for i in range(len(regimes))], relative["cost"], 0.38, color=colours)
    axes[0, 0].bar(
        [i + 0.2 for i in range(len(regimes))], relative["emissions_t"], 0.38, color=colours,
        alpha=0.5, hatch="//",
    )  # fmt: skip
    axes[0, 0].set_xticks(range(len(regimes)), words)
    axes[0, 0].set_ylabel("% above the full market")
    axes[0, 0].set_title("Cost (plain) and CO$_2$ (hatched), no carbon price")

    at_zero = lost[(lost["carbon_price"] == 0) & (lost["regime"] == regimes[0])]
    wide = at_zero.pivot_table(
        index="province", columns="carrier", values="curtailment_mwh", aggfunc="sum"
    )
    wide = wide.loc[wide.sum(axis=1).sort_values().index[-8:]] / 1e6
    wide.plot.barh(stacked=True, ax=axes[0, 1], width=0.8, colormap="tab20")
    axes[0, 1].set_xlabel("TWh a year")
    axes[0, 1].set_ylabel("")
    axes[0, 1].legend(fontsize=7)
    axes[0, 1].set_title(f"Curtailment under {regimes[0]}, largest provinces")

    base[["wholesale_price", "retail_price"]].plot.bar(
        ax=axes[1, 0], rot=0, color=["#888888", "#cccccc"]
    )
    axes[1, 0].set_xticks(range(len(regimes)), words)
    axes[1, 0].set_xlabel("")
    axes[1, 0].set_ylabel("CNY/MWh, load-weighted")
    axes[1, 0].set_title("Prices, no carbon price")

    tau = sorted(set(rates["carbon_price"]))[0]
    at_tau = rates[(rates["carbon_price"] == tau) & (rates["province"] != "all")]
    for name in regimes:
        change = at_tau[at_tau["regime"] == name]["price_change"].sort_values().to_numpy()
        axes[1, 1].plot(range(1, len(change) + 1), change, color=COLOURS[name], label=name)
    axes[1, 1].axhline(0, color="black", linewidth=0.5)
    axes[1, 1].set_xlabel("provinces, sorted")
    axes[1, 1].set_ylabel("CNY/MWh")
    axes[1, 1].set_title(f"Wholesale price change at {tau:g} CNY/t")
    axes[1, 1].legend(fontsize=8)
    figure.savefig(target, dpi=110)


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
