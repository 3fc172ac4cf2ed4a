"""The largest checkpoint this machine has seen: one file apart from the database."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from crypto.checkpoint import parse_checkpoint
from crypto.errors import CryptoError
from settlement.domain.errors import FatalError


class CheckpointMark:
    """Satisfies `settlement.service.publish.MarkFile`; shared by all workers."""

    def __init__(self, path: Path) -> None:
        """Nothing is read or written yet."""
        self._path = path
        self._lock = path.with_suffix(".lock")

    def load(self) -> tuple[int, bytes] | None:
        """Size and root; `None` where no checkpoint was ever seen.

        The file was written by this program alone, so what is no checkpoint is
        damage: `FatalError`. `OSError` where the system cannot read it now.
        """
        try:
            note = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except IsADirectoryError as error:
            # Nothing that passes by itself: somebody put it there.
            raise FatalError(
                f"{self._path.name} cannot be read ({error.strerror}): something else"
                " stands in its place; put the file back that was there"
            ) from error
        except ValueError:
            raise self._damaged() from None
        try:
            # Its form only: it proves nothing to others, and keys may have changed.
            seen = parse_checkpoint(note)
        except CryptoError:
            raise self._damaged() from None
        return seen.size, seen.root

    def _damaged(self) -> FatalError:
        return FatalError(
            f"{self._path.name} is damaged; compare the database with the bureau's"
            " latest checkpoint (medaid check-books --against) before removing it"
        )

    def save(self, size: int, root: bytes, checkpoint: str) -> None:  # noqa: ARG002  # the port carries it
        """Replace the file unless it holds a larger checkpoint; atomic."""
        with self._lock.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            seen = self.load()
            if seen is not None and seen[0] >= size:
                return
            fresh = self._path.with_suffix(".new")
            with fresh.open("w", encoding="utf-8") as file:
                file.write(checkpoint)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
            _sync_folder(self._path.parent)


def _sync_folder(folder: Path) -> None:
    """Make a renaming last: the name stands in the folder, not in the file."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
