"""What `medaid init` decides once for a data folder: sandbox or not, and the origin.

Kept in `<data-dir>/installation.json`; the trust file beside it is for verifiers.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from crypto.errors import CryptoError
from crypto.key_files import PublicKey
from crypto.trust import Trust, TrustedKey, parse_trust_file, trust_file

_FILE = "installation.json"
_TRUST = "trust.json"
_LOCK = "serve.lock"
#: A start writes so much and more: metrics of each worker, the mark, the cache's head.
_ROOM_BYTES = 1 << 20


class InstallationFault(Exception):
    """The data folder is not what a command needs; the text is one sentence."""


class FolderNotFreeFault(InstallationFault):
    """The data folder cannot be had now: another gateway uses it, or it is full."""


@dataclass(frozen=True, slots=True)
class Installation:
    """One gateway installation; several machines of one district share it."""

    origin: str
    """Name of the log in checkpoints and receipts; never changes."""
    sandbox: bool
    """A sandbox honours `Medaid-Sandbox-Time`, and its records say so."""

    def save(self, data_dir: Path) -> None:
        """Write it, whole or not at all."""
        _replace(data_dir / _FILE, json.dumps(asdict(self), indent=2).encode() + b"\n")

    @classmethod
    def find(cls, data_dir: Path) -> Installation | None:
        """Read it; `None` before the first init. Raises `InstallationFault`."""
        path = data_dir / _FILE
        try:
            members = json.loads(path.read_bytes())
            return cls(str(members["origin"]), members["sandbox"] is True)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InstallationFault(
                f"{path} cannot be read ({error.strerror}); see to its rights, or"
                " choose another --data-dir"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise InstallationFault(
                f"{path} is damaged and cannot be read; restore it from a backup of the"
                " data folder"
            ) from error

    @classmethod
    def load(cls, data_dir: Path) -> Installation:
        """Read it; raises `InstallationFault` where init has not been run."""
        found = cls.find(data_dir)
        if found is None:
            raise InstallationFault(
                f"{data_dir} holds no gateway; run medaid init --data-dir {data_dir}"
                " first"
            )
        return found


def load_trust(data_dir: Path) -> Trust:
    """The trust file of this installation; raises `InstallationFault`."""
    path = data_dir / _TRUST
    try:
        return parse_trust_file(path.read_bytes())
    except FileNotFoundError:
        raise InstallationFault(
            f"there is no trust file {path}; run medaid init with the same --data-dir"
        ) from None
    except OSError as error:
        raise InstallationFault(
            f"the trust file {path} cannot be read ({error.strerror})"
        ) from error
    except CryptoError as error:
        raise InstallationFault(
            f"the trust file {path} cannot be used ({error}); restore it from a backup"
            " of the data folder"
        ) from error


def check_trust(data_dir: Path, trust: Trust, origin: str, kids: list[str]) -> None:
    """Raise `InstallationFault` unless the trust file is this installation's.

    What is signed with a key that verifiers are not told to believe would have to be
    thrown away.
    """
    path = data_dir / _TRUST
    if trust.origin != origin:
        raise InstallationFault(
            f"the trust file {path} is of the log {trust.origin}, and this is {origin};"
            " restore the one that belongs here"
        )
    missing = set(kids) - {trusted.kid for trusted in trust.keys}
    if missing:
        raise InstallationFault(
            f"the trust file {path} does not name the key {min(missing)} of this"
            " gateway; run medaid init with the same --data-dir"
        )


def trust_keys(
    data_dir: Path, origin: str, keys: list[PublicKey], not_before: date | None
) -> Trust:
    """Add keys to the trust file, valid from a day; those that stand stay as they are.

    Nothing is ever taken out: old records must still verify.
    """
    standing: tuple[TrustedKey, ...] = ()
    if (data_dir / _TRUST).exists():
        standing = load_trust(data_dir).keys
    known = {trusted.kid for trusted in standing}
    added = [TrustedKey(key, not_before) for key in keys if key.kid not in known]
    trust = Trust(origin, (*standing, *added))
    _replace(data_dir / _TRUST, trust_file(trust))
    return trust


@contextlib.contextmanager
def held_alone(data_dir: Path) -> Iterator[None]:
    """Be the one gateway of this data folder while the block runs.

    Two would empty each other's metrics and give one number to two workers. The
    kernel lets go of the lock when the process dies, however it dies. Raises
    `FolderNotFreeFault` where another one runs, or nothing can be written.
    """
    path = data_dir / _LOCK
    try:
        _try_the_disk(data_dir)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise FolderNotFreeFault(
            f"the data folder {data_dir} cannot be written ({error.strerror}); see to"
            " its rights and its space"
        ) from error
    try:
        _lock(descriptor, data_dir)
        yield
    finally:
        os.close(descriptor)


def _try_the_disk(data_dir: Path) -> None:
    """Raise `OSError` where there is no room for the files that are mapped later.

    Writing into the map of a file that the disk has no room for kills the process.
    """
    with tempfile.TemporaryFile(dir=data_dir) as file:
        file.write(bytes(_ROOM_BYTES))
        file.flush()
        os.fsync(file.fileno())


def _lock(descriptor: int, data_dir: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise FolderNotFreeFault(
            f"the data folder {data_dir} is in use by another gateway; stop that one"
            " first, or give it more --workers"
        ) from None


def _replace(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
