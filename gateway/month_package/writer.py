"""Writes a month package: in one pass, with flat memory, to the same bytes each time.

It is written beside its place under another name, flushed, and renamed when it is
whole. Who is killed before that leaves a file that the next run writes anew.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, cast

from crypto.encoding import canonical_json
from crypto.keys import SigningKey
from crypto.month_manifest import MonthManifest, sign_month_manifest
from gateway.month_package import layout
from gateway.month_package.container import ContainerWriter, Written
from gateway.month_package.tables import (
    csv_file,
    csv_head,
    csv_lines,
    read_csv,
    write_workbook,
)
from settlement.domain.month_entry import (
    MonthFacts,
    MonthTally,
    month_statement,
    ranges,
)
from settlement.domain.month_lines import (
    PAYMENT_COLUMNS,
    STAFF_COLUMNS,
    payment_lines,
    staff_line,
    summary_lines,
)
from settlement.domain.policy import CompiledPack, compile_pack
from settlement.service.packaging import (
    MonthBooks,
    PackagedEntry,
    PackagingFault,
    open_month_books,
    signatures_document,
)
from settlement.store.database import Database
from settlement.store.packaging import KeptPackage, keep_package

_LINES_AT_ONCE = 500
OnProgress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class PackageMade:
    """What was written."""

    month: str
    path: Path
    records: int
    aid_fen: int
    """Net of reversals: what the bureau pays."""
    bytes: int
    sha256: str
    """Of the whole file."""
    is_first: bool
    """Whether no package of the month was made before."""


@dataclass(slots=True)
class _Drafted:
    """What is known when the last record is written."""

    tally: MonthTally = field(default_factory=MonthTally)
    runs: list[tuple[int, int]] = field(default_factory=list)
    packs: dict[str, tuple[CompiledPack, bytes]] = field(default_factory=dict)
    """By SHA-256: every policy document that the records name."""
    records: int = 0
    tombstones: int = 0
    sandbox: int = 0

    def count(self, packaged: PackagedEntry) -> None:
        self.records += 1
        self.sandbox += packaged.is_sandbox
        index = packaged.index
        if self.runs and self.runs[-1][1] == index - 1:
            self.runs[-1] = (self.runs[-1][0], index)
        else:
            self.runs.append((index, index))
        if packaged.entry is None:
            self.tombstones += 1
        else:
            self.tally.enter(packaged.entry)

    def category_text(self, policy: str, category: str) -> str:
        for pack, _document in self.packs.values():
            if f"{pack.ref.id}@{pack.ref.version}" == policy:
                return pack.category_text(category)[0]
        return category


async def make_package(  # what a package is made of, and by whom
    database: Database,
    month: int,
    out: Path,
    signer: SigningKey,
    *,
    origin: str,
    made_at: datetime,
    on_progress: OnProgress = lambda _count: None,
) -> PackageMade:
    """Write the package of a month (202601) that every hospital has closed.

    `signer` is the log's key. The manifest is kept in the database with the first
    package; a later one that would differ is not put in place. Raises
    `PackagingFault` and `OSError`.
    """
    books = await open_month_books(database, month)
    draft = out.with_name(f".{out.name}.part")
    with _held_draft(draft) as file:
        writing = _Writing(books, origin, file, draft.parent, on_progress)
        package, tally, records = await writing.write(signer)
        file.flush()
        os.fsync(file.fileno())
        await _keep(database, month, package, made_at)
        digest, size = _digest(file)
        draft.replace(out)
    _sync_folder(out.parent)
    return PackageMade(
        month=books.month,
        path=out,
        records=records,
        aid_fen=tally.total().net.aid_fen,
        bytes=size,
        sha256=digest,
        is_first=books.kept is None,
    )


class _Writing:
    """One package on its way."""

    def __init__(
        self,
        books: MonthBooks,
        origin: str,
        file: BinaryIO,
        scratch: Path,
        on_progress: OnProgress,
    ) -> None:
        self._books, self._origin, self._scratch = books, origin, scratch
        self._container = ContainerWriter(file)
        self._written: list[Written] = []
        self._drafted = _Drafted()
        self._on_progress = on_progress
        self._hospitals = {
            each.hospital.facility: each.hospital for each in books.statements
        }

    async def write(self, signer: SigningKey) -> tuple[KeptPackage, MonthTally, int]:
        """Every member, in order; what is to be kept of it."""
        with _scratch(self._scratch) as originals, _scratch(self._scratch) as staff:
            await self._records(originals, staff)
            self._add_file(layout.ORIGINALS, originals)
            await self._proofs()
            self._policies()
            self._statements()
            self._add_file(layout.STAFF_CSV, staff)
            self._workbook(staff)
        drafted = self._drafted
        payments = payment_lines(
            self._hospitals.values(), drafted.tally, self._books.month
        )
        self._add(layout.PAYMENTS, csv_file(PAYMENT_COLUMNS, payments))
        statement = canonical_json(month_statement(self._facts(), drafted.tally))
        self._add(layout.STATEMENT, statement)
        manifest = self._sign(signer)
        self._container.finish()
        return KeptPackage(statement, manifest), drafted.tally, drafted.records

    async def _records(self, originals: BinaryIO, staff: BinaryIO) -> None:
        self._container.begin(layout.RECORDS)
        staff.write(csv_head(STAFF_COLUMNS))
        lines: list[list[str]] = []
        async for packaged in self._books.entries():
            self._container.write(layout.record_line(packaged.index, packaged.record))
            self._drafted.count(packaged)
            await self._need_pack(packaged.policy_sha256)
            if packaged.original is not None:
                line = layout.Original(packaged.index, *packaged.original).line()
                originals.write(line)
            if packaged.entry is not None:
                lines.append(self._staff_line(packaged))
            if len(lines) == _LINES_AT_ONCE:
                staff.write(csv_lines(lines))
                lines.clear()
            self._on_progress(1)
        staff.write(csv_lines(lines))
        self._written.append(self._container.end())

    def _staff_line(self, packaged: PackagedEntry) -> list[str]:
        entry = packaged.entry
        if entry is None:
            raise RuntimeError("a tombstone has no line")
        hospital = self._hospitals.get(entry.facility)
        if hospital is None:
            # Closed months never change; entries below a cut do not either.
            raise PackagingFault(
                f"facility {entry.facility} has entries in {self._books.month} and no"
                " closed month; run medaid check-books"
            )
        return staff_line(
            entry, hospital, self._books.month, self._drafted.category_text
        )

    async def _need_pack(self, sha: str | None) -> None:
        if sha is not None and sha not in self._drafted.packs:
            document = await self._books.policy_document(sha)
            self._drafted.packs[sha] = (compile_pack(document), document)

    async def _proofs(self) -> None:
        books = self._books
        gaps = list(layout.gaps(self._drafted.runs, books.cut.tree_size))
        nodes = [node async for node in books.gap_hashes(gaps)]
        self._add(layout.PROOFS, layout.hash_lines(nodes))
        self._add(layout.CHECKPOINT, books.cut.checkpoint.encode("utf-8"))
        if books.previous is not None:
            earlier = books.previous.cut.checkpoint
            self._add(layout.PREVIOUS_CHECKPOINT, earlier.encode("utf-8"))
            path = await books.consistency()
            self._add(layout.CONSISTENCY, layout.hash_lines(path))

    def _policies(self) -> None:
        documents = {
            layout.policy_name(f"{pack.ref.id}@{pack.ref.version}"): document
            for pack, document in self._drafted.packs.values()
        }
        for name in sorted(documents):
            self._add(name, documents[name])

    def _statements(self) -> None:
        for signed in self._books.statements:
            code = signed.hospital.facility
            self._add(layout.statement_name(code), signed.statement)
            signatures = canonical_json({"signatures": signatures_document(signed)})
            self._add(layout.signatures_name(code), signatures)

    def _workbook(self, staff: BinaryIO) -> None:
        with _scratch(self._scratch) as book:
            summary = summary_lines(
                self._hospitals.values(), self._drafted.tally, self._books.month
            )
            write_workbook(book, lambda: _lines_of(staff), summary)
            self._add_file(layout.STAFF_XLSX, book)

    def _facts(self) -> MonthFacts:
        drafted, books = self._drafted, self._books
        return MonthFacts(
            origin=self._origin,
            month=books.month,
            first_index=books.cut.first_index,
            tree_size=books.cut.tree_size,
            previous=_previous(books),
            hospitals=tuple(self._hospitals.values()),
            records=drafted.records,
            tombstones=drafted.tombstones,
            sandbox=drafted.sandbox,
            deferred=ranges(books.deferred),
            from_earlier=ranges(books.from_earlier),
            packs=tuple(
                {
                    "id": pack.ref.id,
                    "version": pack.ref.version,
                    "sha256": pack.ref.sha256,
                }
                for pack, _document in sorted(
                    drafted.packs.values(),
                    key=lambda each: (each[0].ref.id, each[0].ref.version),
                )
            ),
        )

    def _sign(self, signer: SigningKey) -> str:
        members = layout.members_text(self._written)
        manifest = MonthManifest(
            origin=self._origin,
            month=self._books.month,
            tree_size=self._books.cut.tree_size,
            members_sha256=sha256(members).hexdigest(),
            members_size=len(members),
        )
        note = sign_month_manifest(manifest, signer)
        self._container.add(layout.MEMBERS, members)
        self._container.add(layout.MANIFEST, note.encode("utf-8"))
        return note

    def _add(self, name: str, content: bytes) -> None:
        self._written.append(self._container.add(name, content))

    def _add_file(self, name: str, content: BinaryIO) -> None:
        content.seek(0)
        self._written.append(self._container.add_file(name, content))


def _lines_of(staff: BinaryIO) -> Iterator[list[str]]:
    staff.seek(0)
    return read_csv(staff)


def _previous(books: MonthBooks) -> dict[str, int | str] | None:
    if books.previous is None:
        return None
    cut, kept = books.previous.cut, books.previous.kept
    return {
        "month": f"{cut.month // 100:04d}-{cut.month % 100:02d}",
        "tree_size": cut.tree_size,
        "statement_sha256": sha256(kept.statement).hexdigest(),
    }


async def _keep(
    database: Database, month: int, package: KeptPackage, made_at: datetime
) -> None:
    async with database.pool.acquire() as connection:
        kept = await keep_package(connection, month, package, made_at)
    if kept != package:
        raise PackagingFault(
            "the package would differ from the one made first, so it is not put in"
            " place; give out copies of the first one, and run medaid check-books"
        )


@contextmanager
def _held_draft(draft: Path) -> Iterator[BinaryIO]:
    """The file to write into, ours alone, empty, and gone unless it is renamed."""
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _busy(draft) from None
        if not draft.exists() or not os.path.samestat(
            os.fstat(descriptor), draft.stat()
        ):
            # The other run has just put it in its place: it is not ours to empty.
            raise _busy(draft)
        file.truncate(0)
        yield cast("BinaryIO", file)


def _busy(draft: Path) -> PackagingFault:
    return PackagingFault(f"another run is writing {draft.name} now; wait for it")


@contextmanager
def _scratch(folder: Path) -> Iterator[BinaryIO]:
    """A file without a name: whoever is killed leaves nothing of it."""
    with tempfile.TemporaryFile(dir=folder) as file:
        yield cast("BinaryIO", file)


def _digest(file: BinaryIO) -> tuple[str, int]:
    file.seek(0)
    digest, size = sha256(), 0
    while block := file.read(1 << 20):
        digest.update(block)
        size += len(block)
    return digest.hexdigest(), size


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
