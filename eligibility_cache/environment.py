"""The cache's files: generations of one LMDB map, shared by all processes.

Under the cache folder lie `CURRENT` (the name of the generation in force), one
folder per generation, and `writer.lock`. A new generation is built beside the one
in force and swapped in by replacing `CURRENT`, so look-ups never wait. Whoever dies
in the middle leaves a folder that nothing names; the next writer removes it.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self
from zlib import crc32

import lmdb

from eligibility_cache.packing import LAYOUT, CacheCorruptError
from settlement.domain.eligibility import RosterVersion

#: Address space, not memory and not disk: the file grows with its content. A city
#: of 9 million persons takes 1.1 GB, 80 million would take 10.
MAP_BYTES = 64 << 30
#: Every process and its look-up transaction takes one slot.
MAX_READERS = 1024
_CURRENT = "CURRENT"
_SUSPECT = "SUSPECT"
_META = b"meta"
_DATA, _LOCK = "data.mdb", "lock.mdb"
#: A slot is a cache line (lmdb.h); before the first one stands what all share.
_LOCK_BYTES = MAX_READERS * 64 + 4096
_SUM_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheMeta:
    """What a generation contains, written in the same transaction as its content."""

    layout: int = LAYOUT
    roster_id: str
    """Hex; which database it was built from."""
    version: int
    as_of: str
    cursor: int
    """Changes of the feed up to here are contained."""
    key_check: str
    """Hex; which token key the tokens were made with."""

    @property
    def roster_version(self) -> RosterVersion:
        """The version that the content is complete for."""
        return RosterVersion(self.version, self.as_of)

    def pack(self) -> bytes:
        """As stored: a check sum, then JSON."""
        text = json.dumps(asdict(self), sort_keys=True).encode()
        return crc32(text).to_bytes(_SUM_BYTES, "little") + text

    @classmethod
    def unpack(cls, packed: bytes | None) -> Self:
        """As it was stored; raises `CacheCorruptError` for anything else."""
        check, text = (packed or b"")[:_SUM_BYTES], (packed or b"")[_SUM_BYTES:]
        try:
            if crc32(text) != int.from_bytes(check, "little"):
                raise CacheCorruptError("the cache's own words were altered")
            meta = cls(**json.loads(text))
        except (TypeError, ValueError) as wrong:
            raise CacheCorruptError("the cache does not say what it holds") from wrong
        if meta.layout != LAYOUT:
            raise CacheCorruptError("the cache has another layout")
        return meta


class Generation:
    """One LMDB map, opened once per process and kept open."""

    def __init__(self, folder: Path, *, building: bool = False) -> None:
        """Open, or make when `building`.

        Raises `lmdb.Error` for a broken file, one that was cut off included: reading
        behind its end would end the process. `OSError` where the disk is full.
        """
        self.name = folder.name
        self.file = folder / _DATA
        _reserve(folder / _LOCK)
        self.environment = lmdb.open(
            str(folder),
            map_size=MAP_BYTES,
            max_dbs=2,
            max_readers=MAX_READERS,
            # A look-up takes its slot and snapshot from here instead of anew.
            max_spare_txns=2,
            mode=0o600,
            create=building,
            readahead=False,
            # A build is worth nothing until it is whole; one sync at its end.
            sync=not building,
            # Of two flushes the second would make the newest state durable; without
            # it a machine that loses power comes up with the state before, whole, and
            # the follower catches up from there as after any break.
            metasync=False,
        )
        try:
            self.persons = self.environment.open_db(b"persons", create=building)
            self.cards = self.environment.open_db(b"cards", create=building)
            self._require_whole()
        except BaseException:
            self.environment.close()
            raise

    def read_meta(self, transaction: lmdb.Transaction[bytes]) -> CacheMeta:
        """What the snapshot of this transaction contains."""
        return CacheMeta.unpack(transaction.get(_META))

    def write_meta(self, transaction: lmdb.Transaction[bytes], meta: CacheMeta) -> None:
        """To be committed together with the content that it describes."""
        transaction.put(_META, meta.pack())

    def fill_up(self) -> None:
        """Let the file be as long as its content. For the writer, after a write.

        LMDB leaves out what a write took and gave back at the end: nobody reads it,
        but a file that was cut off could not be told from such a one.
        """
        missing = self._missing_bytes()
        if missing > 0:
            os.truncate(self.file, self.file.stat().st_size + missing)

    def close(self) -> None:
        """Give map and reader slots back."""
        self.environment.close()

    def _require_whole(self) -> None:
        if self._missing_bytes() > 0:
            raise lmdb.CorruptedError(f"{_DATA} is shorter than what it holds")

    def _missing_bytes(self) -> int:
        pages = self.environment.info()["last_pgno"] + 1
        wanted: int = pages * self.environment.stat()["psize"]
        return wanted - self.file.stat().st_size


def _reserve(lock: Path) -> None:
    """Room on the disk for every reader's slot, taken beforehand.

    LMDB writes slots through a map of the file: where the disk has become full, that
    would end the process (SIGBUS). What is there already stays as it is.
    """
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, _LOCK_BYTES)
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class FolderState:
    """Which generation is in force, and whether some process found it broken."""

    name: str | None
    is_suspect: bool


def read_meta(path: Path) -> CacheMeta | None:
    """What the cache in a folder contains; `None` where there is none.

    Raises `lmdb.Error` or `CacheCorruptError` where it cannot be read.
    """
    name = CacheFolder(path).current() if path.is_dir() else None
    if name is None:
        return None
    generation = Generation(path / name)
    try:
        with generation.environment.begin() as reader:
            return generation.read_meta(reader)
    finally:
        generation.close()


class CacheFolder:
    """The folder with its generations. Creates it, for the owner alone."""

    def __init__(self, path: Path) -> None:
        """Take the folder; its parents are made too."""
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = path
        self._lock: int | None = None

    def current(self) -> str | None:
        """Name of the generation in force; `None` before the first."""
        try:
            return (self.path / _CURRENT).read_text(encoding="ascii").strip() or None
        except FileNotFoundError:
            return None

    def open(self, name: str) -> Generation:
        """A generation. Raises `lmdb.Error` where it is broken or gone."""
        return Generation(self.path / name)

    def begin(self) -> Generation:
        """A new, empty generation beside the one in force. For the writer alone."""
        current = self.current()
        self._remove_all_but(current)
        number = int(current or "0") + 1
        folder = self.path / f"{number:08d}"
        folder.mkdir(mode=0o700)
        try:
            return Generation(folder, building=True)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def put_in_force(self, built: Generation) -> None:
        """Swap: from here on every process opens this generation.

        If we stop before the replacement, the old generation stays in force.
        """
        built.environment.sync(force=True)
        draft = self.path / f"{_CURRENT}.new"
        with draft.open("w", encoding="ascii") as file:
            file.write(built.name)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path / _CURRENT)
        folder = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        # Processes that still have the old map open keep it until they close it.
        self._remove_all_but(built.name)

    def discard(self, built: Generation) -> None:
        """Remove a generation that will not be put in force: its room is needed."""
        shutil.rmtree(self.path / built.name, ignore_errors=True)

    def state(self) -> FolderState:
        """What every process must know of the folder; reads two small files."""
        return FolderState(self.current(), self.is_suspect())

    def suspect(self) -> None:
        """Tell the writer that the generation in force is broken."""
        (self.path / _SUSPECT).touch(mode=0o600)

    def is_suspect(self) -> bool:
        """Whether some process found the generation in force broken."""
        return (self.path / _SUSPECT).exists()

    def clear_suspicion(self) -> None:
        """After a new generation is in force."""
        (self.path / _SUSPECT).unlink(missing_ok=True)

    def try_lock(self) -> bool:
        """Become the machine's one writer; false while another process is.

        The system releases the lock when a process dies, however it dies.
        """
        descriptor = os.open(self.path / "writer.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._lock = descriptor
        return True

    @property
    def lock_descriptors(self) -> tuple[int, ...]:
        """The writer's lock, for a process that writes for this one.

        It is free again only when both have ended.
        """
        return () if self._lock is None else (self._lock,)

    def unlock(self) -> None:
        """Let another process write; does nothing where this one does not."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _remove_all_but(self, name: str | None) -> None:
        for folder in self.path.iterdir():
            if folder.is_dir() and folder.name != name:
                shutil.rmtree(folder, ignore_errors=True)
