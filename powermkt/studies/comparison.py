"""Runs of several regimes and carbon prices on one case, as tidy tables."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass, field
from functools import cached_property, partial
from importlib import metadata
from pathlib import Path

import pandas as pd

from powermkt.accounts.metrics import circulation, simultaneous_storage
from powermkt.analysis import calibration as calibrate
from powermkt.analysis import incidence, passthrough, regression, windfall
from powermkt.analysis.evidence import write_evidence
from powermkt.analysis.leakage import leakage_of
from powermkt.analysis.overview import chinese_names, overview
from powermkt.analysis.quality import assumptions_of, quality_of
from powermkt.analysis.returns import returns, returns_split, returns_summary
from powermkt.analysis.userprices import user_prices
from powermkt.common.notebook import ComparisonView
from powermkt.common.writing import write_results
from powermkt.inputs.case import Case
from powermkt.report import report_of
from powermkt.rules import Coupled, DemandRule
from powermkt.run import Run, labelled
from powermkt.system.marketpower import market_power


@dataclass(frozen=True)
class Comparison(ComparisonView):
    """Runs of several regimes and carbon prices on one case, as tidy tables.

    Attributes
    ----------
    case : Case
    runs : list of Run
    calibration_run : Run, optional
        The run that is set beside observed figures, where the network declares one.
    notes : list of str
        What went wrong while clearing and was mended: lost workers, damaged files;
        and what the input lacks.
    """

    case: Case
    runs: list[Run]
    calibration_run: Run | None = None
    notes: list[str] = field(default_factory=list)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per regime and carbon price; columns as in `powermkt.COLUMNS`."""
        return pd.DataFrame([run.summary() for run in self.runs]).infer_objects()

    @cached_property
    def pass_through(self) -> pd.DataFrame:
        """The four rates per regime, carbon price and province; see `passthrough.COLUMNS`."""
        return passthrough.pass_through_of(self.runs)

    @cached_property
    def pass_through_hourly(self) -> pd.DataFrame:
        """The same by hour; see `passthrough.HOURLY`. Long: written as Parquet alone."""
        return passthrough.hourly_pass_through(self.runs)

    @cached_property
    def pass_through_quantiles(self) -> pd.DataFrame:
        """The same by quarter of the hours, by load; see `passthrough.QUANTILES`."""
        return passthrough.pass_through_by_load(self.runs)

    @cached_property
    def pass_through_regression(self) -> pd.DataFrame:
        """Prices regressed on marginal carbon costs, per regime; see `regression.COLUMNS`."""
        return regression.regressions(self.runs)

    @cached_property
    def incidence(self) -> pd.DataFrame:
        """Who gains and loses by the carbon price; see `incidence.COLUMNS`."""
        return incidence.incidence_of(self.runs)

    @property
    def incidence_summary(self) -> pd.DataFrame:
        """The same with one column for each group [money], as `incidence.by_group`."""
        return incidence.by_group(self.incidence)

    @cached_property
    def windfall(self) -> pd.DataFrame:
        """Windfall of all plant by the carbon price; see `windfall.COLUMNS`."""
        return windfall.windfall_of(self.runs)

    @property
    def windfall_summary(self) -> pd.DataFrame:
        """The same by carrier, as `windfall.by_carrier`."""
        return windfall.by_carrier(self.windfall)

    @cached_property
    def returns(self) -> pd.DataFrame:
        """What plant earns on its investment; see `returns.COLUMNS`."""
        return returns(self.runs)

    @cached_property
    def returns_summary(self) -> pd.DataFrame:
        """The same of wind, solar, hydro and all of them, beside the first regime."""
        return returns_summary(self.runs)

    @cached_property
    def returns_split(self) -> pd.DataFrame:
        """Why revenue and IRR differ from the first regime's; see `returns.SPLIT`."""
        return returns_split(self.runs)

    @cached_property
    def retail(self) -> pd.DataFrame:
        """What each class of users pays; see `userprices.COLUMNS`."""
        return user_prices(self.runs)

    @cached_property
    def leakage(self) -> pd.DataFrame:
        """Change of emissions where the carbon price holds and elsewhere; `leakage.COLUMNS`."""
        return leakage_of(self.runs)

    @cached_property
    def compliance(self) -> pd.DataFrame:
        """Allowance accounts of units per regime and carbon price; see `compliance.COLUMNS`."""
        return self._stacked("compliance")

    @cached_property
    def curtailment(self) -> pd.DataFrame:
        """Curtailment per regime, carbon price, province and carrier."""
        return self._stacked("curtailment")

    @cached_property
    def generation(self) -> pd.DataFrame:
        """Energy, emissions and utilisation per regime, carbon price, province and carrier."""
        return self._stacked("generation")

    @cached_property
    def demand(self) -> pd.DataFrame | None:
        """Load by hour per regime and carbon price, where a regime has users who may react."""
        reacts = any(isinstance(rule, DemandRule) for run in self.runs for rule in run.regime.rules)
        return self._stacked("demand") if reacts else None

    @cached_property
    def revenue(self) -> pd.DataFrame:
        """What plant earns from energy and services, per regime and carbon price."""
        return self._stacked("revenue")

    @cached_property
    def services(self) -> dict[str, pd.DataFrame]:
        """Awards, prices and the value of flexibility, for the services that there are."""
        data = self.case.market.services
        names = ["reserves", "reserve_prices", "flexibility_value"] if data.products else []
        names += ["deep_peak"] if data.deep_peak is not None else []
        names += ["mileage", "mileage_prices"] if data.mileage is not None else []
        return {name: self._stacked(name) for name in names}

    @cached_property
    def trade(self) -> pd.DataFrame | None:
        """Energy between provinces by tier, where there are tiers; columns as `exchange.TRADE`."""
        return self._stacked("trade") if any(run.regime.tiers for run in self.runs) else None

    @cached_property
    def ledger(self) -> pd.DataFrame:
        """Payments per regime and carbon price."""
        return self._stacked("ledger")

    @cached_property
    def prices(self) -> pd.DataFrame:
        """Hourly prices: regime, carbon_price, snapshot, bus, price [money/MWh], unique.

        `unique` is False where several prices support the optimum (`Run.price_unique`).
        """
        parts = []
        for run in self.runs:
            prices = run.prices.rename_axis(index="snapshot", columns="bus")
            table = prices.reset_index().melt("snapshot", value_name="price")
            table["unique"] = run.price_unique[prices.columns].to_numpy().ravel(order="F")
            parts.append(labelled(run, table))
        return pd.concat(parts, ignore_index=True)

    @cached_property
    def caps(self) -> pd.DataFrame | None:
        """Limits on emissions, their prices and gaps; columns as in `capped.COLUMNS`."""
        rows = [run.cap.row(run.regime.name) for run in self.runs if run.cap is not None]
        return pd.DataFrame(rows) if rows else None

    @cached_property
    def obligations(self) -> pd.DataFrame | None:
        """Obligations, their prices and what is lacking; columns as in `obligedprices.COLUMNS`."""
        parts = [labelled(run, run.obliged.table) for run in self.runs if run.obliged is not None]
        return pd.concat(parts, ignore_index=True) if parts else None

    @cached_property
    def savings(self) -> pd.DataFrame | None:
        """What measures save for obligations, and earn; columns as in `obligedprices.SAVINGS`."""
        parts = [labelled(run, run.obliged.savings) for run in self.runs if run.obliged is not None]
        table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
        return table if len(table) else None

    @cached_property
    def calibration(self) -> pd.DataFrame | None:
        """Model beside observation, where the network declares observed figures."""
        settings = self.case.market.calibration
        if settings is None or self.calibration_run is None:
            return None
        return calibrate.calibration(self.calibration_run, settings)

    @cached_property
    def utilisation(self) -> pd.DataFrame | None:
        """Utilisation hours of quota units by province in the calibration run."""
        settings = self.case.market.calibration
        if settings is None or self.calibration_run is None:
            return None
        return calibrate.utilisation(self.calibration_run, settings)

    @cached_property
    def mitigated(self) -> pd.DataFrame | None:
        """Offers that were replaced per regime and carbon price, if any were."""
        table = self._stacked("mitigated")
        return table if len(table) else None

    @cached_property
    def contracts(self) -> pd.DataFrame | None:
        """Contracts per regime and carbon price (`rules.deals.COLUMNS`), if there are any."""
        table = self._stacked("contracts")
        return table if len(table) else None

    @cached_property
    def market_power(self) -> pd.DataFrame | None:
        """The screen for market power, where offers were submitted or replaced."""
        asked = self.case.offers is not None or self.mitigated is not None
        return market_power(self.case) if asked else None

    def _stacked(self, name: str) -> pd.DataFrame:
        parts = [labelled(run, getattr(run, name)) for run in self.runs]
        return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)

    @property
    def _of_margins(self) -> dict[str, pd.DataFrame]:
        """Tables of who asks for margins."""
        if not any(len(run.marginal_mix.columns) for run in self.runs):
            return {}
        names = ("pass_through_hourly", "pass_through_quantiles", "pass_through_regression")
        return {name: getattr(self, name) for name in names}

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table by file name."""
        found = {
            "comparison": self.table,
            "pass_through": self.pass_through,
            **self._of_margins,
            "incidence": self.incidence,
            "windfall": self.windfall,
            "retail": self.retail,
            "leakage": self.leakage if len(self.leakage) else None,
            "compliance": self.compliance if len(self.compliance) else None,
            "curtailment": self.curtailment,
            "generation": self.generation,
            "ledger": self.ledger,
            "revenue": self.revenue,
            **self.services,
            "trade": self.trade,
            "demand": self.demand,
            "prices": self.prices,
            "caps": self.caps,
            "obligations": self.obligations,
            "savings": self.savings,
            "calibration": self.calibration,
            "utilisation": self.utilisation,
            "contracts": self.contracts,
            "mitigated": self.mitigated,
            "market_power": self.market_power,
            **overview(self.case, self.runs),
            "seams": None if self.case.seams is None else self.case.seams.table(),
        }
        return {name: table for name, table in found.items() if table is not None}

    def record(self) -> dict[str, object]:
        """What was run: windows, rules, versions, notes."""
        packages = (
            "powermkt",
            "pypsa",
            "linopy",
            "highspy",
            "pandas",
            "numpy",
            "statsmodels",
            "pyxirr",
        )
        runs = [*self.runs, *([self.calibration_run] if self.calibration_run else [])]
        return {
            "case": self.case.name,
            "windows": {
                label: {
                    "from": str(index[0]),
                    "to": str(index[-1]),
                    "snapshots": len(index),
                    "hours": float(self.case.weights[index].sum()),
                }
                for label, index in self.case.windows.items()
            },
            "regimes": {run.regime.name: run.regime.to_yaml() for run in runs},
            "look_ahead": self.case.look_ahead,
            "carbon_prices": sorted({run.carbon_price for run in self.runs}),
            "currency": self.case.market.currency,
            "names_zh": chinese_names(self.case).to_dict(),
            "quality": quality_of(self.case),
            "market": assumptions_of(self.case),
            "versions": {name: metadata.version(name) for name in packages},
            "python": sys.version.split()[0],
            "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
            "notes": {
                f"{run.regime.name} @ {run.carbon_price:g}": [
                    *run.notes,
                    *_burnt(run),
                ]
                for run in runs
            },
            "mended": self.notes,
        }

    def to_parquet(self, folder: str | Path, evidence: bool = True) -> Path:
        """Write every table as Parquet and CSV, and the record, into a folder.

        The folder appears complete or not at all; earlier results in it are replaced.

        Parameters
        ----------
        folder : str or Path
        evidence : bool, default True
            Write what the tables are made of as well, for an audit (`powermkt.studies.audit`).

        Raises
        ------
        InputError
            If the folder holds something else than results.
        StorageError
            If it cannot be written; what it held is still there.
        """
        beside = partial(
            write_evidence, case=self.case, runs=self.runs, calibration=self.calibration_run
        )
        record = self.record()
        return write_results(Path(folder), self.tables, record, beside=beside if evidence else None)

    def report(self, file: str | Path, language: str = "en") -> Path:
        """Write a page of it into an HTML file that works offline, in English or Chinese ("zh").

        Raises
        ------
        InputError
            If there is no such language, or the file is a folder.
        StorageError
            If it cannot be written.
        """
        return report_of(self, language).write(file)


def _burnt(run: Run) -> list[str]:
    notes = []
    if (energy := simultaneous_storage(run.case, run.outcome)) >= 1.0:
        notes.append(f"storage charged and discharged at once, losing {energy:,.0f} MWh")
    if (energy := circulation(run.case, run.outcome)) >= 1.0:
        notes.append(f"lossy links carried {energy:,.0f} MWh both ways in the same hours")
    lines = run.case.free_lines
    if lines and not isinstance(run.regime.rules[1], Coupled):
        notes.append(f"{len(lines)} lines between provinces follow no schedule")
    return notes
