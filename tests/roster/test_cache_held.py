"""The cache's file is kept in memory, so that no look-up waits for the disk."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from eligibility_cache.follower import Follower
from eligibility_cache.resident import HeldInMemory
from eligibility_cache.store import EligibilityCache
from settlement.store.roster_feed import RosterFeed
from tests.roster.bureau import Bureau, row
from tests.roster.test_follower import running, until

_PAGE = os.sysconf("SC_PAGE_SIZE")
_UNABLE = """
import logging, os, resource, sys
from pathlib import Path
from eligibility_cache.resident import HeldInMemory
logging.basicConfig(format="%(message)s %(fault)s")
path = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))
if os.geteuid() == 0:
    os.setuid(65534)
held = HeldInMemory()
held.hold(path)
held.hold(path)
print(held.held_bytes)
"""


def locked_bytes() -> int:
    """Memory that the kernel keeps for this process."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmLck:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("this kernel does not tell")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give a file of ten pages and a piece."""
    path = tmp_path / "data"
    path.write_bytes(bytes(10 * _PAGE + 7))
    return path


def test_file_is_held_as_far_as_it_reaches(file: Path) -> None:
    """What has been added since comes to it; what is let go is no longer locked."""
    before = locked_bytes()
    held = HeldInMemory()

    held.hold(file)
    first = locked_bytes() - before
    with file.open("ab") as more:
        more.write(bytes(3 * _PAGE))
    held.hold(file)
    held.hold(file)
    then = locked_bytes() - before
    said = held.held_bytes
    held.release()

    assert (first, then, said) == (10 * _PAGE, 13 * _PAGE, 13 * _PAGE)
    assert (locked_bytes(), held.held_bytes) == (before, 0)


def test_another_file_takes_the_first_one_s_place(file: Path, tmp_path: Path) -> None:
    """A generation that nobody asks any more costs no memory."""
    before = locked_bytes()
    held = HeldInMemory()
    held.hold(file)
    other = tmp_path / "other"
    other.write_bytes(bytes(2 * _PAGE))

    held.hold(other)
    second = locked_bytes() - before
    file.replace(other)
    held.hold(other)
    third = locked_bytes() - before
    held.release()

    assert (second, third) == (2 * _PAGE, 10 * _PAGE)


def test_larger_than_its_share_is_not_held(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Others live on the machine, too; it is said once."""
    before = locked_bytes()
    held = HeldInMemory(most_bytes=10 * _PAGE)

    held.hold(file)
    held.hold(file)

    assert locked_bytes() == before
    assert [(r.message, vars(r)["fault"]) for r in caplog.records] == [
        ("roster.cache_not_held", "EFBIG")
    ]


def test_file_that_is_gone_is_no_fault(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A generation may be removed at any moment: the next look finds the new one."""
    held = HeldInMemory()
    held.hold(file)
    file.unlink()

    held.hold(file)

    assert (held.held_bytes, caplog.records) == (0, [])


def test_who_may_not_lock_goes_on_without() -> None:
    """A user whose limit is too low: said once, and nothing else changes."""
    done = subprocess.run(
        [sys.executable, "-c", _UNABLE, "/bin/sh"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout.strip()) == (0, "0")
    assert done.stderr.split() in (
        ["roster.cache_not_held", "EPERM"], ["roster.cache_not_held", "ENOMEM"]
    )  # fmt: skip


async def test_writer_holds_the_map_in_force(
    bureau: Bureau, feed: RosterFeed, cache: EligibilityCache
) -> None:
    """All of it after a load, and after each change; nothing once it has ended."""
    follower = Follower(feed, cache, held=HeldInMemory())
    await bureau.full(*[row(number) for number in range(200)])

    async with running(follower):
        await until(lambda: follower.held_bytes > 0)
        assert cache.file is not None
        assert follower.held_bytes == cache.file.stat().st_size
        await bureau.delta(*[row(number) for number in range(200, 1_500)])
        await until(
            lambda: (
                cache.file is not None
                and follower.held_bytes == cache.file.stat().st_size > 100_000
            )
        )

    assert follower.held_bytes == 0
