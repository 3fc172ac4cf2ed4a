"""A roster's data file: CSV, optionally gzip, read once in bounded memory.

RFC 4180 quoting; a byte-order mark is skipped. gzip is told by its first bytes. UTF-8,
or GB18030 (which contains GBK and GB 2312) where it was declared; never guessed.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from crypto.tokens import Tokenizer
from eligibility_cache.roster_rows import (
    OPTIONAL_COLUMNS,
    REQUIRED_COLUMNS,
    RowReader,
)
from eligibility_cache.text_encoding import (
    NOT_AS_DECLARED,
    UTF8,
    require_declared,
)
from settlement.domain.roster import RefusedRow, RosterRefusedError, RosterRow

#: A line may not be longer; what follows counts as another line, and is refused.
LINE_CHARACTERS = 65_536
_BLOCK = 1 << 20
_GZIP = b"\x1f\x8b"
_SAMPLE = 65_536

_Line = tuple[int, list[str] | str]
DataRow = tuple[RosterRow, ...] | RefusedRow


def sha256_of(path: Path, took: Callable[[int], None] = lambda _bytes: None) -> str:
    """Hex digest of the file's bytes. Raises `RosterRefusedError` (MA-6103).

    `took` is told how many bytes were read, piece by piece.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
                took(len(block))
    except OSError as error:
        raise _unreadable(path, error.strerror) from error
    return digest.hexdigest()


def count_rows(path: Path) -> int:
    """How many data rows the file has. Raises `RosterRefusedError`."""
    # Its lines are the same in every encoding that a roster may have.
    return sum(1 for _ in RosterFile(path, encoding=None).lines())


def is_gbk(path: Path) -> bool:
    """Whether the file is in GBK and its import must declare that."""
    try:
        next(RosterFile(path).lines(), None)
    except RosterRefusedError as refused:
        return refused.reason == NOT_AS_DECLARED
    return False


class RosterFile:
    """The data file, for one reading."""

    def __init__(self, path: Path, encoding: str | None = UTF8) -> None:
        """Nothing is opened yet. `encoding`: see `text_encoding`; `None`: any."""
        self._path = path
        self._encoding = encoding
        self._digest = hashlib.sha256()
        self.bytes_read = 0
        """How far the reading has come, in bytes as they lie on disk."""

    @property
    def sha256(self) -> str:
        """Hex digest of what was read; of the whole file after the last row."""
        return self._digest.hexdigest()

    def rows(
        self,
        tokenizer: Tokenizer,
        categories: Mapping[str, str],
        subdistricts: frozenset[str] | None = None,
    ) -> Iterator[DataRow]:
        """One item for each data row, in order: its windows, or its refusal.

        Raises `RosterRefusedError` for a file that cannot be read (MA-6103), is in
        another encoding (MA-6113) or has another header (MA-6112).
        """
        lines = self._lines()
        header = _header(next(lines, None))
        reader = RowReader(header, tokenizer, categories, subdistricts)
        for line, fields in lines:
            if isinstance(fields, str):
                yield reader.refuse(line, fields)
            else:
                yield reader.read(line, fields)

    def lines(self) -> Iterator[_Line]:
        """Line number and fields of each data row; its text where it is no CSV."""
        lines = self._lines()
        _header(next(lines, None))
        yield from lines

    def cells(self, *names: str) -> Iterator[tuple[str, ...]]:
        """These columns of each row that is whole; raises as `rows` does."""
        lines = self._lines()
        header = _header(next(lines, None))
        places = [header.index(name) for name in names]
        for _, fields in lines:
            if not isinstance(fields, str) and len(fields) == len(header):
                yield tuple(fields[place] for place in places)

    def _lines(self) -> Iterator[_Line]:
        try:
            with self._path.open("rb", buffering=0) as raw:
                watched = io.BufferedReader(_Watched(raw, self), _BLOCK)
                # Named: the end of it would close what is read below.
                text = _text(watched, self._encoding)
                yield from _parse(text)
                # gzip may leave bytes behind its last member unread.
                while watched.read(_BLOCK):
                    pass
        except (OSError, EOFError, zlib.error) as error:
            raise _unreadable(self._path, getattr(error, "strerror", None)) from error

    def took(self, block: memoryview) -> None:
        """Count and digest bytes as they are read."""
        self._digest.update(block)
        self.bytes_read += len(block)


class _Watched(io.RawIOBase):
    """Bytes on their way to the parser: what is digested is what is parsed."""

    def __init__(self, raw: io.FileIO, owner: RosterFile) -> None:
        super().__init__()
        self._raw = raw
        self._owner = owner

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed says Buffer
        count = self._raw.readinto(buffer)
        self._owner.took(memoryview(buffer)[:count])
        return count


def _text(
    watched: io.BufferedReader[_Watched], encoding: str | None
) -> io.TextIOWrapper:
    is_gzip = watched.peek(2)[:2] == _GZIP
    plain = gzip.GzipFile(fileobj=watched) if is_gzip else watched
    if encoding is not None:
        require_declared(plain.peek(_SAMPLE), encoding)
    # What cannot be decoded becomes U+FFFD; a field that matters is then refused.
    return io.TextIOWrapper(
        plain,
        encoding="utf-8-sig" if encoding in (None, UTF8) else encoding,
        errors="replace",
        newline="",
    )


def _parse(text: io.TextIOWrapper) -> Iterator[_Line]:
    last = [""]
    reader = csv.reader(_remembered(text, last), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield line, last[0]
            continue
        # A blank line is none.
        if fields:
            yield line, fields


def _remembered(text: io.TextIOWrapper, last: list[str]) -> Iterator[str]:
    """Physical lines; `last` holds the one that the parser has just taken."""
    for last[0] in iter(partial(text.readline, LINE_CHARACTERS), ""):
        yield last[0]


def _header(first: _Line | None) -> list[str]:
    """The column names; says which column is wrong by its number, not its text.

    A file without a header begins with a person's values.
    """
    if first is None or isinstance(first[1], str):
        raise RosterRefusedError("MA-6112", "the data file has no header")
    header = [name.strip() for name in first[1]]
    known = set(REQUIRED_COLUMNS + OPTIONAL_COLUMNS)
    for number, name in enumerate(header, start=1):
        if name not in known or header.index(name) != number - 1:
            raise RosterRefusedError(
                "MA-6112", f"column {number} of the header is unknown or there twice"
            )
    missing = [name for name in REQUIRED_COLUMNS if name not in header]
    if missing:
        raise RosterRefusedError(
            "MA-6112", f"the header lacks the columns {', '.join(missing)}"
        )
    return header


def _unreadable(path: Path, why: str | None) -> RosterRefusedError:
    return RosterRefusedError(
        "MA-6103", f"{path.name} cannot be read: {why or 'it is cut off or damaged'}"
    )
