"""What `import powermkt as pm` offers; it is loaded when something of it is first used."""

from powermkt import rules
from powermkt.accounts.metrics import COLUMNS
from powermkt.analysis.arbitrage import StorageKind
from powermkt.analysis.capture import Capture
from powermkt.analysis.clearall import clear
from powermkt.analysis.plan import plan_schedule
from powermkt.analysis.principles import TieredCharge, charge_consumers, pay_by_principle
from powermkt.analysis.responsibility import Responsibility, responsibility
from powermkt.analysis.returns import returns, returns_split, returns_summary
from powermkt.analysis.switching import SwitchingPoints, switching_points
from powermkt.common.findings import AuditReport, Finding
from powermkt.engine.causes import Cause
from powermkt.engine.cells import CellStore
from powermkt.engine.regime import Regime, presets, regime
from powermkt.engine.remedytypes import Remedy, RemedySettings
from powermkt.errors import (
    ClearingError,
    ExecutionError,
    Fault,
    InputError,
    PowermktError,
    StorageError,
)
from powermkt.inputs.case import Case
from powermkt.inputs.claimsplan import ClaimsPlan
from powermkt.inputs.conversion import Conversions, convert
from powermkt.inputs.forecasts import with_forecast_errors
from powermkt.inputs.instruments import instruments_of
from powermkt.inputs.market import Market
from powermkt.inputs.overlapplan import OverlapPlan
from powermkt.inputs.reading import read
from powermkt.methods.tracing import StorageFlows, Trace, trace
from powermkt.report import figures
from powermkt.run import Run
from powermkt.studies.audit import audit
from powermkt.studies.candidates import Candidate, EntryPlan
from powermkt.studies.claims import Claims, claims, double_counted
from powermkt.studies.compare import compare, pass_through
from powermkt.studies.comparison import Comparison
from powermkt.studies.entry import EntryStudy, entry
from powermkt.studies.explain import Explanation, explain_curtailment
from powermkt.studies.flexibilitystudy import Assumptions, FlexibilityStudy, value_flexibility
from powermkt.studies.onemore import return_on_one_more
from powermkt.studies.overlap import overlap
from powermkt.studies.overlapstudy import OverlapStudy
from powermkt.studies.passthroughstudy import PassThroughStudy, pass_through_study
from powermkt.studies.remedyvalues import RemedyValues, value_remedies
from powermkt.studies.returnsstudy import ReturnsStudy, returns_study
from powermkt.studies.riskstudy import WeatherRisk, weather_risk
from powermkt.studies.tracestudy import TraceStudy, trace_regimes
from powermkt.system.marketpower import market_power, residual_supply
from powermkt.system.weather import read_weather_years

__all__ = [
    "COLUMNS",
    "Assumptions",
    "AuditReport",
    "Candidate",
    "Capture",
    "Case",
    "Cause",
    "CellStore",
    "Claims",
    "ClaimsPlan",
    "ClearingError",
    "Comparison",
    "Conversions",
    "EntryPlan",
    "EntryStudy",
    "ExecutionError",
    "Explanation",
    "Fault",
    "Finding",
    "FlexibilityStudy",
    "InputError",
    "Market",
    "OverlapPlan",
    "OverlapStudy",
    "PassThroughStudy",
    "PowermktError",
    "Regime",
    "Remedy",
    "RemedySettings",
    "RemedyValues",
    "Responsibility",
    "ReturnsStudy",
    "Run",
    "StorageError",
    "StorageFlows",
    "StorageKind",
    "SwitchingPoints",
    "TieredCharge",
    "Trace",
    "TraceStudy",
    "WeatherRisk",
    "audit",
    "charge_consumers",
    "claims",
    "clear",
    "compare",
    "convert",
    "double_counted",
    "entry",
    "explain_curtailment",
    "figures",
    "instruments_of",
    "market_power",
    "overlap",
    "pass_through",
    "pass_through_study",
    "pay_by_principle",
    "plan_schedule",
    "presets",
    "read",
    "read_weather_years",
    "regime",
    "residual_supply",
    "responsibility",
    "return_on_one_more",
    "returns",
    "returns_split",
    "returns_study",
    "returns_summary",
    "rules",
    "switching_points",
    "trace",
    "trace_regimes",
    "value_flexibility",
    "value_remedies",
    "weather_risk",
    "with_forecast_errors",
]
