"""Take a signed roster file in: verified first, then in one piece or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from itertools import islice
from pathlib import Path

from crypto.errors import CryptoError, MalformedManifestError
from crypto.keys import Role, VerifyingKey
from crypto.manifest import VerifiedManifest, verify_manifest
from crypto.tokens import Tokenizer
from crypto.trust import Trust, TrustedKey
from eligibility_cache.roster_file import DataRow, RosterFile, sha256_of
from eligibility_cache.store import key_check
from settlement.domain.calendar import SHANGHAI, shanghai_day
from settlement.domain.policy import compile_pack
from settlement.domain.policy.spelling import spellings
from settlement.domain.roster import (
    RefusedRow,
    RosterCounts,
    RosterManifest,
    RosterRefusedError,
    RosterRow,
)
from settlement.store.access import AccessStore
from settlement.store.database import Database
from settlement.store.policies import read_packs
from settlement.store.roster_import import RosterImport, open_import

#: 0.001: one row in a thousand may be refused.
MAX_REFUSED_PPM = 1_000
_PPM = 1_000_000
_CHUNK = 5_000
#: Of a file that is refused for its rows, so many faults are listed.
_LISTED = 1_000
_MANIFEST_BYTES_MAX = 65_536

#: Called with the step (`checking`, `reading`, `merging`) and rows done so far.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterImported:
    """A file that was taken in."""

    manifest: RosterManifest
    counts: RosterCounts
    refused: tuple[RefusedRow, ...]
    """In the order of lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRules:
    """By what a file is read and judged."""

    trust: Trust
    """See `roster_trust`."""
    tokenizer: Tokenizer
    categories: Mapping[str, str]
    """Spelling to category id, from the policy packs."""
    now: datetime
    max_refused_ppm: int = MAX_REFUSED_PPM
    """Refused rows per million rows; with more, nothing of the file is taken."""


@dataclass(slots=True)
class _Reading:
    """What was read so far."""

    rows: int = 0
    refused: list[RefusedRow] = field(default_factory=list)


async def import_roster(
    database: Database,
    manifest_path: Path,
    rules: ImportRules,
    progress: Progress = lambda _step, _done, _total: None,
) -> RosterImported:
    """Take the file in that the manifest names, beside it.

    Raises `RosterRefusedError` (MA-61xx), with the refused rows where they are the
    reason; the roster then is as it was. So it is when the process dies.
    """
    verified = _verified(_read_manifest(manifest_path), rules)
    manifest = _manifest_of(verified)
    path = manifest_path.parent / verified.manifest.file
    progress("checking", 0, manifest.rows)
    if await asyncio.to_thread(sha256_of, path) != manifest.sha256.hex():
        raise _other_bytes(path)
    check = key_check(rules.tokenizer)
    async with open_import(database, manifest, check) as roster:
        file = RosterFile(path)
        reading = await _stage(
            roster, file.rows(rules.tokenizer, rules.categories), rules, progress
        )
        _require_as_signed(manifest, path, file, reading)
        _require_few_refused(manifest, reading.refused, rules)
        await roster.refuse(reading.refused)
        progress("merging", manifest.rows, manifest.rows)
        conflicts, without_effect = await roster.settle_conflicts()
        refused = _by_line(reading.refused + conflicts)
        _require_few_refused(manifest, refused, rules)
        counts = await roster.merge(
            refused=len(refused),
            removals_without_effect=without_effect,
            imported_at=rules.now,
        )
    return RosterImported(manifest=manifest, counts=counts, refused=tuple(refused))


async def roster_trust(database: Database, trust: Trust) -> Trust:
    """The keys by which rosters are believed now.

    Those of the trust file and those that a party with role bureau has registered
    since; never one that has been revoked.
    """
    access = AccessStore(database)
    bureaus = {party.id for party in await access.parties() if party.role == "bureau"}
    registered = [
        key
        for key in await access.keys()
        if key.key_id.startswith(Role.BUREAU_ROSTER.prefix)
    ]
    revoked = {key.key_id for key in registered if key.revoked_at is not None}
    in_file = trust.keys_of(Role.BUREAU_ROSTER)
    known = revoked | {key.kid for key in in_file}
    added = [
        TrustedKey(
            VerifyingKey(key.public_key, Role.BUREAU_ROSTER),
            not_before=shanghai_day(key.not_before),
        )
        for key in registered
        if key.key_id not in known and key.party_id in bureaus and key.public_key
    ]
    return Trust(trust.origin, [k for k in in_file if k.kid not in revoked] + added)


