"""Statistics as a JSON value, for the call and for `medaid stats --json`."""

from __future__ import annotations

from typing import Any

from settlement.domain.calendar import month_name
from settlement.domain.decision import Text
from settlement.service.aid_statistics import (
    MINUTES_PER_VISIT,
    TRIPS_PER_VISIT,
    Figures,
    MonthOfAid,
    Series,
    Statistics,
)

#: What the savings rest on; it stands beside them wherever they are shown.
MEASURE = Text(
    "按试点口径估算：每一人次救助视为免去一次事后报销，"
    f"节省工作人员 {MINUTES_PER_VISIT} 分钟、群众往返 {TRIPS_PER_VISIT} 趟。",
    "Estimated by the pilot's measure: each aided visit is one refund that was not"
    f" needed, which took {MINUTES_PER_VISIT} minutes of staff time and"
    f" {TRIPS_PER_VISIT} trips.",
)


def statistics_document(found: Statistics) -> dict[str, Any]:
    """Everything, amounts in fen, growth in parts per thousand."""
    query = found.query
    return {
        "months": {
            "from": month_name(query.months.first),
            "to": month_name(query.months.last),
        },
        "by": query.by.value,
        "dimension": None if query.dimension is None else query.dimension.value,
        "facility": query.facility,
        "measure": {
            "minutes_per_visit": MINUTES_PER_VISIT,
            "trips_per_visit": TRIPS_PER_VISIT,
            "text": {"zh": MEASURE.zh, "en": MEASURE.en},
        },
        "total": _figures(found.whole.total),
        "series": _series(found.whole),
        "groups": (
            None if found.groups is None else [_group(group) for group in found.groups]
        ),
    }


def _group(group: Series) -> dict[str, Any]:
    return {
        "key": group.key,
        "name": group.name,
        "total": _figures(group.total),
        "series": _series(group),
    }


def _series(series: Series) -> list[dict[str, Any]]:
    return [_month(month) for month in series.months]


def _month(month: MonthOfAid) -> dict[str, Any]:
    growth = month.growth
    return {
        "month": month_name(month.month),
        **_figures(month.figures),
        "growth_per_mille": {
            "citizens": growth.citizens,
            "visits": growth.visits,
            "aid": growth.aid,
        },
    }


def _figures(figures: Figures) -> dict[str, Any]:
    return {
        "citizens": figures.citizens,
        "visits": figures.visits,
        "settlements": figures.settlements,
        "aid_fen": figures.aid_fen,
        "tilt_fen": figures.tilt_fen,
        "total_fen": figures.total_fen,
        "funds_fen": figures.funds_fen,
        "patient_pays_fen": figures.patient_pays_fen,
        "mean_aid_fen": figures.mean_aid_fen,
        "mean_total_fen": figures.mean_total_fen,
        "mean_patient_pays_fen": figures.mean_patient_pays_fen,
        "minutes_saved": figures.minutes_saved,
        "trips_saved": figures.trips_saved,
    }
