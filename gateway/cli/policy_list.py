"""`medaid policy list --installed`: the packs in the database, and how each stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.table import Table

from gateway.cli.policy_view import table_of
from settlement.domain.calendar import SHANGHAI
from settlement.domain.policy import CompiledPack, PolicyError, compile_pack
from settlement.service.policy_approvals import (
    APPROVALS_NEEDED,
    lacks_approval,
    needs_approval,
    valid_approvals,
)
from settlement.store.policies import PackRow


@dataclass(frozen=True, slots=True)
class Standing:
    """One installed pack, and whether it is applied."""

    row: PackRow
    pack: CompiledPack | None
    """`None` where this program cannot read the document."""
    state: str
    """`waiting`, `active`, `later` (activated, from a later instant) or `refused`."""
    officers: tuple[str, ...]
    """Whose signatures hold, in the order of signing."""
    needed: int
    why: str
    """Why it cannot be applied; empty where it can."""


def standings(
    rows: Sequence[PackRow], *, sandbox: bool, now: datetime
) -> list[Standing]:
    """How each pack of the database stands at an instant."""
    return [_standing(row, sandbox=sandbox, now=now) for row in rows]


def _standing(row: PackRow, *, sandbox: bool, now: datetime) -> Standing:
    officers = tuple(approval.officer for approval in valid_approvals(row))
    try:
        pack = compile_pack(row.document)
    except PolicyError as error:
        why = f"cannot be read: {str(error).splitlines()[0]}"
        return Standing(row, None, "refused", officers, APPROVALS_NEEDED, why)
    why = lacks_approval(row, pack, sandbox=sandbox) or ""
    if pack.ref.sha256 != row.sha256:
        why = "the document differs from its stored hash"
    needed = APPROVALS_NEEDED if needs_approval(pack, sandbox=sandbox) else 0
    return Standing(row, pack, _state(row, why, now), officers, needed, why)


def _state(row: PackRow, why: str, now: datetime) -> str:
    if not row.active:
        return "waiting"
    if why:
        return "refused"
    return "active" if row.known_since <= now else "later"


_STATES = {
    "waiting": "待启用 waiting",
    "active": "在用 active",
    "later": "已启用，未到时 from later",
    "refused": "拒绝 refused",
}


def standing_table(found: Sequence[Standing]) -> Table:
    """All of them, Chinese first."""
    shown = table_of(
        "政策 Pack", "名称 Title", "状态 State", "批准 Approved by",
        "启用 Applied from", "施行 In force",
        lines=True,
    )  # fmt: skip
    for each in found:
        shown.add_row(*_cells(each))
    return shown


def _cells(each: Standing) -> Iterator[str]:
    row, pack = each.row, each.pack
    yield f"{row.id}@{row.version}\n{row.sha256[:16]}…"
    yield "" if pack is None else f"{pack.document.title.zh}\n{pack.document.title.en}"
    why = f"\n{each.why}" if each.why and each.state != "active" else ""
    yield _STATES[each.state] + why
    yield f"{'、'.join(each.officers) or '—'}（{len(each.officers)}/{each.needed}）"
    yield _instant(row.known_since) if row.active else "—"
    if pack is None:
        yield ""
        return
    document = pack.document
    yield f"{document.in_force_from} – {document.in_force_to or '…'}"


def standing_json(each: Standing) -> dict[str, Any]:
    """The same as values."""
    document = None if each.pack is None else each.pack.document
    return {
        "pack": f"{each.row.id}@{each.row.version}",
        "sha256": each.row.sha256,
        "title": document and {"zh": document.title.zh, "en": document.title.en},
        "state": each.state,
        "officers": list(each.officers),
        "approvals_needed": each.needed,
        "applied_from": _instant(each.row.known_since) if each.row.active else None,
        "in_force_from": document and document.in_force_from,
        "in_force_to": document and document.in_force_to,
        "why": each.why or None,
    }


def _instant(at: datetime) -> str:
    return at.astimezone(SHANGHAI).isoformat(timespec="seconds")
