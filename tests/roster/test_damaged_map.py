"""A damaged map is told, or ends the process: nobody is ever answered from it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import lmdb
import pytest

from eligibility_cache.building import CacheBuild
from eligibility_cache.environment import CacheFolder, CacheMeta, Generation
from eligibility_cache.packing import CacheCorruptError
from eligibility_cache.store import EligibilityCache, key_check
from settlement.domain.eligibility import RosterPerson
from tests.roster.bureau import TOKENIZER, card_number, person_token, social_card
from tests.roster.damaged_map import PERSONS, VERSION, expected

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Build a cache of some hundred pages, with nobody's process on it."""
    folder = tmp_path / "cache"
    fresh = CacheBuild(CacheFolder(folder))
    persons = sorted((expected(n) for n in range(PERSONS)), key=_token)
    fresh.put_persons(persons)
    fresh.put_cards(sorted(
        (TOKENIZER.card("social_security_card", card_number(n)), person_token(n))
        for n in range(PERSONS)
    ))  # fmt: skip
    fresh.put_in_force(
        CacheMeta(
            roster_id="00" * 16,
            version=VERSION.version,
            as_of=VERSION.as_of,
            cursor=1,
            key_check=key_check(TOKENIZER).hex(),
        )
    )
    fresh.close()
    return folder


def _token(person: RosterPerson) -> bytes:
    return person.token


@pytest.mark.parametrize(
    ("first", "count"),
    [
        (0, 120),
        pytest.param(1000, 4000, marks=[pytest.mark.slow, pytest.mark.timeout(1800)]),
    ],
)
def test_no_damage_gives_a_wrong_answer(folder: Path, first: int, count: int) -> None:
    """Bits, bytes and pages of rubbish: right, untold, or no answer at all."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.roster.damaged_map", str(folder), str(first),
         str(count)],
        cwd=PROJECT, capture_output=True, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout)

    assert found["wrong"] == []
    assert found["told"] > count // 10
    assert found["right"] + found["told"] + found["ended"] == count


def test_map_that_was_cut_off_is_not_opened(folder: Path) -> None:
    """Reading behind the end of the file would end the process."""
    file = next(folder.glob("*/data.mdb"))
    with file.open("r+b") as cut:
        cut.truncate(file.stat().st_size // 2)
    with pytest.raises(lmdb.CorruptedError):
        Generation(file.parent)
    cache = EligibilityCache(folder, TOKENIZER)

    assert cache.person_of_card(social_card(1)) == (None, False)
    assert cache.folder.is_suspect()
    cache.close()


def test_file_is_as_long_as_its_content_after_each_write(folder: Path) -> None:
    """LMDB may leave out its last pages where they are free; no such file is damaged.

    Else a sound cache would be taken for one that was cut off.
    """
    cache = EligibilityCache(folder, TOKENIZER)
    meta, generation = cache.meta, cache._generation
    assert meta is not None
    assert generation is not None
    file = next(folder.glob("*/data.mdb"))
    os.truncate(file, file.stat().st_size - 1)
    cache.apply(meta, {person_token(1): None}, [])

    generation._require_whole()
    cache.close()


def test_altered_words_of_the_cache_itself_are_noticed() -> None:
    """A version that reads higher would be believed to be the newest."""
    meta = CacheMeta(roster_id="00", version=7, as_of="", cursor=1, key_check="")
    packed = meta.pack()

    assert CacheMeta.unpack(packed) == meta
    for broken in (None, b"", packed[:4], packed.replace(b"7", b"8"), packed[4:]):
        with pytest.raises(CacheCorruptError):
            CacheMeta.unpack(broken)
