"""After the run: whatever was acknowledged is there, once, and to the fen.

The clients' own notes are held against what the gateway says over its public
interface and against the signed log. A fast run that fails here is a failed run.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice
from typing import Any
from urllib.parse import quote

from loadtests.asking import Asker, NotToldError
from loadtests.ledger import Case, Ledger
from loadtests.receipts import (
    Checkpoint,
    ReceiptError,
    Verified,
    Verifier,
    leaf_hash,
    root_of,
)
from loadtests.wire import SignInError
from loadtests.world import Hospital

_SHANGHAI = timezone(timedelta(hours=8))
_TILE = 256
_SHOWN = 5
_OK, _NOT_FOUND = 200, 404
#: A struck person is told so everywhere so long after the import has ended.
_FOLLOWED_S = 2.0
_PERSONS_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One promise, how often it was tried, and where it does not hold."""

    name: str
    zh: str
    en: str
    tried: int
    faults: tuple[str, ...] = ()
    skipped: str = ""
    """Why it could not be tried; then it is no proof of anything."""

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.faults


Sums = dict[str, list[int]]
"""Hospital, day and care type to net count, total and aid."""


def baseline(asker: Asker, days: list[str]) -> dict[str, Any]:
    """What the gateway holds before the run: sums of these days, and the log's size."""
    return {
        "days": days,
        "sums": _gateway_sums(asker, days),
        "size": _checkpoint(asker).size,
    }


def check(
    asker: Asker,
    ledger: Ledger,
    before: dict[str, Any],
    *,
    lookups_max: int,
    review_ended_s: float | None = None,
) -> list[Finding]:
    """Try every promise; raises `NotToldError` where the gateway does not answer."""
    _resolve(asker, ledger)
    verified, receipts = _receipts(asker, ledger)
    return [
        _sound(ledger),
        _same_bytes(ledger),
        _answered(ledger),
        _money(ledger),
        receipts,
        _log(asker, ledger, verified, before["size"]),
        _once(asker, ledger, lookups_max),
        _sums(asker, ledger, before),
        _caps_in_answers(ledger),
        _caps_now(asker, ledger),
        *([_review(ledger, review_ended_s)] if review_ended_s is not None else []),
    ]


def _found(
    name: str, zh: str, en: str, tried: int, faults: Iterable[str], skipped: str = ""
) -> Finding:
    # All are counted, the first ones are shown.
    listed = list(faults)
    more = [f"… {len(listed) - _SHOWN} more"] if len(listed) > _SHOWN else []
    return Finding(name, zh, en, tried, (*listed[:_SHOWN], *more), skipped)


def _resolve(asker: Asker, ledger: Ledger) -> None:
    """Ask for what is still unknown at the end: an answer may have been lost."""

    def look(case: Case) -> None:
        answer = asker.get(
            f"/v1/settlements?idempotency_key={quote(case.key)}",
            asker.world.hospitals[case.hospital],
        )
        if answer.status == _OK:
            document = answer.document()
            case.outcome = {
                "decision": document["decision"],
                "sid": document["settlement_id"],
                "aid": document["aid_fen"],
                "pays": document["patient_pays_fen"],
                "settled_at": document["settled_at"],
                "receipt": document["receipt"],
                "quota": [],
            }
        case.is_odd = True

    unknown = [case for case in ledger.cases.values() if case.outcome is None]
    asker.each(unknown, look)


def _sound(ledger: Ledger) -> Finding:
    return _found(
        "answers", "每个应答本身正确", "Every answer is right in itself",
        len(ledger.cases), ledger.wrong,
    )  # fmt: skip


def _same_bytes(ledger: Ledger) -> Finding:
    repeated = [case for case in ledger.cases.values() if case.is_odd]
    return _found(
        "same-bytes", "同一幂等键的应答逐字节相同",
        "One key has one answer, byte for byte", len(repeated),
        (case.key for case in ledger.cases.values() if len(case.shas) > 1),
    )  # fmt: skip


