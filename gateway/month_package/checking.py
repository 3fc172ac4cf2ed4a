"""Checks a stretch of a package's records; runs in as many processes as there are.

Everything that concerns one record alone is checked here: its signature and claims,
its place in the month, the settlement that it undoes, and with the bureau's key its
content and the decision itself. What concerns the whole is handed back, small.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from crypto.claims import Claim
from crypto.errors import CryptoError, MalformedPackageError, PackageMismatchError
from crypto.key_files import parse_private_key_file
from crypto.keys import OpeningKey
from crypto.merkle import leaf_hash, verify_inclusion
from crypto.record import VerifiedRecord, record_hash, verify_record
from crypto.trust import parse_trust_file
from gateway.month_package import layout
from gateway.month_package.checked import Checked, Job, Stretch, note, where_of
from gateway.month_package.spool import (
    AGAIN,
    BILL,
    CARD,
    RECORD,
    SETTLED,
    TAKEN_BACK,
    TOTAL,
    UNDONE,
    Spool,
)
from gateway.month_package.tables import csv_lines
from gateway.offline_verify import Finding
from settlement.domain.calendar import month_of_day
from settlement.domain.decision import Adjudication
from settlement.domain.month_entry import (
    Entry,
    is_late,
)
from settlement.domain.month_lines import clear_cells, staff_line
from settlement.domain.policy import CompiledPack
from settlement.service.books_decisions import sealed_content
from settlement.service.month_check import (
    Link,
    compiled,
    decide,
    disclosed_of,
    figures_of,
    reversal_findings,
    reversal_links,
    settlement_findings,
    settlement_links,
)

#: What reading a sealed content raises that does not have its members.
_NO_CONTENT = (
    KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError,
)  # fmt: skip
_SAME_IN_A_REVERSAL = (
    "total_fen", "funds_fen", "aid_fen", "patient_pays_fen", "facility", "policy",
    "policy_sha256", "sandbox",
)  # fmt: skip


class Checker:
    """Checks stretches of one package."""

    def __init__(self, job: Job) -> None:
        """Raises `CryptoError` for keys that cannot be read."""
        #: What was given.
        self.job = job
        self._file = Path(job.path).open("rb")  # noqa: SIM115  # for the process's life
        self._trust = parse_trust_file(job.trust)
        self._key: OpeningKey | None = None
        if job.opening_key is not None:
            key = parse_private_key_file(job.opening_key)
            self._key = key if isinstance(key, OpeningKey) else None
        packs = [(sha256, compiled(text)) for sha256, text in job.packs.items()]
        self._packs = {
            (sha256, f"{pack.ref.id}@{pack.ref.version}"): pack
            for sha256, pack in packs
        }
        self._names = {name: pack for (_sha256, name), pack in self._packs.items()}
        #: Takes rows until all records have been seen.
        self.spool = Spool(Path(job.spool))

    def close(self) -> None:
        """Close the package."""
        self._file.close()

    def check(self, stretch: Stretch) -> Checked:
        """Check every line of the stretch."""
        checked = Checked()
        originals = self._originals(stretch, checked)
        lines: list[list[str]] = []
        for line in self._read(stretch.offset, stretch.size).splitlines():
            self._line(line, originals, checked, lines)
        for index in originals:
            note(checked, layout.ORIGINALS, index, "no reversal here undoes it")
        checked.lines = csv_lines(lines)
        checked.tally.add(checked.clear_sums.tally())
        self.spool.flush()
        return checked

    def _read(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(size)

    def _originals(
        self, stretch: Stretch, checked: Checked
    ) -> dict[int, layout.Original]:
        found: dict[int, layout.Original] = {}
        octets = self._read(stretch.originals_offset, stretch.originals_size)
        for line in octets.splitlines():
            try:
                original = layout.parse_original(line)
            except CryptoError as error:
                checked.find(Finding.of(layout.ORIGINALS, error))
                continue
            if original.reversal_index in found:
                note(checked, layout.ORIGINALS, original.reversal_index, "stands twice")
            found[original.reversal_index] = original
        return found

    def _line(
        self,
        line: bytes,
        originals: dict[int, layout.Original],
        checked: Checked,
        lines: list[list[str]],
    ) -> None:
        index, record = layout.parse_record_line(line)
        verified: VerifiedRecord | None = None
        try:
            if index is None:
                raise MalformedPackageError("a line of it has no index")
            checked.indexes.append(index)
            verified = verify_record(record, self._trust)
            checked.entries.append(verified.record_hash)
            _Record(self, index, verified, checked).check(originals, lines)
        except CryptoError as error:
            if index is not None and verified is None:
                checked.entries.append(record_hash(record))
            checked.find(Finding.of(where_of(layout.RECORDS, index), error))
            checked.is_whole = False

    def pack(self, claims: Mapping[str, Claim]) -> CompiledPack:
        """The named policy document; raises `PackageMismatchError`."""
        pack = self._packs.get((str(claims["policy_sha256"]), str(claims["policy"])))
        if pack is None:
            raise PackageMismatchError("the package has not the policy that it names")
        return pack

    def content(self, verified: VerifiedRecord) -> dict[str, Any] | None:
        """The sealed content, where the key was given; raises `CryptoError`."""
        return None if self._key is None else sealed_content(verified, self._key)

    def original(self, original: layout.Original) -> VerifiedRecord:
        """An original whose signature and place in the log hold."""
        verified = verify_record(original.record, self._trust)
        verify_inclusion(
            original.index,
            self.job.tree_size,
            leaf_hash(verified.record_hash),
            original.path,
            self.job.root,
        )
        return verified

    def category_text(self, policy: str, category: str) -> str:
        """The category's name in a policy."""
        pack = self._names.get(policy)
        return category if pack is None else pack.category_text(category)[0]


