"""Take a signed roster file in: verified first, then in one piece or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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
from eligibility_cache.text_encoding import UTF8
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
from settlement.store.roster_import import MERGE_STEPS, RosterImport, open_import

#: 0.001: one row in a thousand may be refused.
MAX_REFUSED_PPM = 1_000
_PPM = 1_000_000
_CHUNK = 5_000
#: Refused lines that are held in memory; all of them go to the listing.
LISTED = 1_000
MANIFEST_BYTES_MAX = 65_536

#: Called with the step (`checking`, `waiting`, `reading`, `merging`), how much of it is
#: done and how much there is, in units of the step.
Progress = Callable[[str, int, int], None]
Listing = Callable[[Sequence[RefusedRow]], None]


class ListingError(Exception):
    """Refused rows could not be written down; nothing of the file was stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterImported:
    """A file that was taken in."""

    manifest: RosterManifest
    counts: RosterCounts
    refused: tuple[RefusedRow, ...]
    """In the order of lines; the first `LISTED` of them."""


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
    encoding: str = UTF8
    """What the data file was declared to be in: `utf-8` or `gb18030`."""
    subdistricts: frozenset[str] | None = None
    """The codes that there are; `None` where nobody has listed them."""


class _Reading:
    """What was read so far."""

    def __init__(self) -> None:
        self.rows = 0
        self.refused = 0


async def import_roster(
    database: Database,
    manifest_path: Path,
    rules: ImportRules,
    progress: Progress = lambda _step, _done, _total: None,
    listing: Listing = lambda _rows: None,
) -> RosterImported:
    """Take the file in that the manifest names, beside it.

    `listing` is given every refused line in order and then every remark, some at a
    time, before anything is committed; it runs beside the event loop. Raises
    `RosterRefusedError` (MA-61xx), with the first refused rows where they are the
    reason, and `ListingError` where `listing` raises `OSError`; the roster then is as
    it was. So it is when the process dies.
    """
    text = _read_manifest(manifest_path)
    manifest, name = verified_manifest(text, rules.trust, rules.now)
    path = manifest_path.parent / name
    return await take_in(database, manifest, path, rules, progress, listing)


async def take_in(
    database: Database,
    manifest: RosterManifest,
    path: Path,
    rules: ImportRules,
    progress: Progress = lambda _step, _done, _total: None,
    listing: Listing = lambda _rows: None,
) -> RosterImported:
    """As `import_roster`, for a manifest that was verified and a file anywhere."""
    await asyncio.to_thread(_require_signed_bytes, manifest, path, progress)
    progress("waiting", 0, 1)
    check = key_check(rules.tokenizer)
    async with open_import(database, manifest, check) as roster:
        file = RosterFile(path, rules.encoding)
        rows = file.rows(rules.tokenizer, rules.categories, rules.subdistricts)
        reading = await _stage(roster, rows, rules, progress, listing)
        _require_as_signed(manifest, path, file, reading)
        await _require_few_refused(roster, reading.refused, rules, listing)

        def told(done: int) -> None:
            progress("merging", done, MERGE_STEPS)

        without_effect = await roster.settle_conflicts(told)
        refused = await roster.count_refused()
        await _require_few_refused(roster, refused, rules, listing)
        remarked = await roster.remark()
        await _list(roster, listing)
        first = await roster.refused_rows(LISTED)
        counts = await roster.merge(
            refused=refused,
            remarked=remarked,
            removals_without_effect=without_effect,
            imported_at=rules.now,
            told=told,
        )
    return RosterImported(manifest=manifest, counts=counts, refused=first)


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
            text = file.read(MANIFEST_BYTES_MAX + 1)
    except OSError as error:
        raise RosterRefusedError(
            "MA-6101", f"the manifest {path} cannot be read: {error.strerror}"
        ) from error
    if len(text) > MANIFEST_BYTES_MAX:
        raise RosterRefusedError("MA-6101", f"{path} is too large for a manifest")
    return text


def verified_manifest(
    text: bytes, trust: Trust, now: datetime
) -> tuple[RosterManifest, str]:
    """What the manifest says, and the data file's name.

    Raises `RosterRefusedError`: MA-6101 for a text that is no manifest, MA-6102 where
    no trusted key signed it.
    """
    try:
        verified = verify_manifest(text, trust, on=shanghai_day(now))
    except MalformedManifestError as error:
        raise RosterRefusedError("MA-6101", str(error)) from error
    except CryptoError as error:
        raise RosterRefusedError("MA-6102", str(error)) from error
    return _manifest_of(verified), verified.manifest.file


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


def _require_signed_bytes(
    manifest: RosterManifest, path: Path, progress: Progress
) -> None:
    try:
        size = path.stat().st_size
    except OSError:
        size = 0
    done = 0

    def took(count: int) -> None:
        nonlocal done
        done += count
        progress("checking", done, size)

    if sha256_of(path, took) != manifest.sha256.hex():
        raise _other_bytes(path)


async def _stage(
    roster: RosterImport,
    rows: Iterator[DataRow],
    rules: ImportRules,
    progress: Progress,
    listing: Listing,
) -> _Reading:
    """Copy the rows beside the roster; give up on a hopeless file early."""
    reading = _Reading()
    while chunk := await asyncio.to_thread(_take, rows):
        staged: list[RosterRow] = []
        refused: list[RefusedRow] = []
        for row in chunk:
            if isinstance(row, RefusedRow):
                refused.append(row)
            else:
                staged.extend(row)
        await roster.stage(staged)
        await roster.refuse(refused)
        reading.rows += len(chunk)
        reading.refused += len(refused)
        progress("reading", reading.rows, roster.manifest.rows)
        if reading.refused >= LISTED:
            await _require_few_refused(roster, reading.refused, rules, listing)
        if reading.rows > roster.manifest.rows:
            # Whatever more there is, it is not what was signed.
            break
    return reading


def _take(rows: Iterator[DataRow]) -> list[DataRow]:
    return list(islice(rows, _CHUNK))


def _require_as_signed(
    manifest: RosterManifest, path: Path, file: RosterFile, reading: _Reading
) -> None:
    """The bytes parsed are the bytes signed, though the file was read twice."""
    if reading.rows > manifest.rows:
        raise RosterRefusedError(
            "MA-6105",
            f"{path.name} has more than the {manifest.rows} rows of the manifest",
        )
    if file.sha256 != manifest.sha256.hex():
        raise _other_bytes(path)
    if reading.rows != manifest.rows:
        raise RosterRefusedError(
            "MA-6105",
            f"{path.name} has {reading.rows} rows, the manifest says {manifest.rows}",
        )


async def _require_few_refused(
    roster: RosterImport, refused: int, rules: ImportRules, listing: Listing
) -> None:
    rows = roster.manifest.rows
    if refused * _PPM > rows * rules.max_refused_ppm:
        await _list(roster, listing)
        raise RosterRefusedError(
            "MA-6106",
            f"at least {refused} of {rows} rows are refused, more than"
            f" {rules.max_refused_ppm} in a million",
            await roster.refused_rows(LISTED),
        )


async def _list(roster: RosterImport, listing: Listing) -> None:
    async for rows in roster.listed():
        try:
            await asyncio.to_thread(listing, rows)
        except OSError as error:
            raise ListingError(error.strerror) from error


def _other_bytes(path: Path) -> RosterRefusedError:
    return RosterRefusedError(
        "MA-6104", f"{path.name} is not the file that was signed: its SHA-256 differs"
    )
