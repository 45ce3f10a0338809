"""What `import powermkt as pm` offers; it is loaded when something of it is first used."""

from powermkt import rules
from powermkt.arbitrage import StorageKind
from powermkt.audit import audit
from powermkt.candidates import Candidate, EntryPlan
from powermkt.capture import Capture
from powermkt.case import Case
from powermkt.causes import Cause
from powermkt.cells import CellStore
from powermkt.claims import Claims, claims, double_counted
from powermkt.claimsplan import ClaimsPlan
from powermkt.clearall import clear
from powermkt.compare import compare, pass_through
from powermkt.comparison import Comparison
from powermkt.conversion import Conversions, convert
from powermkt.entry import EntryStudy, entry
from powermkt.errors import (
    ClearingError,
    ExecutionError,
    Fault,
    InputError,
    PowermktError,
    StorageError,
)
from powermkt.explain import Explanation, explain_curtailment
from powermkt.findings import AuditReport, Finding
from powermkt.flexibilitystudy import Assumptions, FlexibilityStudy, value_flexibility
from powermkt.forecasts import with_forecast_errors
from powermkt.instruments import instruments_of
from powermkt.market import Market
from powermkt.marketpower import market_power, residual_supply
from powermkt.metrics import COLUMNS
from powermkt.onemore import return_on_one_more
from powermkt.overlap import overlap
from powermkt.overlapplan import OverlapPlan
from powermkt.overlapstudy import OverlapStudy
from powermkt.passthroughstudy import PassThroughStudy, pass_through_study
from powermkt.plan import plan_schedule
from powermkt.principles import TieredCharge, charge_consumers, pay_by_principle
from powermkt.reading import read
from powermkt.regime import Regime, presets, regime
from powermkt.remedytypes import Remedy, RemedySettings
from powermkt.remedyvalues import RemedyValues, value_remedies
from powermkt.report import figures
from powermkt.responsibility import Responsibility, responsibility
from powermkt.returns import returns, returns_split, returns_summary
from powermkt.returnsstudy import ReturnsStudy, returns_study
from powermkt.riskstudy import WeatherRisk, weather_risk
from powermkt.run import Run
from powermkt.switching import SwitchingPoints, switching_points
from powermkt.tracestudy import TraceStudy, trace_regimes
from powermkt.tracing import StorageFlows, Trace, trace
from powermkt.weather import read_weather_years

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
