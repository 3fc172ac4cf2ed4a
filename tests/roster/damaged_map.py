"""Spoil a cache's map in many ways and look everybody up in each: a process for tests.

Arguments: cache folder, first seed, number of damages. The cache holds the persons of
`expected`. Each damage is looked at in a process of its own, for a damaged map may end
it. Prints as JSON how many damages were of no effect, were told ("cannot tell"), or
ended the process, and the seeds of those by which anybody got a wrong answer.
"""

import json
import os
import random
import shutil
import signal
import sys
from datetime import date
from pathlib import Path

from eligibility_cache.store import EligibilityCache
from settlement.domain.bill import Card
from settlement.domain.eligibility import RosterPerson, RosterVersion, Window
from tests.roster.bureau import TOKENIZER, identity_card, person_token, social_card

PERSONS = 800
#: Their cards and numbers are in nobody's roster.
STRANGERS = range(PERSONS, PERSONS + 150)
VERSION = RosterVersion(7, "2026-07-01T00:00:00.000Z")
PAGE = 4096
RIGHT, TOLD, WRONG = 0, 3, 4


def expected(number: int) -> RosterPerson:
    """Return what the cache holds of a person."""
    window = Window("dibao", date(2020, 1, 1 + number % 28), None, "990100001")
    return RosterPerson(person_token(number), bytes([number % 255 + 1]) * 16, (window,))


def damage(content: bytearray, chance: random.Random) -> None:
    """Spoil it: a bit, some bytes, a page of zeros, or a page of anything.

    Not a page written to another's place, or not written at all: each byte of it is as
    it once was, and only `medaid roster verify` sees that.
    """
    pages = len(content) // PAGE
    match chance.randrange(4):
        case 0:
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        case 1:
            at = chance.randrange(len(content) - 8)
            content[at : at + 8] = chance.randbytes(8)
        case 2:
            page = chance.randrange(2, pages) * PAGE
            content[page : page + PAGE] = bytes(PAGE)
        case _:
            page = chance.randrange(2, pages) * PAGE
            content[page : page + PAGE] = chance.randbytes(PAGE)


def look(folder: Path) -> int:
    """Ask for everybody until the cache says that it cannot tell."""
    cache = EligibilityCache(folder, TOKENIZER)
    for number in [*range(PERSONS), *STRANGERS]:
        who = expected(number) if number < PERSONS else None
        for card in cards_of(number):
            answer = cache.look_up(card)
            if not answer.can_tell:
                return TOLD
            if (answer.person, answer.version) != (who, VERSION):
                return WRONG
    return RIGHT


def cards_of(number: int) -> tuple[Card, Card]:
    """Return both cards of a person."""
    return social_card(number), identity_card(number)


def outcome(folder: Path) -> int:
    """Return how a process ended that looked; negative where a signal ended it."""
    child = os.fork()
    if child == 0:
        os.close(2)
        signal.alarm(60)
        os._exit(look(folder))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(folder: Path, first: int, count: int) -> None:
    """Damage by damage, each of a sound map."""
    sound = folder.with_name("sound")
    shutil.copytree(folder, sound)
    found: dict[str, int] = {"right": 0, "told": 0, "ended": 0}
    wrong = []
    for seed in range(first, first + count):
        shutil.rmtree(folder)
        shutil.copytree(sound, folder)
        file = next(folder.glob("*/data.mdb"))
        content = bytearray(file.read_bytes())
        damage(content, random.Random(seed))
        file.write_bytes(content)
        match outcome(folder):
            case 0:
                found["right"] += 1
            case 3:
                found["told"] += 1
            case status if status < 0 and status != -signal.SIGALRM:
                found["ended"] += 1
            case _:
                wrong.append(seed)
    print(json.dumps({**found, "wrong": wrong}))  # noqa: T201 - read by the test


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
