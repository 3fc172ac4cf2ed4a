"""Blind mutation of bytes: for hypothesis, and for a run without atheris."""

import random
from collections.abc import Sequence

from tests.fuzz.hostile_values import (
    CANARY,
    FRACTIONS,
    HUGE_INTEGERS,
    NO_JSON_NUMBERS,
    NO_UNICODE,
)

#: Pieces that parsers of ours give a meaning to, and pieces that break others.
TOKENS: tuple[bytes, ...] = (
    b"{", b"}", b"[", b"]", b'"', b":", b",", b"\\", b"\n", b"\r\n", b"\n\n", b"\x00",
    b" ", b"\t", b"=", b"==", b"+", b"-", b".", b"/", b"'", b"#", b"&a", b"*a", b"!!",
    b"!!python/object:os.system", b"<<: *a", b"? ", b"- ", b"| ", b"> ", b"---\n",
    b"...\n", b"%YAML 9.9\n", b"null", b"true", b"0", b"-1", b"\xff", b"\xc0\xaf",
    b"\xef\xbb\xbf", b"\xe2\x80\x94 ", b"\xed\xa0\x80", b"\\ud800", b"\xe3\x80\x80",
    b"\x1f\x8b\x08\x00", b"sig1=", b"sig1=:", b";created=", b';tag="medaid"', b"index ",
    b"extra ", b"tile/", b".p/", b"x001/", b"2026-02-30", b"0001-01-01", b"9999-12-31",
    b"9999-12-31T23:59:59Z", b"0001-01-01T00:00:00+14:00", b"9999-12-31T23:00:00-12:00",
    b"A" * 300, b"[" * 300, b'{"a":' * 250, b"9" * 5_000, CANARY.encode(),
    *NO_JSON_NUMBERS[:8], *FRACTIONS[:6], *HUGE_INTEGERS[:6], *NO_UNICODE[:6],
)  # fmt: skip


def mutated(
    seeds: Sequence[bytes], tokens: Sequence[bytes], rng: random.Random
) -> bytes:
    """One of the seeds with one to six changes, or a splice of two."""
    raw = bytearray(rng.choice(seeds))
    for _ in range(rng.randint(1, 6)):
        place = rng.randint(0, len(raw))
        what = rng.randrange(7)
        if what == 0:
            raw[place:place] = rng.choice(tokens)
        elif what == 1:
            raw[place : place + rng.randint(1, 4)] = rng.choice(tokens)
        elif what == 2:
            del raw[place : place + rng.choice((1, 2, 8, 64))]
        elif what == 3:
            raw[place : place + 1] = bytes([rng.randrange(256)])
        elif what == 4:
            end = place + rng.choice((1, 8, 64))
            raw[place:place] = raw[place:end] * rng.choice((1, 2, 30))
        elif what == 5:
            other = rng.choice(seeds)
            raw[place:] = other[rng.randint(0, len(other)) :]
        else:
            del raw[place:]
    return bytes(raw)
