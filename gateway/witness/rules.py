"""What a witness countersigns, and what it answers to everything else.

The order of the checks is that of c2sp.org/tlog-witness. An answer is a value; only
a folder that cannot be used is an exception.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from crypto.add_checkpoint import AddCheckpoint
from crypto.checkpoint import (
    Checkpoint,
    log_keys,
    parse_checkpoint,
    verify_checkpoint,
)
from crypto.cosignature import cosign
from crypto.errors import CryptoError
from crypto.histories import TwoHistories
from crypto.merkle import EMPTY_ROOT, verify_consistency
from crypto.trust import Trust
from gateway.witness.folder import Seen, WitnessFolder
from gateway.witness.notes import trimmed


@dataclass(frozen=True, slots=True)
class Cosigned:
    """The checkpoint extends what was seen before; that it was seen is on disk."""

    line: str
    """The cosignature, a signature line with its newline."""
    note: str
    """The checkpoint with the log's signature and this one."""
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was signed."""

    status: HTTPStatus
    sentence: str
    """Without anything of what was sent."""
    seen_size: int | None = None
    """Where the caller has to begin instead."""
    evidence: TwoHistories | None = None


class Witness:
    """One witness at work: the logs that it follows, and the folder that it keeps."""

    __slots__ = ("_clock", "_logs", "folder")

    def __init__(
        self,
        folder: WitnessFolder,
        logs: Mapping[str, Trust],
        clock: Callable[[], int],
    ) -> None:
        """`logs`: by origin, the keys believed; `clock`: Unix seconds."""
        self.folder = folder
        self._logs = logs
        self._clock = clock

    def add(self, request: AddCheckpoint) -> Cosigned | Refused:
        """Countersign the checkpoint if it extends what was seen of its log.

        What was seen is on disk before the cosignature is returned. Raises
        `WitnessFolderFault`, and `OSError` where the folder cannot be written; then
        nothing was signed.
        """
        checkpoint = parse_checkpoint(request.note)
        trust = self._logs.get(checkpoint.origin)
        if trust is None:
            return Refused(HTTPStatus.NOT_FOUND, "this witness does not follow the log")
        try:
            verify_checkpoint(request.note, trust)
        except CryptoError as error:
            return Refused(HTTPStatus.FORBIDDEN, _sentence(error))
        note = trimmed(request.note, log_keys(trust))
        # Nobody else sees or changes the state from here to the return.
        with self.folder.locked() as state:
            seen = state.seen(checkpoint.origin)
            refused = _refusal(request, checkpoint, note, seen)
            if refused is not None:
                return refused
            name, key = self.folder.name, self.folder.key
            line = cosign(note, name, key, self._clock())
            if seen is None or seen.checkpoint.size < checkpoint.size:
                state.keep(Seen(note + line, checkpoint))
        return Cosigned(line, note + line, checkpoint)


def _refusal(
    request: AddCheckpoint, checkpoint: Checkpoint, note: str, seen: Seen | None
) -> Refused | None:
    """Why a checkpoint that its log signed is not countersigned; `None`: it is."""
    if request.old_size > checkpoint.size:
        return Refused(
            HTTPStatus.BAD_REQUEST, "the older size is larger than the checkpoint's"
        )
    seen_size, seen_root = 0, EMPTY_ROOT
    if seen is not None:
        seen_size, seen_root = seen.checkpoint.size, seen.checkpoint.root
    if request.old_size != seen_size:
        return Refused(
            HTTPStatus.CONFLICT, "another size was seen last", seen_size=seen_size
        )
    if seen is not None and same_size_other_root(seen.checkpoint, checkpoint):
        return Refused(
            HTTPStatus.CONFLICT,
            f"the log signed two histories: another root of size {seen_size} was seen",
            evidence=TwoHistories(seen.note, note, checkpoint.root),
        )
    if checkpoint.size == 0 and checkpoint.root != EMPTY_ROOT:
        return Refused(
            HTTPStatus.UNPROCESSABLE_ENTITY, "the root is not that of an empty log"
        )
    try:
        verify_consistency(
            seen_size,
            checkpoint.size,
            request.path,
            old_root=seen_root,
            new_root=checkpoint.root,
        )
    except CryptoError as error:
        return Refused(HTTPStatus.UNPROCESSABLE_ENTITY, _sentence(error))
    return None


def same_size_other_root(one: Checkpoint, other: Checkpoint) -> bool:
    """Whether two checkpoints of one log prove by themselves that it has two pasts."""
    return one.size == other.size and one.root != other.root


def _sentence(error: CryptoError) -> str:
    return f"{error.code} {error}"