def _answered(ledger: Ledger) -> Finding:
    """Nothing may be left open when the clients have stopped asking."""
    silent = (case.key for case in ledger.cases.values() if not case.shas)
    undone = (
        f"{case.key}: reversal"
        for case in ledger.cases.values()
        if case.undo_sid and case.undone is None
    )
    return _found(
        "answered", "每笔请求最终都有应答", "Everything was answered in the end",
        len(ledger.cases), [*silent, *undone],
    )  # fmt: skip


def _money(ledger: Ledger) -> Finding:
    settled = [case for case in ledger.cases.values() if case.is_settled]

    def fault(case: Case) -> str:
        outcome = case.outcome or {}
        aid, pays = outcome["aid"], outcome["pays"]
        if aid < 0 or case.total_fen != case.funds_fen + aid + pays:
            return f"{case.key}: {case.total_fen} is not {case.funds_fen}+{aid}+{pays}"
        given_back = (case.undone or {}).get("aid_fen", aid)
        return f"{case.key}: {given_back} given back" if given_back != aid else ""

    return _found(
        "money", "总额 = 基金 + 救助 + 个人，分毫不差",
        "total = funds + aid + patient, to the fen", len(settled),
        filter(None, map(fault, settled)),
    )  # fmt: skip


def _receipts(asker: Asker, ledger: Ledger) -> tuple[dict[str, Verified], Finding]:
    """Verify every receipt offline, bound to what was sent and answered."""
    words = ("receipts", "凭证离线验证通过", "Receipts verify offline")
    try:
        verifier = Verifier(asker.world.trust)
    except ReceiptError as error:
        return {}, _found(*words, 0, [str(error)])
    verified: dict[str, Verified] = {}
    faults: list[str] = []
    for case in ledger.cases.values():
        if case.is_settled:
            outcome = case.outcome or {}
            expected = {
                "sid": outcome["sid"], "op": "settle", "aid_fen": outcome["aid"],
                "patient_pays_fen": outcome["pays"], "total_fen": case.total_fen,
                "funds_fen": case.funds_fen,
                "facility": asker.world.hospitals[case.hospital].code,
            }  # fmt: skip
            _verify(verifier, case.key, outcome["receipt"], expected, verified, faults)
        if case.is_undone:
            undone = case.undone or {}
            expected = {
                "sid": undone["reversal_id"], "op": "reverse", "ref": case.undo_sid,
                "aid_fen": case.aid_fen, "total_fen": case.total_fen,
            }  # fmt: skip
            key = f"{case.key} reversal"
            _verify(verifier, key, undone["receipt"], expected, verified, faults)
    return verified, _found(*words, len(verified) + len(faults), faults)


def _verify(
    verifier: Verifier,
    key: str,
    receipt: Any,
    expected: dict[str, Any],
    verified: dict[str, Verified],
    faults: list[str],
) -> None:
    if not isinstance(receipt, dict):
        faults.append(f"{key}: there is no receipt")
        return
    try:
        proven = verifier.receipt(receipt)
    except (ReceiptError, ValueError, KeyError, TypeError) as error:
        faults.append(f"{key}: {error}")
        return
    other = [name for name, value in expected.items() if proven.claims[name] != value]
    if other:
        faults.append(f"{key}: the record says otherwise of {', '.join(other)}")
    else:
        verified[key] = proven


def _checkpoint(asker: Asker) -> Checkpoint:
    answer = asker.get("/v1/log/checkpoint")
    if answer.status != _OK:
        raise NotToldError(f"checkpoint: {answer.code}")
    return Verifier(asker.world.trust).checkpoint(answer.body.decode())


