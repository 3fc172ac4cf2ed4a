"""What no settlement can be faster than on this machine, each measured alone."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

_CALLS, _ROUNDS = 200, 15
#: A page of PostgreSQL's write-ahead log, in a file that is as large as its segments.
_PAGE, _SEGMENT = 8192, 16 * 1024 * 1024
_FLUSHES = 300
#: About as long as what is signed of a record.
_RECORD_BYTES = 3_000


def fdatasync_us(folder: Path) -> float:
    """Write a page into a file that is there already and flush it; median."""
    path = folder / "fdatasync"
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.write(file, bytes(_SEGMENT))
        os.fsync(file)
        took = []
        for number in range(_FLUSHES):
            began = time.perf_counter()
            os.pwrite(file, os.urandom(_PAGE), number * _PAGE)
            os.fdatasync(file)
            took.append(time.perf_counter() - began)
    finally:
        os.close(file)
        path.unlink()
    return median(took) * 1e6


def signature_us() -> float:
    """One Ed25519 signature over a record."""
    key, record = Ed25519PrivateKey.generate(), os.urandom(_RECORD_BYTES)
    return _us(lambda: key.sign(record))


def agreement_us() -> float:
    """A fresh X25519 key and its agreement with the bureau's."""
    bureau = X25519PrivateKey.generate().public_key()

    def agree() -> None:
        own = X25519PrivateKey.generate()
        own.exchange(bureau)
        own.public_key().public_bytes_raw()

    return _us(agree)


def _us(call: Callable[[], object]) -> float:
    rounds = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        for _ in range(_CALLS):
            call()
        rounds.append((time.perf_counter() - began) / _CALLS * 1e6)
    return median(rounds)
