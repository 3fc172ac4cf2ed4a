"""The detectors, one to a file; their names are stable and never reused."""

from __future__ import annotations

from settlement.domain.watch.detector import Detector
from settlement.domain.watch.detectors.during_stay import DuringStay
from settlement.domain.watch.detectors.ended_card import EndedCard
from settlement.domain.watch.detectors.exact_repeat import ExactRepeat
from settlement.domain.watch.detectors.household_lockstep import HouseholdLockstep
from settlement.domain.watch.detectors.impossible_travel import ImpossibleTravel
from settlement.domain.watch.detectors.limit_edge import LimitEdge
from settlement.domain.watch.detectors.operator_burst import OperatorBurst
from settlement.domain.watch.detectors.outliers import FacilityOutlier, OperatorOutlier
from settlement.domain.watch.detectors.overlapping_stays import OverlappingStays
from settlement.domain.watch.detectors.reversal_loop import ReversalLoop
from settlement.domain.watch.detectors.same_day_hospitals import SameDayHospitals
from settlement.domain.watch.detectors.split_bills import SplitBills
from settlement.domain.watch.detectors.too_frequent import TooFrequent
from settlement.domain.watch.detectors.too_soon import TooSoon

DETECTORS: dict[str, type[Detector]] = {
    detector.name: detector
    for detector in (
        ExactRepeat,
        SameDayHospitals,
        TooFrequent,
        TooSoon,
        DuringStay,
        OverlappingStays,
        SplitBills,
        ReversalLoop,
        OperatorBurst,
        EndedCard,
        LimitEdge,
        FacilityOutlier,
        OperatorOutlier,
        HouseholdLockstep,
        ImpossibleTravel,
    )
}
