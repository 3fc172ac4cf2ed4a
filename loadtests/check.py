"""After the run: whatever was acknowledged is there, once, and to the fen.

The clients' own notes are held against what the gateway says over its public
interface and against the signed log. A fast run that fails here is a failed run.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Any
from urllib.parse import quote

from loadtests.asking import Asker, NotToldError
from loadtests.findings import Finding, found
from loadtests.ledger import IN_FORCE, SHANGHAI, Case, Ledger, fill
from loadtests.proving import Receipts, checkpoint, log_found, receipts_found
from loadtests.world import Hospital

_OK, _NOT_FOUND = 200, 404
#: A struck person is told so everywhere so long after the import has ended.
_FOLLOWED_S = 1.0
_PERSONS_MAX = 2_000

Sums = dict[str, list[int]]
"""Hospital, day and care type to net count, total and aid."""


def baseline(asker: Asker, days: list[str]) -> dict[str, Any]:
    """What the gateway holds before the run: sums of these days, and the log's size."""
    return {
        "days": days,
        "sums": _gateway_sums(asker, days),
        "size": checkpoint(asker).size,
    }


def check(
    asker: Asker,
    ledger: Ledger,
    notes: Iterable[dict[str, Any]],
    before: dict[str, Any],
    *,
    lookups_max: int,
    review_ended_s: float | None = None,
) -> list[Finding]:
    """Read the notes into an empty ledger and try every promise.

    Raises `NotToldError` where the gateway does not answer, `ReceiptError` where the
    world's trust file names no keys, `ValueError` for notes that are damaged.
    """
    receipts = Receipts(asker.world, ledger)
    fill(ledger, notes, receipts)
    _resolve(asker, ledger, receipts)
    return [
        _sound(ledger),
        _same_bytes(ledger),
        _answered(ledger),
        _money(ledger),
        receipts_found(ledger),
        log_found(asker, ledger, before["size"]),
        _once(asker, ledger, lookups_max),
        _sums(asker, ledger, before),
        _caps_in_answers(ledger),
        _caps_now(asker, ledger),
        *([_review(ledger, review_ended_s)] if review_ended_s is not None else []),
    ]


def _resolve(asker: Asker, ledger: Ledger, receipts: Receipts) -> None:
    """Ask for what is still unknown at the end: an answer may have been lost."""

    def look(case: Case) -> tuple[Case, dict[str, Any]]:
        answer = asker.get(
            f"/v1/settlements?idempotency_key={quote(case.key)}",
            asker.world.hospitals[case.hospital],
        )
        case.is_odd = 1
        return case, answer.document() if answer.status == _OK else {}

    for case, document in asker.each(ledger.cases("decision = ''"), look):
        if document:
            case.decide({
                "decision": document["decision"], "sid": document["settlement_id"],
                "aid": document["aid_fen"], "pays": document["patient_pays_fen"],
                "settled_at": document["settled_at"],
            })  # fmt: skip
            if case.is_settled:
                receipts.settled(case, document["receipt"])
        ledger.put(case)


def _sound(ledger: Ledger) -> Finding:
    return found(
        "answers", "每个应答本身正确", "Every answer is right in itself",
        ledger.number("count(*) FROM cases"), ledger.wrong,
    )  # fmt: skip


def _same_bytes(ledger: Ledger) -> Finding:
    return found(
        "same-bytes", "同一幂等键的应答逐字节相同",
        "One key has one answer, byte for byte",
        ledger.number("count(*) FROM cases WHERE is_odd"),
        (case.key for case in ledger.cases("answers > 1")),
    )  # fmt: skip


def _answered(ledger: Ledger) -> Finding:
    """Nothing may be left open when the clients have stopped asking."""
    silent = (case.key for case in ledger.cases("answers = 0"))
    undone = (
        f"{case.key}: reversal"
        for case in ledger.cases("undo_sid != '' AND undone_state IS NULL")
    )
    return found(
        "answered", "每笔请求最终都有应答", "Everything was answered in the end",
        ledger.number("count(*) FROM cases"), chain(silent, undone),
    )  # fmt: skip


