"""Whom a witness and its checkers believe: trust files and verifier keys."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from crypto.cosignature import WitnessKey
from crypto.errors import CryptoError
from crypto.keys import Role
from crypto.note import parse_vkey
from crypto.trust import Trust, TrustedKey, parse_trust_file, trust_file
from gateway.installation import InstallationFault


def read_trust(path: Path) -> Trust:
    """The trust file; raises `InstallationFault`."""
    try:
        return parse_trust_file(path.read_bytes())
    except OSError as error:
        raise InstallationFault(
            f"the trust file {path} cannot be read ({error.strerror}); get it from the"
            " gateway's operator"
        ) from error
    except CryptoError as error:
        raise InstallationFault(
            f"the trust file {path} cannot be used: {error.code} {error}"
        ) from error


def followed_logs(paths: Iterable[Path], vkeys: Iterable[str]) -> dict[str, Trust]:
    """By origin, the keys that may sign the log's checkpoints.

    Raises `InstallationFault` where none is named, and what `parse_vkey` raises.
    """
    keys: dict[str, dict[str, TrustedKey]] = {}
    for path in paths:
        trust = read_trust(path)
        known = keys.setdefault(trust.origin, {})
        known |= {each.kid: each for each in trust.keys_of(Role.CHECKPOINT_SIGN)}
    for vkey in vkeys:
        named = parse_vkey(vkey, Role.CHECKPOINT_SIGN)
        added = TrustedKey(named.key)
        keys.setdefault(named.name, {})[added.kid] = added
    if not keys:
        raise InstallationFault("name a log to follow, with --trust or --log-key")
    return {origin: Trust(origin, known.values()) for origin, known in keys.items()}


def trust_witness(path: Path, witness: WitnessKey) -> bool:
    """Add a witness to a trust file, whole or not at all; false where it stands.

    Raises `InstallationFault` and `OSError`.
    """
    trust = read_trust(path)
    standing = {(each.kid, each.name) for each in trust.keys}
    if (witness.key.kid, witness.name) in standing:
        return False
    if witness.key.kid in {kid for kid, _name in standing}:
        raise InstallationFault(
            f"the trust file {path} names this key for another witness; two witnesses"
            " never share a key"
        )
    added = TrustedKey(witness.key, name=witness.name)
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("wb") as file:
        file.write(trust_file(Trust(trust.origin, (*trust.keys, added))))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    return True
