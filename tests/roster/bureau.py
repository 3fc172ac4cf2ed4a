"""A bureau for tests: makes up persons, writes roster files and signs them."""

import csv
import gzip
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from stdnum.cn import ric

from crypto.keys import Role, SigningKey
from crypto.manifest import Manifest, sign_manifest
from crypto.tokens import Tokenizer
from crypto.trust import Trust, TrustedKey
from eligibility_cache.roster_rows import REQUIRED_COLUMNS
from settlement.domain.bill import Card, CardKind
from settlement.domain.roster import RosterRefusedError
from settlement.service.roster import ImportRules, RosterImported, import_roster
from settlement.store.database import Database

TOKENIZER = Tokenizer(b"roster tests' token key, 32 bytes")
KEY = SigningKey(b"\x07" * 32, Role.BUREAU_ROSTER)
TRUST = Trust("tests.example", [TrustedKey(KEY.public)])
CATEGORIES = {
    "tekun": "tekun",
    "特困人员": "tekun",
    "特困": "tekun",
    "dibao": "dibao",
    "低保": "dibao",
    "农村低保": "dibao",
    "dishouru": "dishouru",
    "低收入": "dishouru",
}
NOW = datetime(2026, 7, 1, 4, tzinfo=UTC)


def id_number(number: int) -> str:
    """Return the valid identity number of made-up person `number`."""
    body = f"99010019{50 + number % 50:02d}0101{number % 1000:03d}"
    return body + ric.calc_check_digit(body + "0")


def card_number(number: int) -> str:
    """Return the social security card of made-up person `number`."""
    return f"T{number:08d}"


def social_card(number: int) -> Card:
    """Return the social security card as read at the desk."""
    return Card(kind=CardKind.SOCIAL_SECURITY_CARD, number=card_number(number))


def identity_card(number: int) -> Card:
    """Return the identity card as read at the desk."""
    return Card(kind=CardKind.RESIDENT_ID, number=id_number(number))


def person_token(number: int) -> bytes:
    """Return the token of made-up person `number`."""
    return TOKENIZER.person(id_number(number))


def row(number: int, **changes: str) -> dict[str, str]:
    """Return a good line for made-up person `number`, with changes."""
    return {
        "action": "upsert",
        "card_number": card_number(number),
        "id_number": id_number(number),
        "name": "测试",
        "household_id": f"H{number // 3:05d}",
        "category": "低保",
        "subdistrict": f"990100{number % 13 + 1:03d}",
        "valid_from": "2026-01-01",
        "valid_to": "",
        "note": "",
        **changes,
    }


class Bureau:
    """Writes files into a folder and hands them to the import."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder = folder
        self.database = database
        self.version = 0

    def write(
        self, rows: Sequence[Mapping[str, str]], *, compress: bool = False
    ) -> Path:
        """Write a data file; its name has no meaning."""
        path = self.folder / f"roster-{self.version}.csv"
        columns = [*REQUIRED_COLUMNS]
        columns += [name for name in ("birth_date", "death_date") if name in rows[0]]
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)
        if compress:
            path.write_bytes(gzip.compress(path.read_bytes()))
        return path

    def sign(
        self, data: Path, kind: str, rows: int, **changes: str | int | None
    ) -> Path:
        """Sign what lies there now; `changes` replace members of the manifest."""
        members = {
            "kind": kind,
            "version": self.version,
            "previous_version": self.version - 1 if kind == "delta" else None,
            "as_of": "2026-07-01T00:00:00Z",
            "rows": rows,
            "sha256": hashlib.sha256(data.read_bytes()).hexdigest(),
            "file": data.name,
            **changes,
        }
        path = data.with_suffix(".json")
        path.write_bytes(sign_manifest(Manifest(**members), KEY))  # type: ignore[arg-type]  # members by name
        return path

    async def publish(
        self, kind: str, rows: Sequence[Mapping[str, str]], **changes: str | int | None
    ) -> RosterImported:
        """Write, sign and take in the next version; at most all rows refused."""
        self.version += 1
        manifest = self.sign(self.write(rows), kind, len(rows), **changes)
        try:
            return await self.take(manifest, max_refused_ppm=1_000_000)
        except RosterRefusedError:
            self.version -= 1
            raise

    async def full(
        self, *rows: Mapping[str, str], **changes: str | int | None
    ) -> RosterImported:
        """Publish a full file."""
        return await self.publish("full", rows, **changes)

    async def delta(
        self, *rows: Mapping[str, str], **changes: str | int | None
    ) -> RosterImported:
        """Publish a delta."""
        return await self.publish("delta", rows, **changes)

    async def take(
        self, manifest: Path, *, max_refused_ppm: int = 1_000, trust: Trust = TRUST
    ) -> RosterImported:
        """Import as the command does."""
        rules = ImportRules(
            trust=trust,
            tokenizer=TOKENIZER,
            categories=CATEGORIES,
            now=NOW,
            max_refused_ppm=max_refused_ppm,
        )
        return await import_roster(self.database, manifest, rules)