def _money(ledger: Ledger) -> Finding:
    def fault(case: Case) -> str:
        aid, pays = case.aid_fen, case.pays_fen
        if aid < 0 or case.total_fen != case.funds_fen + aid + pays:
            return f"{case.key}: {case.total_fen} is not {case.funds_fen}+{aid}+{pays}"
        is_whole = case.undone_fen in (None, aid)
        return "" if is_whole else f"{case.key}: {case.undone_fen} given back"

    settled = "decision = 'approved'"
    return found(
        "money", "总额 = 基金 + 救助 + 个人，分毫不差",
        "total = funds + aid + patient, to the fen",
        ledger.number(f"count(*) FROM cases WHERE {settled}"),
        map(fault, ledger.cases(settled)),
    )  # fmt: skip


def _once(asker: Asker, ledger: Ledger, lookups_max: int) -> Finding:
    """Each visit has what was acknowledged, once, in the state that was told."""
    plain = ledger.number("count(*) FROM cases WHERE NOT is_odd")
    every = max(1, -(-plain // max(1, lookups_max)))
    chosen = chain(
        ledger.cases("is_odd"), islice(ledger.cases("NOT is_odd"), 0, None, every)
    )

    def fault(case: Case) -> str:
        answer = asker.get(
            f"/v1/settlements?visit_no={quote(case.key)}",
            asker.world.hospitals[case.hospital],
        )
        if answer.status not in (_OK, _NOT_FOUND):
            return f"{case.key}: look-up says {answer.code}"
        items = answer.document().get("items", [])
        return _compared(case, items)

    return found(
        "once", "查询所得与应答一致，且只有一笔",
        "Looked up: what was acknowledged, once",
        ledger.number("count(*) FROM cases WHERE is_odd") + -(-plain // every),
        asker.each(chosen, fault),
    )  # fmt: skip


def _compared(case: Case, items: list[dict[str, Any]]) -> str:
    if not case.decision:
        return f"{case.key}: nobody answered, yet it is there" if items else ""
    if len(items) != 1:
        return f"{case.key}: is there {len(items)} times"
    item = items[0]
    state = "settled" if case.is_settled else "declined"
    state = "reversed" if case.is_undone else state
    is_open = bool(case.undo_sid) and case.undone_state is None
    told = (item["settlement_id"], item["aid_fen"], item["patient_pays_fen"])
    if told != (case.sid, case.aid_fen, case.pays_fen):
        return f"{case.key}: id or amounts are others than acknowledged"
    if item["state"] != state and not is_open:
        return f"{case.key}: is {item['state']}, was acknowledged as {state}"
    return ""


def _gateway_sums(asker: Asker, days: list[str]) -> Sums:
    body = json.dumps({"from": days[0], "to": days[-1], "totals": []}).encode()

    def of(hospital: Hospital) -> Sums:
        answer = asker.ask("POST", "/v1/reconciliation/totals", body, hospital)
        if answer.status != _OK:
            raise NotToldError(f"totals of {hospital.code}: {answer.code}")
        sums = {}
        for item in answer.document()["items"]:
            net = item["gateway"]["net"]
            name = f"{hospital.code} {item['day']} {item['care_type']}"
            sums[name] = [net["count"], net["total_fen"], net["aid_fen"]]
        return sums

    every = asker.each(asker.world.hospitals, of)
    return {name: amounts for one in every for name, amounts in one.items()}


def _sums(asker: Asker, ledger: Ledger, before: dict[str, Any]) -> Finding:
    """The gateway's daily totals of each hospital grew by what it settled."""
    expected = Counter[tuple[str, int]]()
    for name, sums in before["sums"].items():
        for place, amount in enumerate(sums):
            expected[name, place] += amount
    days = {*before["days"], *shanghai_days()}
    for hospital, day, care, *grown in ledger.select(
        "hospital, day, care, count(*), sum(total_fen), sum(aid_fen) FROM cases"
        f" WHERE {IN_FORCE} GROUP BY hospital, day, care"
    ):
        days.add(day)
        name = f"{asker.world.hospitals[hospital].code} {day} {care}"
        for place, amount in enumerate(grown):
            expected[name, place] += amount
    now = _gateway_sums(asker, sorted(days))
    names = {name for name, _ in expected} | set(now)
    words = ("count", "total", "aid")
    faults = (
        f"{name}: {words[place]} is {there}, by our notes {expected[name, place]}"
        for name in sorted(names)
        for place, there in enumerate(now.get(name, [0, 0, 0]))
        if there != expected[name, place]
    )
    return found(
        "sums", "各院日合计与本方记录相符", "Daily totals match our notes",
        len(names), faults,
    )  # fmt: skip


def _caps_in_answers(ledger: Ledger) -> Finding:
    return found(
        "caps", "应答中没有超出限额的", "No answer shows a cap exceeded",
        ledger.caps_tried, ledger.caps,
    )  # fmt: skip


def _caps_now(asker: Asker, ledger: Ledger) -> Finding:
    """Ask for the running totals of the persons who got most in a year."""
    world, today = asker.world, shanghai_days()[0]

    def fault(person: tuple[int, int, int]) -> str:
        card, year, given = person
        document = {
            "card": {"kind": world.card_kind, "number": world.cards[card]},
            # Running totals are a year's; a run may have begun in the one before.
            "service_date": today if today[:4] == f"{year}" else f"{year}-12-31",
        }
        answer = asker.ask(
            "POST", "/v1/eligibility", json.dumps(document).encode(), world.hospitals[0]
        )
        quota = answer.document().get("quota")
        if quota is None:
            return f"card {card}: no running totals, {answer.code}"
        for pot in quota:
            if pot["cap_fen"] is not None and pot["used_fen"] > pot["cap_fen"]:
                return f"card {card}: {pot['pot']} of {year} is beyond its cap"
        used = sum(pot["used_fen"] for pot in quota)
        if used < given or (world.fresh and used != given):
            return f"card {card}: {used} used in {year}, by our notes {given}"
        return ""

    chosen = list(_by_aid(ledger))
    return found(
        "used", "个人累计与限额相符", "Persons' running totals match, within caps",
        len(chosen), asker.each(chosen, fault),
    )  # fmt: skip


def _by_aid(ledger: Ledger) -> Iterator[tuple[int, int, int]]:
    """Card, year, and aid in it; those with most aid."""
    for card, year, given in ledger.select(  # noqa: UP028  # which three they are
        f"card, year, sum(aid_fen) AS given FROM cases WHERE {IN_FORCE} AND card >= 0"
        f" GROUP BY card, year ORDER BY given DESC LIMIT {_PERSONS_MAX}"
    ):
        yield card, year, given


def _review(ledger: Ledger, ended_s: float) -> Finding:
    """Who was struck is told so, everywhere, a moment after the import."""
    followed_s = ended_s + _FOLLOWED_S
    asked = ledger.number("count(*) FROM told WHERE s > ?", followed_s)
    before = ledger.number("count(*) FROM told WHERE status = 'eligible'")
    faults = [
        f"{at_s - ended_s:.1f} s after the import: {status}"
        for at_s, status in ledger.select(
            "s, status FROM told WHERE s > ? AND status != 'not_eligible' ORDER BY s",
            followed_s,
        )
    ]
    if not asked or not before:
        faults.append("nobody asked about struck persons before and after the review")
    return found(
        "review", "停保人员随即不再符合条件",
        "Struck persons are told so within a second", asked, faults,
    )  # fmt: skip


def shanghai_days() -> list[str]:
    """Today in Shanghai; a list, for a run may last into another day."""
    return [datetime.now(UTC).astimezone(SHANGHAI).date().isoformat()]
