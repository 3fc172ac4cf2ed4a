"""A month package of any size, sealed and signed for real, without a database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson

from crypto.approval import Purpose, approve
from crypto.checkpoint import CheckpointSigner
from crypto.encoding import JsonValue, canonical_json
from crypto.keys import OpeningKey, Role, SigningKey
from crypto.merkle import inclusion_proof, leaf_hash, node_hash
from crypto.month_manifest import MonthManifest, sign_month_manifest
from crypto.record import record_hash
from crypto.sealer import Sealer
from crypto.trust import Trust, TrustedKey
from gateway.month_package import layout
from gateway.month_package.container import ContainerWriter, Written
from gateway.month_package.tables import (
    csv_file,
    csv_head,
    csv_lines,
    read_csv,
    write_workbook,
)
from settlement.domain.decision import AccumulatorKey, Adjudication
from settlement.domain.month_entry import (
    Entry,
    Hospital,
    MonthFacts,
    MonthTally,
    month_statement,
)
from settlement.domain.month_lines import (
    PAYMENT_COLUMNS,
    STAFF_COLUMNS,
    payment_lines,
    staff_line,
    summary_lines,
)
from settlement.domain.policy import compile_pack
from settlement.domain.statement import HospitalStatement
from settlement.service.month_check import figures_of
from tests.settlement.house import DEMO_PACK, bill

ORIGIN, MONTH, DAY = "bench.example/log", "2026-01", date(2026, 1, 5)
_HOSPITALS = tuple(f"H{number:03d}" for number in range(1, 11))
_REVERSED_EVERY = 50
_INSTANT = "2026-01-05T02:14:09.000Z"


@dataclass
class MadeMonth:
    """A package, and what verifies it."""

    path: Path
    trust: Trust
    opening: OpeningKey
    record_key: SigningKey
    samples: list[bytes] = field(default_factory=list)
    """Some of the records."""


@dataclass
class _Making:
    """The keys, the pack, and the persons with their running totals."""

    opening: OpeningKey = field(default_factory=lambda: OpeningKey.generate(os.urandom))
    record_key: SigningKey = field(
        default_factory=lambda: SigningKey.generate(Role.RECORD_SIGN, os.urandom)
    )
    log_key: SigningKey = field(
        default_factory=lambda: SigningKey.generate(Role.CHECKPOINT_SIGN, os.urandom)
    )
    officers: dict[str, SigningKey] = field(
        default_factory=lambda: {
            code: SigningKey.generate(Role.PARTY, os.urandom) for code in ("li", "wang")
        }
    )
    totals: dict[int, dict[AccumulatorKey, int]] = field(default_factory=dict)
    entries: list[bytes] = field(default_factory=list)
    tally: MonthTally = field(default_factory=MonthTally)
    written: list[Written] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.document = DEMO_PACK.read_bytes()
        self.pack = compile_pack(self.document)
        self.sealer = Sealer(self.record_key, self.opening.public)
        self.hospitals = [
            Hospital(code, f"医院 {code}", 2, "990101001", "") for code in _HOSPITALS
        ]

    def trust(self) -> Trust:
        keys = (self.record_key.public, self.log_key.public, self.opening.public)
        officers = [
            TrustedKey(key.public, name=code) for code, key in self.officers.items()
        ]
        return Trust(ORIGIN, [*[TrustedKey(key) for key in keys], *officers])

    def settle(self, index: int, persons: int) -> tuple[bytes, dict[str, Any]]:
        """One settlement, decided and sealed."""
        person = index * 7919 % persons
        sent = bill(f"C{person:08d}")
        used = self.totals.setdefault(person, {})
        before = {
            key: used.get(key, 0)
            for key in self.pack.accumulator_keys(sent, ("tekun",))
        }
        result = self.pack.adjudicate(sent, ("tekun",), before, 2, settled_on=DAY)
        for posting in result.postings:
            used[posting.key] = used.get(posting.key, 0) + posting.amount_fen
        claims = self._claims(index, "settle", "", sent.total_fen, sent.funds_fen)
        claims |= {
            "aid_fen": result.aid_fen,
            "patient_pays_fen": result.patient_pays_fen,
        }
        content = {
            **_head(claims, index),
            "bill": sent,
            "person": f"{person:032x}",
            "household": f"{person:032x}",
            "category": result.category,
            "window": {
                "valid_from": "2020-01-01",
                "valid_to": None,
                "subdistrict": f"99010100{person % 9 + 1}",
            },
            "facility_level": 2,
            "accumulators_before": [
                {"year": key.year, "pot": key.pot, "used_fen": fen}
                for key, fen in before.items()
            ],
            "result": _result(result),
        }
        return self._seal(claims, content), orjson.loads(orjson.dumps(content))

    def undo(self, index: int, undone: dict[str, Any]) -> bytes:
        """The reversal of a settlement."""
        person = int(undone["person"], 16)
        claims = {
            **undone["claims"],
            "sid": f"{index:032x}",
            "op": "reverse",
            "ref": undone["claims"]["sid"],
        }
        postings = []
        used = self.totals[person]
        before = {
            AccumulatorKey(row["year"], row["pot"]): row["used_fen"]
            for row in undone["accumulators_before"]
        }
        sent = bill(undone["bill"]["card"]["number"])
        result = self.pack.adjudicate(sent, ("tekun",), before, 2, settled_on=DAY)
        for posting in result.postings:
            used[posting.key] -= posting.amount_fen
            postings.append(
                {
                    "year": posting.key.year,
                    "pot": posting.key.pot,
                    "amount_fen": posting.amount_fen,
                }
            )
        content = {
            **_head(claims, index),
            "reason": "refund",
            "original_idempotency_key": None,
            "card": None,
            "postings": postings,
        }
        return self._seal(claims, content)

    def _seal(self, claims: dict[str, Any], content: dict[str, Any]) -> bytes:
        record = self.sealer.seal(claims, orjson.dumps(content), os.urandom)
        self.entries.append(record_hash(record))
        return record

    def _claims(
        self, index: int, op: str, ref: str, total_fen: int, funds_fen: int
    ) -> dict[str, Any]:
        ref_ = self.pack.ref
        return {
            "v": 1, "sid": f"{index:032x}", "op": op, "ref": ref,
            "facility": _HOSPITALS[index % len(_HOSPITALS)], "day": DAY.isoformat(),
            "total_fen": total_fen, "funds_fen": funds_fen, "aid_fen": 0,
            "patient_pays_fen": 0, "currency": "CNY", "roster_version": 7,
            "policy": f"{ref_.id}@{ref_.version}", "policy_sha256": ref_.sha256,
        }  # fmt: skip


def make_month(path: Path, count: int) -> MadeMonth:
    """A package of `count` records, every fiftieth a reversal."""
    making = _Making()
    made = MadeMonth(path, making.trust(), making.opening, making.record_key)
    with ExitStack() as stack:
        file = stack.enter_context(path.open("wb"))
        staff = stack.enter_context(path.with_suffix(".csv").open("w+b"))
        writer = ContainerWriter(file)
        undone = list(_records(making, made, writer, staff, count))
        _proofs(making, writer, undone, count)
        _add(making, writer, layout.policy_name(_policy(making)), making.document)
        hospitals = _statements(making, writer, count)
        _lists(making, writer, staff, hospitals)
        _sign(making, writer, hospitals, count)
    path.with_suffix(".csv").unlink()
    return made


def _records(
    making: _Making,
    made: MadeMonth,
    writer: ContainerWriter,
    staff: BinaryIO,
    count: int,
) -> Iterator[tuple[int, int, bytes]]:
    """Write the records; what each reversal undoes: its index, the other's, that."""
    writer.begin(layout.RECORDS)
    staff.write(csv_head(STAFF_COLUMNS))
    last: tuple[int, bytes, dict[str, Any]] | None = None
    for index in range(count):
        if index % _REVERSED_EVERY == _REVERSED_EVERY - 1 and last is not None:
            undone_index, undone_record, content = last
            record = making.undo(index, content)
            yield index, undone_index, undone_record
            ref = str(content["claims"]["sid"])
        else:
            record, content = making.settle(index, max(1, count // 3))
            last, ref = (index, record, content), ""
        writer.write(layout.record_line(index, record))
        _enter(making, staff, index, content, ref)
        if index % max(1, count // 2_000) == 0:
            made.samples.append(record)
    making.written.append(writer.end())


def _enter(
    making: _Making, staff: BinaryIO, index: int, content: dict[str, Any], ref: str
) -> None:
    entry = Entry(
        index=index,
        sid=f"{index:032x}",
        ref=ref,
        facility=content["claims"]["facility"],
        day=DAY,
        is_late=False,
        bill=figures_of(content),
    )
    making.tally.enter(entry)
    hospital = making.hospitals[_HOSPITALS.index(entry.facility)]
    line = staff_line(
        entry, hospital, MONTH, lambda _p, each: making.pack.category_text(each)[0]
    )
    staff.write(csv_lines([line]))


def _proofs(
    making: _Making,
    writer: ContainerWriter,
    undone: list[tuple[int, int, bytes]],
    count: int,
) -> None:
    levels = [[leaf_hash(entry) for entry in making.entries]]
    while len(levels[-1]) > 1:
        row = levels[-1]
        above = [node_hash(row[at], row[at + 1]) for at in range(0, len(row) - 1, 2)]
        levels.append(above)

    def read(level: int, index: int) -> bytes:
        return levels[level][index]

    writer.begin(layout.ORIGINALS)
    for index, other, record in undone:
        path = inclusion_proof(other, count, read)
        writer.write(layout.Original(index, other, record, path).line())
    making.written.append(writer.end())
    _add(making, writer, layout.PROOFS, b"")
    root = levels[-1][0] if count & (count - 1) == 0 else _root(levels, count)
    note = CheckpointSigner(ORIGIN, making.log_key).sign(count, root)
    _add(making, writer, layout.CHECKPOINT, note.encode())


def _root(levels: list[list[bytes]], count: int) -> bytes:
    edge = [
        levels[level][(count >> level) - 1]
        for level in range(len(levels))
        if count >> level & 1
    ]
    computed = edge[0]
    for left in edge[1:]:
        computed = node_hash(left, computed)
    return computed


def _statements(making: _Making, writer: ContainerWriter, count: int) -> list[Hospital]:
    hospitals = []
    for each in making.hospitals:
        statement = HospitalStatement(
            origin=ORIGIN,
            month=MONTH,
            facility=each.facility,
            tree_size=count,
            ledger=making.tally.of(each.facility),
            list_sha256=None,
            with_bureau=False,
        ).to_bytes()
        _add(making, writer, layout.statement_name(each.facility), statement)
        signatures: list[JsonValue] = [
            {
                "officer": code,
                "key_id": key.kid,
                "signature": approve(statement, key, Purpose.MONTH_STATEMENT).hex(),
                "signed_at": _INSTANT,
            }
            for code, key in making.officers.items()
        ]
        document = canonical_json({"signatures": signatures})
        _add(making, writer, layout.signatures_name(each.facility), document)
        hospitals.append(
            Hospital(
                each.facility,
                each.name,
                each.level,
                each.subdistrict,
                sha256(statement).hexdigest(),
            )
        )
    return hospitals


def _lists(
    making: _Making, writer: ContainerWriter, staff: BinaryIO, hospitals: list[Hospital]
) -> None:
    def lines() -> Iterator[list[str]]:
        staff.seek(0)
        return read_csv(staff)

    staff.seek(0)
    making.written.append(writer.add_file(layout.STAFF_CSV, staff))
    with staff_book(staff) as book:
        write_workbook(book, lines, summary_lines(hospitals, making.tally, MONTH))
        book.seek(0)
        making.written.append(writer.add_file(layout.STAFF_XLSX, book))
    payments = payment_lines(hospitals, making.tally, MONTH)
    _add(making, writer, layout.PAYMENTS, csv_file(PAYMENT_COLUMNS, payments))


def staff_book(staff: BinaryIO) -> BinaryIO:
    """A file beside the list, gone when it is closed."""
    path = Path(staff.name).with_suffix(".book")
    book = path.open("w+b")
    path.unlink()
    return cast("BinaryIO", book)


def _sign(
    making: _Making, writer: ContainerWriter, hospitals: list[Hospital], count: int
) -> None:
    ref = making.pack.ref
    facts = MonthFacts(
        origin=ORIGIN,
        month=MONTH,
        first_index=0,
        tree_size=count,
        previous=None,
        hospitals=tuple(hospitals),
        records=count,
        tombstones=0,
        sandbox=0,
        deferred=(),
        from_earlier=(),
        packs=({"id": ref.id, "version": ref.version, "sha256": ref.sha256},),
    )
    statement = canonical_json(month_statement(facts, making.tally))
    _add(making, writer, layout.STATEMENT, statement)
    members = layout.members_text(making.written)
    manifest = MonthManifest(
        origin=ORIGIN,
        month=MONTH,
        tree_size=count,
        members_sha256=sha256(members).hexdigest(),
        members_size=len(members),
    )
    writer.add(layout.MEMBERS, members)
    note = sign_month_manifest(manifest, making.log_key)
    writer.add(layout.MANIFEST, note.encode())
    writer.finish()


def _add(making: _Making, writer: ContainerWriter, name: str, content: bytes) -> None:
    making.written.append(writer.add(name, content))


def _policy(making: _Making) -> str:
    return f"{making.pack.ref.id}@{making.pack.ref.version}"


def _head(claims: dict[str, Any], index: int) -> dict[str, Any]:
    return {
        "claims": claims,
        "idempotency_key": f"key-{index}",
        "settled_at": _INSTANT,
        "operator": "op-1",
    }


def _result(result: Adjudication) -> dict[str, Any]:
    return {
        "reason": result.reason,
        "base_fen": result.base_fen,
        "aid": [
            {"kind": part.kind, "amount_fen": part.amount_fen} for part in result.aid
        ],
        "cash_fen": result.cash_fen,
        "account_return_fen": result.account_return_fen,
        "steps": [
            [line.rule, line.input_fen, line.result_fen] for line in result.explanation
        ],
    }
