"""What is told of a roster file as JSON: by the command and by the call alike."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import orjson

from settlement.domain.calendar import rfc3339
from settlement.domain.reasons import reason

if TYPE_CHECKING:
    from settlement.domain.roster import RefusedRow, RosterRefusedError
    from settlement.service.roster import RosterImported
    from settlement.store.roster_delivery import Delivery


def row_document(row: RefusedRow) -> dict[str, Any]:
    """One refused row."""
    text = reason(row.reason).text
    return {
        "line": row.line,
        "column": row.column,
        "value_class": row.value_class,
        "reason": {"code": row.reason, "zh": text.zh, "en": text.en},
    }


def refusal_document(refused: RosterRefusedError) -> dict[str, Any]:
    """Why a file was not taken in."""
    about = reason(refused.reason)
    return {
        "code": refused.reason,
        "zh": about.text.zh,
        "en": about.text.en,
        "detail": refused.detail,
        "current_version": refused.current_version,
        "rows": [row_document(row) for row in refused.refused],
    }


def imported_document(result: RosterImported, seconds: float) -> dict[str, Any]:
    """What a file did that was taken in."""
    return {
        "version": result.manifest.version,
        "kind": result.manifest.kind,
        "as_of": rfc3339(result.manifest.as_of),
        **asdict(result.counts),
        "refused_rows": [row_document(row) for row in result.refused],
        "seconds": round(seconds, 3),
    }


def delivery_document(version: int, found: Delivery) -> dict[str, Any]:
    """What became of a version."""
    place = f"/v1/roster/files/{version}/refused" if found.has_refused_rows else None
    if found.is_taken:
        return {
            "version": version,
            "state": "taken",
            "kind": found.kind,
            "as_of": found.as_of and rfc3339(found.as_of),
            "taken_at": found.imported_at and rfc3339(found.imported_at),
            "rows": found.rows,
            "refused": found.rows_refused,
            "persons_changed": found.persons_changed,
            "windows_upserted": found.windows_upserted,
            "windows_ended": found.windows_ended,
            "refused_rows": place,
        }
    reason_of = None if found.outcome is None else orjson.loads(found.outcome)
    return {
        "version": version,
        "state": found.state,
        "progress": {"step": found.step, "done": found.done, "total": found.total},
        "reason": reason_of
        and {name: reason_of[name] for name in ("code", "zh", "en")},
        "current_version": reason_of and reason_of["current_version"],
        "refused_rows": place,
    }
