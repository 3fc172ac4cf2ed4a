"""The verdict: every reply ever given is compared with the plain model.

Leaves are replayed in the order of the log. What leaves no leaf, a decline or a
reversal of something undone, must be what the model says at some length of the log
that it had between question and answer. Real time is kept: what was answered before
something else was asked of the same person stands before it in the log.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from crypto.checkpoint import parse_checkpoint, verify_checkpoint
from crypto.errors import CryptoError
from crypto.merkle import RightEdge, leaf_hash, verify_inclusion
from crypto.receipt import Receipt, parse_receipt
from crypto.record import verify_record
from settlement.domain.calendar import rfc3339
from tests.simulation.clients import OPEN, Attempt, Operation
from tests.simulation.decree import Decision
from tests.simulation.faults import POISON
from tests.simulation.model import Model, Roster

if TYPE_CHECKING:
    from tests.simulation.run import Run

Finding = tuple[str, str]


@dataclass
class KnownRoster:
    """One version of the roster, and since when it was in force."""

    since: int
    cards: dict[str, str]
    windows: Roster


class Told(NamedTuple):
    """One stored answer with who got it, and when it can have come about."""

    operation: Operation
    body: dict[str, Any]
    begun: int
    ended: int
    receipt: Receipt | None


def judge(run: Run) -> list[Finding]:
    """Everything that does not hold."""
    return _Judge(run).judge()


@dataclass
class _Judge:
    run: Run
    findings: list[Finding] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.model = Model()
        self.rows = self.run.final_rows
        self.told: list[Told] = []
        #: By settlement or reversal id.
        self.by_id: dict[str, Told] = {}
        #: Card tokens by number.
        self.tokens: dict[str, str] = {}
        #: Prefix roots of the final log, by size.
        self.roots: dict[int, bytes] = {}

    def find(self, invariant: str, text: str) -> None:
        self.findings.append((invariant, text))

    def judge(self) -> list[Finding]:
        self._collect()
        self._check_log()
        self._check_receipts()
        self._check_real_time()
        self._replay()
        self._check_refusals()
        self._check_tables()
        return self.findings

    # -- once: one answer for one key ------------------------------------------

    def _collect(self) -> None:
        by_key: dict[tuple[str, int, str], list[Operation]] = defaultdict(list)
        for operation in self.run.operations:
            by_key[operation.kind, operation.facility, operation.key].append(operation)
        for (kind, facility, key), operations in by_key.items():
            winners = [o for o in operations if o.body is not None]
            bodies = {a.answer.body for o in winners for a in o.attempts if a.answer}
            if len(bodies) > 1:
                self.find("E2 same bytes", f"{kind} {facility}/{key}: {len(bodies)}")
            if len({_content(o) for o in winners}) > 1:
                self.find("E1 once", f"{kind} {facility}/{key}: two contents settled")
            if winners:
                self._tell(winners)

    def _tell(self, winners: list[Operation]) -> None:
        operation = winners[0]
        body = orjson.loads(operation.body or b"{}")
        receipt = None
        if body["receipt"] is not None:
            receipt = parse_receipt(body["receipt"])
        attempts = [a for o in winners for a in o.attempts]
        ended = min(a.ended or 0 for a in attempts if a.answer is not None)
        told = Told(operation, body, min(a.begun for a in attempts), ended, receipt)
        self.told.append(told)
        if self._is_repeat(told):
            return
        id_ = body["reversal_id" if operation.bill is None else "settlement_id"]
        if id_ in self.by_id:
            self.find("E1 once", f"id {id_} was answered under two keys")
        self.by_id[id_] = told

    # -- the log ---------------------------------------------------------------

    def _check_log(self) -> None:
        leaves, records = self.rows["log_leaf"], self.rows["sealed_record"]
        head = self.rows["log_head"].get(True)
        if sorted(leaves) != list(range(len(leaves))):
            self.find("T1 gapless", f"{len(leaves)} leaves")
            return
        if len({leaf.id for leaf in leaves.values()}) != len(leaves):
            self.find("T1 gapless", "something has two leaves")
        edge = RightEdge()
        self.roots = {0: edge.root}
        for index in range(len(leaves)):
            leaf = leaves[index]
            record = records.get((leaf.month, index))
            if record is None or sha256(record.record).digest() != leaf.entry:
                self.find("T4 leaf is the record", str(index))
            edge = edge.extend([leaf.entry]).edge
            self.roots[index + 1] = edge.root
        if head is not None and (head.size, head.root) != (edge.size, edge.root):
            self.find("T3 consistent", "the head is not the root of the leaves")

    def _check_receipts(self) -> None:
        seen: dict[str, tuple[int, bytes]] = {}
        for told in self.told:
            if told.receipt is not None:
                self._check_receipt(told, told.receipt, seen)

    def _check_receipt(
        self, told: Told, receipt: Receipt, seen: dict[str, tuple[int, bytes]]
    ) -> None:
        key, keys = told.operation.key, self.run.keys
        try:
            if receipt.checkpoint not in seen:
                note = receipt.checkpoint
                shown = (
                    verify_checkpoint(note, keys.trust)
                    if keys.are_real
                    else parse_checkpoint(note)
                )
                seen[note] = shown.size, shown.root
            size, root = seen[receipt.checkpoint]
            entry = sha256(receipt.record).digest()
            verify_inclusion(receipt.index, size, leaf_hash(entry), receipt.path, root)
            if keys.are_real:
                verify_record(receipt.record, keys.trust)
        except CryptoError as error:
            self.find("T2 provable", f"{key}: {error.code}")
            return
        if size != receipt.tree_size or self.roots.get(size) != root:
            self.find("T3 consistent", f"{key}: shown at {size}, not the log's past")
        leaf = self.rows["log_leaf"].get(receipt.index)
        if leaf is None or leaf.entry != entry:
            self.find("D1 lost", f"{key}: acknowledged leaf {receipt.index} is gone")

    def _check_real_time(self) -> None:
        """Answered before asked, of one person: in this order in the log."""
        ends: dict[str, list[tuple[int, int]]] = defaultdict(list)
        begins: list[tuple[int, str, int, str]] = []
        for told in self.told:
            person = self._person_of_leaf(told)
            if told.receipt is not None and person is not None:
                ends[person].append((told.ended, told.receipt.index))
                place = (told.begun, person, told.receipt.index, told.operation.key)
                begins.append(place)
        for begun, person, index, key in begins:
            if any(e < begun and i > index for e, i in ends[person]):
                self.find("R real time", f"{key}: leaf {index} is before its past")

    def _person_of_leaf(self, told: Told) -> str | None:
        if told.receipt is None:
            return None
        leaf = self.rows["log_leaf"].get(told.receipt.index)
        row = None if leaf is None else self.rows["settlement"].get(leaf.id)
        return None if row is None or row.person is None else row.person.hex()

    # -- replay ----------------------------------------------------------------

    def _replay(self) -> None:
        """In index order through the model; the leafless wherever they fit."""
        leafless = sorted(
            (t for t in self.told if t.receipt is None or self._is_repeat(t)),
            key=lambda told: told.begun,
        )
        leaves = self.rows["log_leaf"]
        at = {
            told.receipt.index: told
            for told in self.told
            if told.receipt is not None and not self._is_repeat(told)
        }
        waiting = [(told, *self._log_sizes(told)) for told in leafless]
        for size in range(len(leaves) + 1):
            waiting = [
                (told, low, high)
                for told, low, high in waiting
                if not (low <= size <= high and self._fits(told))
            ]
            if size < len(leaves):
                self._replay_leaf(size, at.get(size), leaves[size])
        for told, _, _ in waiting:
            said = told.body.get("reason", {}).get("code") or told.body.get("state")
            self.find("model: decline", f"{told.operation.key}: {said} is never right")

    def _is_repeat(self, told: Told) -> bool:
        return told.operation.bill is None and bool(told.body["already"])

    def _log_sizes(self, told: Told) -> tuple[int, int]:
        """Shortest and longest the log can have been from question to answer."""
        low, high = 0, len(self.rows["log_leaf"])
        for other in self.told:
            if other.receipt is None or self._is_repeat(other):
                continue
            if other.ended < told.begun:
                low = max(low, other.receipt.index + 1)
            if other.begun > told.ended:
                high = min(high, other.receipt.index)
        return low, high

    def _fits(self, told: Told) -> bool:
        """Whether the model, as the log stands in the replay, says the same."""
        if told.operation.bill is None:
            return self._reversal_fits(told)
        named = told.body["duplicate_of"]
        if named is not None and named["settlement_id"] not in self.model.settled:
            return False
        decision = self._decide(told)
        return (
            decision is not None
            and not decision.approved
            and not self._differences(told, decision)
        )

    def _roster_of(self, told: Told) -> KnownRoster | None:
        """The version that the answer names; it must have been in force meanwhile."""
        named = told.body["roster"]
        version = named["version"] if named else 0
        known = self.run.rosters.get(version)
        if known is None:
            self.find("roster", f"{told.operation.key}: version {version} never was")
            return None
        after = self.run.rosters.get(version + 1)
        if told.body["reason"]["code"] == "MA-2205":
            return known  # A stopped key is declined whoever came with it.
        if known.since > told.ended or (after and after.since < told.begun):
            self.find("roster", f"{told.operation.key}: version {version} was over")
            return None
        return known

    def _decide(self, told: Told) -> Decision | None:
        operation, roster = told.operation, self._roster_of(told)
        if operation.bill is None or roster is None:
            return None
        person = self._person(operation, roster)
        return self.model.decide(
            operation.facility, operation.key, operation.bill, person, roster.windows
        )

    def _person(self, operation: Operation, roster: KnownRoster) -> str | None:
        if operation.bill is None:
            return None
        number = operation.bill.card.number
        if number not in self.tokens:
            token = self.run.keys.tokenizer.card("social_security_card", number)
            self.tokens[number] = token.hex()
        return roster.cards.get(self.tokens[number])

    def _replay_leaf(self, index: int, told: Told | None, leaf: Any) -> None:
        if told is None:
            # Its client gave up; the final phase has asked for every key again.
            self.find("D3 unknown", f"leaf {index} was never answered")
            self._follow_table(leaf)
        elif told.operation.bill is not None:
            self._replay_settlement(index, told)
        elif told.body["state"] == "tombstone":
            self._replay_tombstone(told)
        else:
            self._replay_reversal(index, told)

    def _follow_table(self, leaf: Any) -> None:
        row = self.rows["reversal"].get(leaf.id)
        if row is not None and row.settlement_id is not None:
            self.model.reverse(row.settlement_id.hex())

    def _replay_settlement(self, index: int, told: Told) -> None:
        operation, decision = told.operation, self._decide(told)
        roster = self._roster_of(told)
        if decision is None or roster is None or operation.bill is None:
            return
        key = operation.key
        if not decision.approved:
            self.find(
                "model: settled", f"leaf {index} ({key}) should be {decision.reason}"
            )
        for difference in self._differences(told, decision):
            self.find("model: settled", f"leaf {index} ({key}): {difference}")
        person = self._person(operation, roster)
        if person is not None:
            id_ = told.body["settlement_id"]
            self.model.settle(id_, operation.facility, operation.bill, person, decision)

    def _replay_tombstone(self, told: Told) -> None:
        order = told.operation.order
        if order is not None and order.original_key is not None:
            self.model.stopped.add((told.operation.facility, order.original_key))

    def _replay_reversal(self, index: int, told: Told) -> None:
        id_ = told.body["settlement_id"]
        settled = self.model.settled.get(id_)
        if not self.model.reverse(id_):
            self.find("M5 reversal", f"leaf {index}: nothing to reverse, or twice")
        elif settled is not None and told.body["aid_fen"] != settled.decision.aid:
            self.find("M5 reversal", f"leaf {index}: another amount")
        if settled is not None and not self._is_about(told.operation, id_):
            self.find("M5 reversal", f"leaf {index}: another settlement than asked for")

    def _is_about(self, operation: Operation, id_: str) -> bool:
        """Whether the request names this settlement, by id or by its key."""
        order, told = operation.order, self.by_id.get(id_)
        if order is None or told is None:
            return False
        if order.settlement_id is not None:
            return order.settlement_id == id_
        owner = told.operation
        return (owner.facility, owner.key) == (operation.facility, order.original_key)

    def _reversal_fits(self, told: Told) -> bool:
        """Of something declined, or reversed before: then the first one's answer."""
        body, order = told.body, told.operation.order
        if body["state"] == "declined":
            original = self.by_id.get(body["settlement_id"])
            return original is not None and original.body["decision"] == "declined"
        first = self._first_reversal(body)
        if first is None or order is None:
            return False
        shown = {**first.body, "already": True}
        if body["state"] == "tombstone":
            return shown == body and (
                (told.operation.facility, order.original_key) in self.model.stopped
            )
        settled = self.model.settled.get(body["settlement_id"])
        return shown == body and settled is not None and settled.is_reversed

    def _first_reversal(self, body: dict[str, Any]) -> Told | None:
        return self.by_id.get(body["reversal_id"])

    def _differences(self, told: Told, decision: Decision) -> list[str]:
        """Fields of the answer that are not what the model says."""
        body, bill = told.body, told.operation.bill
        if bill is None:
            return []
        pays = bill.owed_fen - decision.aid
        account = bill.personal_account_fen
        if decision.reason == "MA-2202" and decision.duplicate_of is not None:
            pays = (
                bill.owed_fen - self.model.settled[decision.duplicate_of].decision.aid
            )
        expected: dict[str, Any] = {
            "decision": "approved" if decision.approved else "declined",
            "aid_fen": decision.aid,
            "aidable_base_fen": decision.base,
            "patient_pays_fen": pays,
            "cash_fen": max(0, pays - account),
            "account_return_fen": max(0, account - pays),
            "category": decision.category,
        }
        found = [f"{n} is {body[n]}" for n, v in expected.items() if body[n] != v]
        if body["reason"]["code"] != decision.reason:
            found.append(f"{body['reason']['code']} instead of {decision.reason}")
        parts = {part["kind"]: part["amount_fen"] for part in body["aid"]}
        basic = decision.aid - decision.tilt
        if parts != {k: v for k, v in (("basic", basic), ("tilt", decision.tilt)) if v}:
            found.append("the parts of the aid differ")
        quota = tuple((q["pot"], q["cap_fen"], q["used_fen"]) for q in body["quota"])
        if decision.reason != "MA-2204" and quota != decision.quota:
            found.append("the quota differs")
        duplicate = (body["duplicate_of"] or {}).get("settlement_id")
        if duplicate != decision.duplicate_of:
            found.append("it names another duplicate")
        return found

    # -- refusals --------------------------------------------------------------

    def _check_refusals(self) -> None:
        """What nothing was kept for must have had its reason."""
        for operation in self.run.operations:
            for attempt in operation.attempts:
                if attempt.refusal is not None:
                    self._check_refusal(operation, attempt, attempt.refusal)
            # Of the other refusals nothing is kept: a later attempt may succeed.
            if operation.body is not None and operation.refusal == "MA-4103":
                self.find("E2 same bytes", f"{operation.key}: refused and answered")
        for told in self.told:
            self._check_denials(told)

    def _check_denials(self, told: Told) -> None:
        """Who was told that nothing was kept did not settle."""
        settled_at = told.body.get("settled_at")
        attempts = told.operation.attempts
        at = [
            a for a in attempts if a.settled_at and rfc3339(a.settled_at) == settled_at
        ]
        # Two that were taken in within one millisecond cannot be told apart.
        if len(at) == 1 and at[0].refusal is not None and at[0].refusal not in OPEN:
            self.find(
                "D3 unknown", f"{told.operation.key}: {at[0].refusal}, and settled"
            )

    def _check_refusal(self, operation: Operation, attempt: Attempt, code: str) -> None:
        right = True
        if code == "MA-4103":
            right = any(
                _content(other) != _content(operation)
                for other in self.run.operations
                if (other.kind, other.facility, other.key)
                == (operation.kind, operation.facility, operation.key)
            )
        elif code == "MA-4101":
            right = not self._was_there(operation, attempt)
        elif code == "MA-4104":
            right = self._is_other_card(operation)
        elif code == "MA-4107":
            right = self.run.settings.tombstones_per_day < len(self.run.operations)
        elif code == "MA-5107":
            right = self._may_have_failed(operation)
        if not right:
            self.find("model: refused", f"{operation.key}: {code} without a reason")

    def _was_there(self, operation: Operation, attempt: Attempt) -> bool:
        order = operation.order
        told = self.by_id.get(order.settlement_id or "") if order else None
        return (
            told is not None
            and told.ended < attempt.begun
            and told.operation.facility == operation.facility
        )

    def _may_have_failed(self, operation: Operation) -> bool:
        """A claim that the server will not take fails; it never fails another."""
        is_poisoned = operation.bill is not None and operation.bill.visit_no.startswith(
            POISON
        )
        return is_poisoned or any(
            fault in {"refused", "commit-rollback"}
            for fault, _ in self.run.plan.coverage
        )

    def _is_other_card(self, operation: Operation) -> bool:
        order, target = operation.order, operation.target
        if order is None or order.card is None or target is None or not target.bill:
            return False
        return order.card != target.bill.card

    # -- the tables at the end -------------------------------------------------

    def _check_tables(self) -> None:
        used = {
            (person.hex(), year, pot): row.used_fen
            for (person, year, pot), row in self.rows["accumulator"].items()
            if row.used_fen
        }
        if used != {place: fen for place, fen in self.model.used.items() if fen}:
            self.find("M2 caps", "the accumulators are not what the model has posted")
        for (person, year, pot), row in self.rows["accumulator"].items():
            if row.used_fen < 0 or (row.cap_fen or row.used_fen) < row.used_fen:
                self.find("M2 caps", f"{person.hex()[:8]}/{year}/{pot}")
        in_force = sorted(row.id.hex() for row in self.rows["visit"].values())
        model = sorted(id_ for ids in self.model.in_force.values() for id_ in ids)
        if in_force != model:
            self.find("E1 once", "the visits in force are not the model's")
        for told in self.told:
            table = "settlement" if told.operation.bill is not None else "answer"
            self._check_kept(told, table)

    def _check_kept(self, told: Told, table: str) -> None:
        name = "reversal_id" if told.operation.bill is None else "settlement_id"
        id_ = bytes.fromhex(told.body[name])
        if table == "settlement" and id_ not in self.rows["settlement"]:
            self.find("D1 lost", f"{told.operation.key}: acknowledged and gone")


def _content(operation: Operation) -> object:
    return operation.bill or operation.order
