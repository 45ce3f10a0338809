"""Rules of market regimes, named after institutions; one class each."""

from powermkt.rules.ancillary import (
    Administered,
    AncillaryRule,
    CoOptimised,
    Procurement,
    Sequential,
)
from powermkt.rules.base import Cleared, Prices, PricingRule, Role, Rule
from powermkt.rules.boilers import ElectricBoilers
from powermkt.rules.cap import CarbonCap
from powermkt.rules.capacity import CapacityPayment
from powermkt.rules.carbon import CarbonPrice, Offsets
from powermkt.rules.contract import ContractRule, Contracts
from powermkt.rules.deeppeak import DeepPeakMarket, DeepPeakOffers, ObligatoryMinimum
from powermkt.rules.demand import DemandRule, ElasticDemand, ShiftableDemand
from powermkt.rules.deviation import DeviationPenalty
from powermkt.rules.dispatch import DispatchRule, EqualShares, PriorityOrder
from powermkt.rules.dualtrack import DualTrackAccount
from powermkt.rules.imports import ImportAdjustment
from powermkt.rules.interprovincial import ImportCap, InterprovincialSpot
from powermkt.rules.locational import ExtendedLocationalPrice, LocationalPrice
from powermkt.rules.mechanism import MechanismPrice
from powermkt.rules.merit import MeritOrder, Mitigation
from powermkt.rules.mileage import MileageMarket
from powermkt.rules.obligation import Obligation
from powermkt.rules.participation import Participation
from powermkt.rules.pricing import BenchmarkTariff, GuaranteedPurchase
from powermkt.rules.retail import RetailTariff
from powermkt.rules.savings import Savings
from powermkt.rules.stages import TwoSettlement
from powermkt.rules.trade import Coupled, FlatBlocks, ProvinceFirst, Scheduled

RULES: dict[str, type[Rule]] = {
    rule.__name__: rule
    for rule in (
        EqualShares,
        PriorityOrder,
        MeritOrder,
        Scheduled,
        ProvinceFirst,
        Coupled,
        InterprovincialSpot,
        FlatBlocks,
        BenchmarkTariff,
        GuaranteedPurchase,
        LocationalPrice,
        ExtendedLocationalPrice,
        CarbonPrice,
        CarbonCap,
        ImportAdjustment,
        TwoSettlement,
        CoOptimised,
        Sequential,
        Administered,
        DeepPeakMarket,
        DeepPeakOffers,
        ObligatoryMinimum,
        MileageMarket,
        CapacityPayment,
        DeviationPenalty,
        Contracts,
        MechanismPrice,
        ElectricBoilers,
        RetailTariff,
        ElasticDemand,
        ShiftableDemand,
        Participation,
        DualTrackAccount,
        Obligation,
        Savings,
    )
}

__all__ = [
    "RULES",
    "Administered",
    "AncillaryRule",
    "BenchmarkTariff",
    "CapacityPayment",
    "CarbonCap",
    "CarbonPrice",
    "Cleared",
    "CoOptimised",
    "ContractRule",
    "Contracts",
    "Coupled",
    "DeepPeakMarket",
    "DeepPeakOffers",
    "DemandRule",
    "DeviationPenalty",
    "DispatchRule",
    "DualTrackAccount",
    "ElasticDemand",
    "ElectricBoilers",
    "EqualShares",
    "ExtendedLocationalPrice",
    "FlatBlocks",
    "GuaranteedPurchase",
    "ImportAdjustment",
    "ImportCap",
    "InterprovincialSpot",
    "LocationalPrice",
    "MechanismPrice",
    "MeritOrder",
    "MileageMarket",
    "Mitigation",
    "Obligation",
    "ObligatoryMinimum",
    "Offsets",
    "Participation",
    "Prices",
    "PricingRule",
    "PriorityOrder",
    "Procurement",
    "ProvinceFirst",
    "RetailTariff",
    "Role",
    "Rule",
    "Savings",
    "Scheduled",
    "Sequential",
    "ShiftableDemand",
    "TwoSettlement",
]
