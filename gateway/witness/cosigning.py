"""A witness that goes and looks: pulls a gateway's checkpoint and countersigns it.

It makes the consistency proof itself, from tiles. Where the log does not extend what
the witness has seen, both signed notes are kept: the log cannot deny them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from crypto.add_checkpoint import AddCheckpoint
from crypto.checkpoint import parse_checkpoint, verify_checkpoint
from crypto.errors import CryptoError
from crypto.histories import TwoHistories
from crypto.trust import Trust
from gateway.witness.folder import Seen
from gateway.witness.rules import Cosigned, Refused, Witness
from gateway.witness.source import LogSource, SourceFault

#: How often another process may be quicker with a newer checkpoint.
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class HistoryBroken:
    """The log does not extend what this witness has countersigned."""

    sentence: str
    evidence: TwoHistories
    is_proof: bool
    """Whether the evidence proves it to everybody, or only gives reason to ask."""
    kept_at: Path | None = None
    """Where the evidence lies; `None` where it could not be kept."""


async def cosign_latest(
    witness: Witness, source: LogSource, trust: Trust
) -> Cosigned | HistoryBroken:
    """Countersign the latest checkpoint of a gateway, or say why not.

    Raises `SourceFault` where nothing can be told now, and what `Witness.add` raises.
    """
    for _ in range(_ATTEMPTS):
        # Read before the log is asked: what it shows must be as large as this.
        seen = witness.folder.seen(trust.origin)
        note = await _verified_note(source, trust)
        request, broken = await _compare(source, seen, note)
        if broken is None and request is not None:
            done = witness.add(request)
            if isinstance(done, Cosigned):
                return done
            broken = _broken(done)
        if broken is not None:
            return _kept(witness, broken)
    raise SourceFault("other processes were quicker each time; try again")


async def _verified_note(source: LogSource, trust: Trust) -> str:
    note = await source.checkpoint()
    try:
        verify_checkpoint(note, trust)
    except CryptoError as error:
        raise SourceFault(
            f"the checkpoint that is shown cannot be believed: {error.code} {error}"
        ) from None
    return note


async def _compare(
    source: LogSource, seen: Seen | None, note: str
) -> tuple[AddCheckpoint | None, HistoryBroken | None]:
    """What to countersign, or what is wrong with the log's past."""
    if seen is None:
        return AddCheckpoint(0, (), note), None
    before, now = seen.checkpoint, parse_checkpoint(note)
    if now.size < before.size:
        return None, HistoryBroken(
            f"the log shows {now.size} entries, and this witness has countersigned"
            f" {before.size}: entries were taken away, or an older copy is shown",
            TwoHistories(note, seen.note, None),
            is_proof=False,
        )
    if now.size == before.size:
        # Whether the roots agree is for the rules to say.
        return AddCheckpoint(before.size, (), note), None
    growth = await source.growth(before.size, now)
    if growth.prefix_root != before.root:
        evidence = TwoHistories(seen.note, note, growth.prefix_root, growth.path)
        return None, _rewritten(before.size, evidence)
    return AddCheckpoint(before.size, growth.path, note), None


def _rewritten(size: int, evidence: TwoHistories) -> HistoryBroken:
    return HistoryBroken(
        f"the log has rewritten its past: it signed two histories of its first {size}"
        " entries",
        evidence,
        is_proof=True,
    )


def _broken(refused: Refused) -> HistoryBroken | None:
    """What the rules found; `None`: another process was quicker, look again."""
    if refused.seen_size is not None:
        return None
    if refused.evidence is None:
        raise SourceFault(f"the checkpoint is not countersigned: {refused.sentence}")
    size = parse_checkpoint(refused.evidence.newer).size
    return _rewritten(size, refused.evidence)


def _kept(witness: Witness, broken: HistoryBroken) -> HistoryBroken:
    path = witness.folder.keep_evidence(broken.evidence)
    return HistoryBroken(broken.sentence, broken.evidence, broken.is_proof, path)
