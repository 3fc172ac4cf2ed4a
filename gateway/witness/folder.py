"""A witness's folder: its key, and the largest checkpoint that it has seen of each log.

What it has seen is all that a witness is for. So the file is replaced as a whole and
flushed before anything that rests on it leaves, one process at a time, and a folder
that has lost it is not used again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from crypto.checkpoint import Checkpoint, parse_checkpoint
from crypto.cosignature import WitnessKey
from crypto.encoding import JsonValue, canonical_json, parse_object
from crypto.errors import CryptoError, MalformedNoteError
from crypto.histories import TwoHistories
from crypto.key_files import private_key_file
from crypto.keys import Role, SigningKey
from gateway.installation import InstallationFault
from gateway.keyfiles import read_private_key, write_new

_KEY = "witness-key.json"
_NAME = "witness.json"
_STATE = "state.json"
_LOCK = "witness.lock"
_EVIDENCE = "evidence"
#: Only a log that goes on signing contradictions fills more.
_EVIDENCE_FILES_MAX = 100


class WitnessFolderFault(InstallationFault):
    """The folder is not what a witness needs; the text is one sentence."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The largest checkpoint of one log, with its signed note."""

    note: str
    checkpoint: Checkpoint

    @classmethod
    def of(cls, note: str) -> Seen:
        """Of a note whose signatures were verified; raises `MalformedNoteError`."""
        return cls(note, parse_checkpoint(note))


class WitnessState:
    """What the witness has seen, read and replaced while its lock is held."""

    __slots__ = ("_notes", "_path")

    def __init__(self, path: Path) -> None:
        """Read the file; raises `WitnessFolderFault` where it is missing or damaged."""
        self._path = path
        self._notes = _read_notes(path)

    def seen(self, origin: str) -> Seen | None:
        """The largest checkpoint of this log; `None` before the first one."""
        note = self._notes.get(origin)
        return None if note is None else Seen.of(note)

    def keep(self, seen: Seen) -> None:
        """Replace what was seen of the log; on disk when it returns.

        Raises `OSError` where it cannot be written; then the old state stands.
        """
        notes = {**self._notes, seen.checkpoint.origin: seen.note}
        _replace(self._path, _state_file(notes))
        self._notes = notes


class WitnessFolder:
    """The folder of one witness; several processes may work on it."""

    def __init__(self, path: Path) -> None:
        """Raises `WitnessFolderFault` or `KeyFileFault` where no witness lives."""
        self._path = path
        self.name = _read_name(path)
        self.key = _read_key(path / _KEY)
        with self.locked():
            pass

    @property
    def public_key(self) -> WitnessKey:
        """The witness's name and public key, to be handed around."""
        return WitnessKey(self.name, self.key.public)

    @contextmanager
    def locked(self) -> Iterator[WitnessState]:
        """What was seen, and nobody else changes it while the block runs.

        The kernel lets go of the lock when the process dies, however it dies. Raises
        `WitnessFolderFault`, and `OSError` where the folder cannot be written.
        """
        with (self._path / _LOCK).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield WitnessState(self._path / _STATE)

    def seen(self, origin: str) -> Seen | None:
        """The largest checkpoint of a log now; it may grow at any time."""
        with self.locked() as state:
            return state.seen(origin)

    def keep_evidence(self, evidence: TwoHistories) -> Path | None:
        """Write evidence once; the file, or `None` where there are too many already."""
        content = evidence.to_file()
        folder = self._path / _EVIDENCE
        folder.mkdir(mode=0o700, exist_ok=True)
        digest = hashlib.sha256(content).hexdigest()[:16]
        path = folder / f"two-histories-{digest}.json"
        if not path.exists():
            if len(list(folder.iterdir())) >= _EVIDENCE_FILES_MAX:
                return None
            _replace(path, content)
        return path


def make_witness(path: Path, name: str, random: Callable[[int], bytes]) -> WitnessKey:
    """Make key and empty state, or find the witness of this name; its public key.

    The state stands before the key, and both before the name: what was interrupted
    goes on, and a key is never used with a state that was made after it. Raises
    `WitnessFolderFault`, `KeyFileFault`, `OSError`, and `MalformedNoteError` for a
    name that no note can carry.
    """
    fresh = SigningKey.generate(Role.WITNESS_COSIGN, random)
    WitnessKey(name, fresh.public)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (path / _KEY).exists():
        write_new(path / _STATE, _state_file({}))
        write_new(path / _KEY, private_key_file(fresh))
    named = canonical_json({"name": name}) + b"\n"
    write_new(path / _NAME, named)
    _sync_folder(path)
    made = WitnessFolder(path)
    if made.name != name:
        raise WitnessFolderFault(
            f"{path} holds the witness {made.name} already; choose another --out"
        )
    return made.public_key


def _read_name(folder: Path) -> str:
    path = folder / _NAME
    try:
        file = parse_object(path.read_bytes(), what="the file")
    except FileNotFoundError:
        raise WitnessFolderFault(
            f"{folder} holds no witness; run medaid witness init --out {folder} first"
        ) from None
    except OSError as error:
        raise WitnessFolderFault(f"{path} cannot be read ({error.strerror})") from error
    except CryptoError:
        raise _damaged(path) from None
    match file:
        case {"name": str(name)} if file.keys() == {"name"}:
            return name
        case _:
            raise _damaged(path)


def _read_key(path: Path) -> SigningKey:
    if not path.exists():
        raise WitnessFolderFault(
            f"the key file {path} is missing; make a new witness in another folder"
        )
    key = read_private_key(path)
    if not isinstance(key, SigningKey) or key.public.role is not Role.WITNESS_COSIGN:
        raise WitnessFolderFault(f"the key file {path} is not a witness's key")
    return key


def _read_notes(path: Path) -> dict[str, str]:
    try:
        file = parse_object(path.read_bytes(), what="the state")
    except FileNotFoundError:
        raise WitnessFolderFault(
            f"{path} is missing: this witness has forgotten what it saw, and must not"
            " sign again; make a new one in another folder"
        ) from None
    except CryptoError:
        raise _damaged(path) from None
    logs = file.get("logs")
    if file.keys() != {"logs"} or not isinstance(logs, dict):
        raise _damaged(path)
    return {origin: _checked_note(path, origin, note) for origin, note in logs.items()}


def _checked_note(path: Path, origin: str, note: JsonValue) -> str:
    try:
        if isinstance(note, str) and parse_checkpoint(note).origin == origin:
            return note
    except MalformedNoteError:
        pass
    raise _damaged(path)


def _damaged(path: Path) -> WitnessFolderFault:
    return WitnessFolderFault(
        f"{path} is damaged; do not put an older copy in its place, which would have"
        " forgotten what was signed since: make a new witness in another folder"
    )


def _state_file(notes: dict[str, str]) -> bytes:
    return canonical_json({"logs": dict(notes)}) + b"\n"


def _replace(path: Path, content: bytes) -> None:
    """Put a file in place whole; flushed, and its name too, when it returns."""
    fresh = path.with_name(f".{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