class _Record:
    """One record on its way through the checks."""

    def __init__(
        self, checker: Checker, index: int, verified: VerifiedRecord, checked: Checked
    ) -> None:
        self._checker, self._index, self._checked = checker, index, checked
        self._verified = verified
        self._claims: Mapping[str, Claim] = verified.claims
        self._month = _month_number(str(self._claims["day"]))

    def check(
        self, originals: dict[int, layout.Original], lines: list[list[str]]
    ) -> None:
        """Every check of this record; raises `CryptoError` where one cannot go on."""
        claims, checked = self._claims, self._checked
        self._require_place()
        checked.sandbox += "sandbox" in claims
        sid = bytes.fromhex(str(claims["sid"]))
        self._checker.spool.add(sid, RECORD, self._index)
        if claims["op"] == "tombstone":
            checked.tombstones += 1
            self._tombstone()
            return
        checked.policies.add(str(claims["policy_sha256"]))
        pack = self._checker.pack(claims)
        if claims["op"] == "reverse":
            content = self._reversal(pack, originals.pop(self._index, None))
        else:
            content = self._settlement(pack)
        if content is None:
            self._enter_clear()
        else:
            self._enter(content, lines)

    def _require_place(self) -> None:
        job, month = self._checker.job, self._month
        if not 0 <= self._index < job.tree_size:
            raise PackageMismatchError("the index lies beyond the month's cut")
        if month > job.month or (self._index < job.first_index and month != job.month):
            raise PackageMismatchError("the record is of another month")
        if self._claims["facility"] not in job.hospitals:
            raise PackageMismatchError("no hospital of its facility closed the month")

    def _settlement(self, pack: CompiledPack) -> dict[str, Any] | None:
        """The settlement's content, decided once more, where it can be opened."""
        content = self._checker.content(self._verified)
        if content is None:
            return None
        self._checked.opened += 1
        try:
            result = decide(pack, content)
            self._tell(settlement_findings(pack, result, content, self._claims))
            self._link(settlement_links(result, content))
            self._card(content)
            again = content["bill"]["repeat_reason"] is not None
            self._bill(content, AGAIN if again else SETTLED)
        except _NO_CONTENT:
            raise _no_content() from None
        return content

    def _reversal(
        self, pack: CompiledPack, original: layout.Original | None
    ) -> dict[str, Any] | None:
        """The content of what it undoes, decided once more, where it can be opened."""
        if original is None:
            raise MalformedPackageError("the settlement that it undoes is not here")
        undone = self._checker.original(original)
        self._require_undoes(original, undone)
        content = self._checker.content(self._verified)
        undone_content = self._checker.content(undone)
        if content is None or undone_content is None:
            return None
        self._checked.opened += 1
        try:
            result: Adjudication = decide(pack, undone_content)
            undone_claims = undone.claims
            self._tell(settlement_findings(pack, result, undone_content, undone_claims))
            self._tell(reversal_findings(result, content, self._claims))
            self._link(reversal_links(result, undone_content))
            self._bill(undone_content, TAKEN_BACK)
        except _NO_CONTENT:
            raise _no_content() from None
        return undone_content

    def _require_undoes(
        self, original: layout.Original, undone: VerifiedRecord
    ) -> None:
        claims = undone.claims
        if claims["op"] != "settle" or claims["sid"] != self._claims["ref"]:
            raise PackageMismatchError("the original given is not what it undoes")
        if original.index >= self._index:
            raise PackageMismatchError("what it undoes stands behind it in the log")
        for name in _SAME_IN_A_REVERSAL:
            if claims.get(name) != self._claims.get(name):
                raise PackageMismatchError(
                    f"its {name} is not that of the settlement it undoes"
                )
        sid = bytes.fromhex(str(claims["sid"]))
        self._checker.spool.add(sid, UNDONE, self._index)

    def _tombstone(self) -> None:
        content = self._checker.content(self._verified)
        if content is None:
            return
        self._checked.opened += 1
        if content.get("claims") != dict(self._claims):
            self._tell(iter(["the sealed claims are not the clear ones"]))

    def _enter_clear(self) -> None:
        """Count it by what its clear claims say."""
        claims = self._claims
        self._checked.clear_sums.enter(claims, is_late=self._is_late)
        self._checked.clear.append(clear_cells(self._index, claims))

    @property
    def _is_late(self) -> bool:
        job = self._checker.job
        return is_late(
            self._month, self._index, month=job.month, first_index=job.first_index
        )

    def _enter(self, content: Mapping[str, Any], lines: list[list[str]]) -> None:
        """Count it by what its content says, and make its line."""
        try:
            self._enter_opened(content, lines)
        except _NO_CONTENT:
            raise _no_content() from None

    def _enter_opened(self, content: Mapping[str, Any], lines: list[list[str]]) -> None:
        job, claims = self._checker.job, self._claims
        entry = Entry(
            index=self._index,
            sid=str(claims["sid"]),
            ref=str(claims["ref"]),
            facility=str(claims["facility"]),
            day=date.fromisoformat(str(claims["day"])),
            is_late=self._is_late,
            bill=figures_of(content),
        )
        month = f"{job.month // 100:04d}-{job.month % 100:02d}"
        hospital, text = job.hospitals[entry.facility], self._checker.category_text
        line = staff_line(entry, hospital, month, text)
        detailed = line
        if job.with_details:
            detailed = staff_line(entry, hospital, month, text, disclosed_of(content))
        if not all(isinstance(cell, str) for cell in detailed):
            raise TypeError
        self._checked.tally.enter(entry)
        lines.append(line)
        if job.with_details:
            self._checked.details.append(detailed)

    def _bill(self, content: Mapping[str, Any], what: int) -> None:
        """Which bill aid is paid on, where the hospital numbers its bills."""
        bill, claims = content["bill"], self._claims
        if bill["bill_no"] is None or not claims["aid_fen"]:
            return
        name = [claims["facility"], content["person"], bill["visit_no"]]
        key = _digest(repr([*name, bill["bill_no"]]), 16)
        self._checker.spool.add(key, BILL, self._index, posted_fen=what)

    def _card(self, content: Mapping[str, Any]) -> None:
        """Whose the card is, to be compared with what other records say."""
        card = content["bill"]["card"]
        self._checker.spool.add(
            _digest(f"{card['kind']} {card['number']}", 16),
            CARD,
            self._index,
            posted_fen=int.from_bytes(_digest(str(content["person"]), 7)),
        )

    def _link(self, links: Iterator[Link]) -> None:
        for link in links:
            key = _digest(f"{link.person} {link.year} {link.pot}", 16)
            self._checker.spool.add(
                key, TOTAL, self._index, link.before_fen, link.posted_fen
            )

    def _tell(self, sentences: Iterator[str]) -> None:
        for sentence in sentences:
            note(self._checked, layout.RECORDS, self._index, sentence)


def _digest(text: str, size: int) -> bytes:
    return blake2b(text.encode(), digest_size=size).digest()


@lru_cache(maxsize=64)
def _month_number(day: str) -> int:
    """202601 of a day's text."""
    return month_of_day(date.fromisoformat(day))


def _no_content() -> MalformedPackageError:
    return MalformedPackageError("the sealed content lacks a member, or one is wrong")
