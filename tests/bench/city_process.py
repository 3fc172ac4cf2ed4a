"""One process that is measured: builds a city's cache, or is a worker that reads it.

`build DSN FOLDER KEYS` follows until the cache holds the roster. `worker FOLDER KEYS
CARDS BEGUN` is what a gateway's worker is in memory, opens the cache, holds it as the
machine's writer does and looks cards up (one a line in the file CARDS); BEGUN is the
monotonic clock at its start. Prints JSON.
"""

from __future__ import annotations

import asyncio
import gc
import random
import sys
import time
from pathlib import Path
from statistics import median

import orjson

import gateway.worker  # what a worker has imported counts for it
from crypto.tokens import Tokenizer
from eligibility_cache.follower import Follower
from eligibility_cache.resident import HeldInMemory
from eligibility_cache.store import EligibilityCache
from gateway.keyfiles import load_keys
from settlement.domain.bill import Card, CardKind
from settlement.store.database import Database
from settlement.store.roster_feed import RosterFeed

__all__ = ["gateway"]

_ROUNDS = 7
_OF_A_ROUND = 20_000
#: Private memory that maps no file, and what was written of one that is (proc(5)).
_PRIVATE = ("Private_Dirty:",)


async def _build(dsn: str, folder: Path, tokenizer: Tokenizer) -> dict[str, object]:
    database = await Database.open(dsn, max_size=1)
    cache, feed = EligibilityCache(folder, tokenizer), RosterFeed(database)
    try:
        await Follower(feed, cache).catch_up()
        version = cache.roster_version()
        return {"version": None if version is None else version.version}
    finally:
        await feed.close()
        await database.close()
        cache.close()


def _worker(
    folder: Path, tokenizer: Tokenizer, cards_path: Path, begun: float
) -> dict[str, object]:
    """From the start to the first answer, look-ups one by one, and private memory."""
    cache = EligibilityCache(folder, tokenizer)
    with cards_path.open(encoding="ascii") as file:
        first = cache.look_up(_card(next(file)))
        ready_s = time.monotonic() - begun
        if first.person is None:
            raise SystemExit("the cache does not know its own roster")
        cards = [_card(line) for line in file]
    random.Random(1).shuffle(cards)
    # What the machine's writer does for all workers.
    held = HeldInMemory()
    if cache.file is not None:
        held.hold(cache.file)
    gc.collect()
    before = _private_mb()
    rounds = [
        _median_us(cache, cards[n * _OF_A_ROUND : (n + 1) * _OF_A_ROUND])
        for n in range(_ROUNDS)
    ]
    gained = _private_mb() - before
    return {
        "ready_s": ready_s,
        "us": [each for each in rounds if each],
        "private_mb": _private_mb(),
        "gained_mb": gained,
    }


def _median_us(cache: EligibilityCache, cards: list[Card]) -> float:
    """Each look-up is of somebody else, so what is measured is memory as it lies."""
    clock, taken = time.perf_counter, []
    look = cache.person_of_card
    for card in cards:
        began = clock()
        found, _ = look(card)
        taken.append(clock() - began)
        if found is None:
            raise SystemExit("somebody of the roster is not found")
    return median(taken) * 1e6 if taken else 0.0


def _card(line: str) -> Card:
    return Card(kind=CardKind.SOCIAL_SECURITY_CARD, number=line.strip())


def _private_mb() -> float:
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    found = (line.split() for line in lines)
    return sum(int(each[1]) for each in found if each[0] in _PRIVATE) / 1e3


def main() -> None:
    """Do what the arguments say."""
    mode, *rest = sys.argv[1:]
    if mode == "build":
        dsn, folder, keys = rest
        tokenizer = Tokenizer(load_keys(Path(keys)).token_key)
        said = asyncio.run(_build(dsn, Path(folder), tokenizer))
    else:
        folder, keys, cards, begun = rest
        tokenizer = Tokenizer(load_keys(Path(keys)).token_key)
        said = _worker(Path(folder), tokenizer, Path(cards), float(begun))
    sys.stdout.buffer.write(orjson.dumps(said) + b"\n")


if __name__ == "__main__":
    main()