def _log(
    asker: Asker, ledger: Ledger, verified: dict[str, Verified], size_before: int
) -> Finding:
    """The log holds each record once, where its receipt says; and nothing besides."""
    checkpoint = _checkpoint(asker)
    leaves = _leaves(asker, checkpoint.size)
    faults = []
    if root_of(leaves) != checkpoint.root:
        faults.append("the tiles do not give the checkpoint's root")
    times = Counter(leaves)
    for key, proven in verified.items():
        leaf = leaf_hash(proven.entry)
        if proven.index >= len(leaves) or leaves[proven.index] != leaf:
            faults.append(f"{key}: is not in the log where its receipt says")
        elif times[leaf] > 1:
            faults.append(f"{key}: stands in the log {times[leaf]} times")
    indexes = Counter(proven.index for proven in verified.values())
    faults += [
        f"index {index} was given twice" for index, n in indexes.items() if n > 1
    ]
    grown = checkpoint.size - size_before
    if asker.world.exclusive and grown != _records(ledger):
        faults.append(f"the log grew by {grown}, by our notes {_records(ledger)}")
    return _found(
        "log", "日志中恰有一条，位置与凭证一致",
        "In the log once, where the receipt says", len(verified), faults,
    )  # fmt: skip


def _records(ledger: Ledger) -> int:
    """Records that the clients know of."""
    cases = ledger.cases.values()
    return sum(case.is_settled + case.is_undone for case in cases)