async def installed_spellings(database: Database) -> dict[str, list[str]]:
    """How rosters may write each category, by its id, from the installed packs."""
    found: dict[str, list[str]] = {}
    for row in await read_packs(database):
        for category in compile_pack(row.document).document.categories:
            found.setdefault(category.id, []).extend(spellings(category))
    return found


def by_spelling(spellings_of: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The category id by each of its spellings."""
    return {
        spelling: category
        for category, all_spellings in spellings_of.items()
        for spelling in all_spellings
    }


def _read_manifest(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            text = file.read(_MANIFEST_BYTES_MAX + 1)
    except OSError as error:
        raise RosterRefusedError(
            "MA-6101", f"the manifest {path} cannot be read: {error.strerror}"
        ) from error
    if len(text) > _MANIFEST_BYTES_MAX:
        raise RosterRefusedError("MA-6101", f"{path} is too large for a manifest")
    return text


def _verified(text: bytes, rules: ImportRules) -> VerifiedManifest:
    try:
        return verify_manifest(text, rules.trust, on=shanghai_day(rules.now))
    except MalformedManifestError as error:
        raise RosterRefusedError("MA-6101", str(error)) from error
    except CryptoError as error:
        raise RosterRefusedError("MA-6102", str(error)) from error


def _manifest_of(verified: VerifiedManifest) -> RosterManifest:
    signed = verified.manifest
    return RosterManifest(
        kind=signed.kind,
        version=signed.version,
        previous_version=signed.previous_version,
        as_of=_instant(signed.as_of),
        rows=signed.rows,
        sha256=bytes.fromhex(signed.sha256),
        key_id=verified.key_id,
    )


def _instant(as_of: str) -> datetime:
    """A day means its beginning in Shanghai."""
    try:
        instant = datetime.fromisoformat(as_of)
    except ValueError as error:
        raise RosterRefusedError("MA-6101", "as_of is no instant") from error
    if instant.tzinfo is None:
        return datetime.combine(instant.date(), time(), SHANGHAI)
    return instant.astimezone(UTC)


async def _stage(
    roster: RosterImport,
    rows: Iterator[DataRow],
    rules: ImportRules,
    progress: Progress,
) -> _Reading:
    """Copy the readable rows beside the roster; give up on a hopeless file early."""
    reading = _Reading()
    while chunk := await asyncio.to_thread(_take, rows):
        staged: list[RosterRow] = []
        for row in chunk:
            if isinstance(row, RefusedRow):
                reading.refused.append(row)
            else:
                staged.extend(row)
        await roster.stage(staged)
        reading.rows += len(chunk)
        progress("reading", reading.rows, roster.manifest.rows)
        if len(reading.refused) >= _LISTED:
            _require_few_refused(roster.manifest, reading.refused, rules)
    return reading


def _take(rows: Iterator[DataRow]) -> list[DataRow]:
    return list(islice(rows, _CHUNK))


def _require_as_signed(
    manifest: RosterManifest, path: Path, file: RosterFile, reading: _Reading
) -> None:
    """The bytes parsed are the bytes signed, though the file was read twice."""
    if file.sha256 != manifest.sha256.hex():
        raise _other_bytes(path)
    if reading.rows != manifest.rows:
        raise RosterRefusedError(
            "MA-6105",
            f"{path.name} has {reading.rows} rows, the manifest says {manifest.rows}",
        )


def _require_few_refused(
    manifest: RosterManifest, refused: list[RefusedRow], rules: ImportRules
) -> None:
    if len(refused) * _PPM > manifest.rows * rules.max_refused_ppm:
        raise RosterRefusedError(
            "MA-6106",
            f"at least {len(refused)} of {manifest.rows} rows are refused, more than"
            f" {rules.max_refused_ppm} in a million",
            tuple(refused[:_LISTED]),
        )


def _by_line(refused: list[RefusedRow]) -> list[RefusedRow]:
    """Each line once, with its first fault."""
    first: dict[int, RefusedRow] = {}
    for row in refused:
        first.setdefault(row.line, row)
    return [first[line] for line in sorted(first)]


def _other_bytes(path: Path) -> RosterRefusedError:
    return RosterRefusedError(
        "MA-6104", f"{path.name} is not the file that was signed: its SHA-256 differs"
    )
