"""Signed notes on disk: trimmed to the signatures that count, never made smaller."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path

from crypto.checkpoint import parse_checkpoint
from crypto.errors import CryptoError, TwoHistoriesError
from crypto.note import NoteKey, parse_note, signature_line
from gateway.installation import InstallationFault


def trimmed(note: str, keys: Iterable[NoteKey]) -> str:
    """The note with the signature lines of these keys alone, each once."""
    known = {(key.name, key.key_id) for key in keys}
    parsed = parse_note(note)
    lines = dict.fromkeys(
        signature_line(line.name, line.key_id, line.signature)
        for line in parsed.signatures
        if (line.name, line.key_id) in known
    )
    return f"{parsed.text}\n{''.join(lines)}"


def store_note(path: Path, note: str) -> str:
    """Put a cosigned checkpoint in place and return what stands there now.

    Signatures of others below the same checkpoint are kept; of one key the newest
    line wins. A larger checkpoint of the same log stays. Raises `OSError`,
    `InstallationFault` where something else stands there, and `TwoHistoriesError`
    where a checkpoint does that contradicts this one; the new one lies beside it then.
    """
    with path.with_name(f".{path.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        standing = _standing(path)
        if standing is None:
            _replace(path, note)
            return note
        old, new = parse_checkpoint(standing), parse_checkpoint(note)
        if (old.origin, old.size) == (new.origin, new.size) and old.root != new.root:
            other = path.with_name(f"{path.name}.other")
            _replace(other, note)
            raise TwoHistoriesError(
                f"proof of two histories: {path} and {other} are of {new.size} entries"
                " with different roots (medaid witness check --against)"
            )
        kept = _newer(standing, note)
        _replace(path, kept)
    return kept


def _replace(path: Path, note: str) -> None:
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(note)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _standing(path: Path) -> str | None:
    """The checkpoint that stands there; `None` where nothing does."""
    try:
        note = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        note = "\0"
    if not note:
        return None
    try:
        parse_checkpoint(note)
    except CryptoError:
        raise InstallationFault(
            f"{path} is no checkpoint; choose another --out, or move it away"
        ) from None
    return note


def _newer(standing: str, note: str) -> str:
    before, now = parse_note(standing), parse_note(note)
    old, new = parse_checkpoint(standing), parse_checkpoint(note)
    if before.text == now.text:
        lines = {
            (line.name, line.key_id): line
            for line in (*before.signatures, *now.signatures)
        }
        merged = (
            signature_line(line.name, line.key_id, line.signature)
            for line in lines.values()
        )
        return f"{now.text}\n{''.join(merged)}"
    return standing if old.origin == new.origin and old.size > new.size else note