def _leaves(asker: Asker, size: int) -> list[bytes]:
    def tile(number: int) -> bytes:
        groups, rest = [f"{number % 1000:03d}"], number // 1000
        while rest:
            groups.insert(0, f"x{rest % 1000:03d}")
            rest //= 1000
        width = min(_TILE, size - number * _TILE)
        part = f".p/{width}" if width < _TILE else ""
        answer = asker.get(f"/v1/log/tile/0/{'/'.join(groups)}{part}")
        if answer.status != _OK:
            raise NotToldError(f"tile {number}: {answer.code}")
        return answer.body

    numbers = range((size + _TILE - 1) // _TILE)
    return list(_cut(b"".join(asker.each(numbers, tile))))


def _cut(octets: bytes) -> Iterator[bytes]:
    return (octets[at : at + 32] for at in range(0, len(octets), 32))


def _once(asker: Asker, ledger: Ledger, lookups_max: int) -> Finding:
    """Each visit has what was acknowledged, once, in the state that was told."""
    cases = list(ledger.cases.values())
    odd = [case for case in cases if case.is_odd]
    plain = [case for case in cases if not case.is_odd]
    every = max(1, -(-len(plain) // max(1, lookups_max)))
    chosen = [*odd, *islice(plain, 0, None, every)]

    def fault(case: Case) -> str:
        answer = asker.get(
            f"/v1/settlements?visit_no={quote(case.key)}",
            asker.world.hospitals[case.hospital],
        )
        if answer.status not in (_OK, _NOT_FOUND):
            return f"{case.key}: look-up says {answer.code}"
        items = answer.document().get("items", [])
        return _compared(case, items)

    return _found(
        "once", "查询所得与应答一致，且只有一笔",
        "Looked up: what was acknowledged, once", len(chosen),
        filter(None, asker.each(chosen, fault)),
    )  # fmt: skip


def _compared(case: Case, items: list[dict[str, Any]]) -> str:
    if case.outcome is None:
        return f"{case.key}: nobody answered, yet it is there" if items else ""
    if len(items) != 1:
        return f"{case.key}: is there {len(items)} times"
    item, outcome = items[0], case.outcome
    state = "settled" if case.is_settled else "declined"
    state = "reversed" if case.is_undone else state
    is_open = bool(case.undo_sid) and case.undone is None
    told = (item["settlement_id"], item["aid_fen"], item["patient_pays_fen"])
    if told != (outcome["sid"], outcome["aid"], outcome["pays"]):
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
    days = sorted({*before["days"], *shanghai_days()})
    now, expected = _gateway_sums(asker, days), Counter[tuple[str, int]]()
    for name, sums in before["sums"].items():
        for place, amount in enumerate(sums):
            expected[name, place] += amount
    for case in ledger.in_force():
        day = shanghai_day((case.outcome or {})["settled_at"])
        name = f"{asker.world.hospitals[case.hospital].code} {day} {case.care}"
        for place, amount in enumerate((1, case.total_fen, case.aid_fen)):
            expected[name, place] += amount
    names = {name for name, _ in expected} | set(now)
    words = ("count", "total", "aid")
    faults = [
        f"{name}: {words[place]} is {there}, by our notes {expected[name, place]}"
        for name in sorted(names)
        for place, there in enumerate(now.get(name, [0, 0, 0]))
        if there != expected[name, place]
    ]
    return _found(
        "sums", "各院日合计与本方记录相符", "Daily totals match our notes",
        len(names), faults,
    )  # fmt: skip


def _caps_in_answers(ledger: Ledger) -> Finding:
    tried, faults = 0, []
    for case in ledger.cases.values():
        for pot, year, cap, used in (case.outcome or {}).get("quota") or []:
            tried += 1
            if cap is not None and used > cap:
                faults.append(f"{case.key}: {pot} {year} is at {used} of {cap}")
    return _found(
        "caps", "应答中没有超出限额的", "No answer shows a cap exceeded", tried, faults
    )


def _caps_now(asker: Asker, ledger: Ledger) -> Finding:
    """Ask for the running totals of the persons who got most."""
    aid = Counter[int]()
    for case in ledger.in_force():
        aid[case.card] += case.aid_fen
    world, today = asker.world, shanghai_days()[0]

    def fault(person: tuple[int, int]) -> str:
        card, given = person
        document = {
            "card": {"kind": world.card_kind, "number": world.cards[card]},
            "service_date": today,
        }
        answer = asker.ask(
            "POST", "/v1/eligibility", json.dumps(document).encode(), world.hospitals[0]
        )
        quota = answer.document().get("quota")
        if quota is None:
            return f"card {card}: no running totals, {answer.code}"
        for pot in quota:
            if pot["cap_fen"] is not None and pot["used_fen"] > pot["cap_fen"]:
                return f"card {card}: {pot['pot']} is beyond its cap"
        used = sum(pot["used_fen"] for pot in quota)
        if used < given or (world.fresh and used != given):
            return f"card {card}: {used} used, by our notes {given}"
        return ""

    chosen = [one for one in aid.most_common(_PERSONS_MAX) if one[0] >= 0]
    return _found(
        "used", "个人累计与限额相符", "Persons' running totals match, within caps",
        len(chosen), filter(None, asker.each(chosen, fault)),
    )  # fmt: skip


def _review(ledger: Ledger, ended_s: float) -> Finding:
    """Who was struck is told so, everywhere, a moment after the import."""
    asked = [one for one in ledger.told if one["s"] > ended_s + _FOLLOWED_S]
    faults = [
        f"{one['s'] - ended_s:.1f} s after the import: {one['status']}"
        for one in asked
        if one["status"] != "not_eligible"
    ]
    before = [one for one in ledger.told if one["status"] == "eligible"]
    if not asked or not before:
        faults.append("nobody asked about struck persons before and after the review")
    return _found(
        "review", "停保人员随即不再符合条件",
        "Struck persons are told so within two seconds", len(asked), faults,
    )  # fmt: skip


def shanghai_day(instant: str) -> str:
    """The Shanghai day of an instant in RFC 3339."""
    return datetime.fromisoformat(instant).astimezone(_SHANGHAI).date().isoformat()


def shanghai_days() -> list[str]:
    """Today in Shanghai; a list, for a run may last into another day."""
    return [datetime.now(UTC).astimezone(_SHANGHAI).date().isoformat()]


def as_documents(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Findings for JSON."""
    return [
        {
            "name": one.name, "holds": one.holds, "tried": one.tried,
            "faults": list(one.faults), "zh": one.zh, "en": one.en,
        }
        for one in findings
    ]  # fmt: skip


def failed(error: NotToldError | SignInError | ValueError) -> Finding:
    """A check that could not be done is not passed."""
    return Finding(
        "check", "核对未能完成", "The check could not be done", 0, (str(error),)
    )
