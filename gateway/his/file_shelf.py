"""Files of the national reconciliation, kept for two days and sealed."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from settlement.domain.errors import RequestRefused
from settlement.service.party_secrets import open_secret, seal_secret
from settlement.store.his_statements import (
    HisFile,
    add_file,
    held_file,
    prune_files,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from settlement.store.database import Database

UPLOADED, DIFFERENCES = "uploaded", "differences"
KEPT = timedelta(days=2)
_TIDY_EVERY = timedelta(minutes=1)
#: Of one hospital at a time; a day has two.
MOST_FILES = 60
_NUMBER_BYTES = 14
_EMPTY = "null"
_SAME_KEY, _TOO_MANY, _NONE = "MA-4103", "MA-1222", "MA-1223"


@dataclass(frozen=True, slots=True)
class Kept:
    """A file, opened."""

    number: str
    filename: str
    content: bytes
    ends_at: datetime


class FileShelf:
    """One worker's."""

    def __init__(
        self,
        database: Database,
        sealing_key: bytes,
        *,
        now: Callable[[], datetime],
        random: Callable[[int], bytes],
    ) -> None:
        """`sealing_key`: AES-256-GCM; the database never sees it."""
        self._database = database
        self._sealing_key = sealing_key
        self._now = now
        self._random = random
        self._tidied = datetime.min.replace(tzinfo=UTC)

    async def put(
        self,
        facility_id: int,
        made_by: str,
        *,
        kind: str,
        filename: str,
        content: bytes,
        made_of: bytes = b"",
    ) -> Kept:
        """Keep what a message has made; repeated, it gets what it got.

        Raises MA-4103 where the message made another one, MA-1222 where the hospital
        holds too many, MA-5101 and MA-5105.
        """
        number = f"MF{self._random(_NUMBER_BYTES).hex()}"
        now = self._now()
        # Of what the content was made of: differences change as time goes on, and a
        # repeated message gets the first.
        digest = hashlib.sha256(kind.encode() + (made_of or content)).digest()
        file = HisFile(
            number=number,
            kind=kind,
            filename=filename,
            digest=digest,
            sealed=seal_secret(
                self._sealing_key, key_id=number, secret=content, random=self._random
            ),
            ends_at=now + KEPT,
        )
        if await add_file(
            self._database, facility_id, made_by, file, now=now, most=MOST_FILES
        ):
            return Kept(number, filename, content, file.ends_at)
        first = await held_file(self._database, facility_id, now, made_by=made_by)
        if first is None:
            raise RequestRefused(_TOO_MANY)
        if first.digest != digest:
            raise RequestRefused(_SAME_KEY)
        return self._opened(first)

    async def get(self, facility_id: int, number: str, kind: str) -> Kept:
        """A hospital's own file; raises MA-1223 where there is none, or no more."""
        found = await held_file(self._database, facility_id, self._now(), number=number)
        if found is None or found.kind != kind:
            raise RequestRefused(_NONE)
        return self._opened(found)

    async def tidy(self) -> None:
        """Forget what is over, once a minute at most; raises MA-5101 and MA-5105."""
        now = self._now()
        if now >= self._tidied + _TIDY_EVERY:
            self._tidied = now
            await prune_files(self._database, now)

    def _opened(self, file: HisFile) -> Kept:
        content = open_secret(self._sealing_key, key_id=file.number, sealed=file.sealed)
        return Kept(file.number, file.filename, content, file.ends_at)


def packed_rows(name: str, rows: Iterable[Sequence[str]]) -> bytes:
    """A zip with one txt: TAB between columns, `null` for what is empty."""
    lines = "".join("\t".join(_cell(column) for column in row) + "\n" for row in rows)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(f"{name}.txt"), lines.encode())
    return packed.getvalue()


def _cell(text: str) -> str:
    return text or _EMPTY
