"""A disk that fills up while the cache is built or changed: the old one goes on."""

from pathlib import Path

import lmdb
import pytest

from eligibility_cache.building import build
from eligibility_cache.environment import CacheFolder
from eligibility_cache.follower import Follower
from eligibility_cache.store import EligibilityCache
from eligibility_cache.verification import verify
from settlement.store.roster_feed import RosterFeed
from tests.roster.bureau import TOKENIZER, Bureau, row, social_card
from tests.support.small_disk import fill, is_root, small_disk

_FEW, _MANY = 20, 900


@is_root
@pytest.mark.parametrize("room", range(0, 120_000, 24_000))
async def test_disk_full_while_building(
    bureau: Bureau, feed: RosterFeed, tmp_path: Path, room: int
) -> None:
    """Wherever it broke off, nothing of it stays; it is built once there is room."""
    with small_disk(tmp_path / "disk", "1m") as disk:
        cache = EligibilityCache(disk / "cache", TOKENIZER)
        follower = Follower(feed, cache)
        await bureau.full(*[row(number) for number in range(_FEW)])
        await follower.catch_up()
        serving = cache.folder.current()
        await bureau.delta(*[row(number) for number in range(_FEW, _MANY)])
        leave(disk / "filler", room)

        async with feed.snapshot() as snapshot:
            with pytest.raises((lmdb.Error, OSError)):
                await build(snapshot, cache.folder)

        cache.refresh()
        assert cache.folder.current() == serving
        assert [path.name for path in folders(cache.folder)] == [serving]
        assert cache.person_of_card(social_card(1))[0] is not None
        assert cache.look_up(social_card(_FEW)).version is not None
        (disk / "filler").unlink()
        async with feed.snapshot() as snapshot:
            await build(snapshot, cache.folder)
        cache.refresh()
        async with feed.snapshot() as snapshot:
            assert (await verify(snapshot, cache)).agrees
        cache.close()


@is_root
async def test_disk_full_while_changing(
    bureau: Bureau, feed: RosterFeed, tmp_path: Path
) -> None:
    """Nothing of the change is seen, and all of it once there is room."""
    with small_disk(tmp_path / "disk", "1m") as disk:
        cache = EligibilityCache(disk / "cache", TOKENIZER)
        follower = Follower(feed, cache)
        await bureau.full(*[row(number) for number in range(_FEW)])
        await follower.catch_up()
        await bureau.delta(*[row(number) for number in range(_FEW, _MANY)])
        leave(disk / "filler", 16_000)

        with pytest.raises(lmdb.Error):
            await follower.catch_up()

        assert cache.look_up(social_card(1)).version == cache.roster_version()
        assert cache.person_of_card(social_card(_FEW)) == (None, True)
        assert not cache.folder.is_suspect()
        (disk / "filler").unlink()
        await follower.catch_up()
        async with feed.snapshot() as snapshot:
            assert (await verify(snapshot, cache)).agrees
        cache.close()


def leave(filler: Path, room: int) -> None:
    """Fill the disk but for so many bytes."""
    fill(filler)
    with filler.open("r+b") as file:
        file.truncate(max(0, filler.stat().st_size - room))


def folders(folder: CacheFolder) -> list[Path]:
    """Return the generations that lie in the folder."""
    return [path for path in folder.path.iterdir() if path.is_dir()]
