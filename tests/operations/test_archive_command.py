"""The archive command of `medaid.conf`, run by a shell as PostgreSQL runs it."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.sources import PROJECT

_CONF = PROJECT / "deploy" / "postgresql" / "medaid.conf"
_NAME = "0000000100000000000000A7"
_CONTENT = bytes(range(256)) * 4_096


@pytest.fixture
def segment(tmp_path: Path) -> Path:
    """Make a WAL file that waits to be archived, and an empty archive."""
    (tmp_path / "archive").mkdir()
    segment = tmp_path / "pg_wal" / _NAME
    segment.parent.mkdir()
    segment.write_bytes(_CONTENT)
    return segment


def _archived(segment: Path) -> Path:
    return segment.parent.parent / "archive" / segment.name


def _archive(segment: Path, path: str = os.environ["PATH"]) -> bool:
    """Run the command with its places filled in; whether it claims success."""
    text = _CONF.read_text(encoding="utf-8")
    (command,) = re.findall(r"^archive_command = '([^']+)'", text, re.MULTILINE)
    command = command.replace("/ARCHIVE", str(_archived(segment).parent))
    command = command.replace("%p", str(segment)).replace("%f", segment.name)
    done = subprocess.run(
        ["/bin/sh", "-c", command], check=False, timeout=30, env={"PATH": path}
    )
    return done.returncode == 0


def test_file_is_archived_whole(segment: Path) -> None:
    """And nothing else lies in the archive then."""
    assert _archive(segment)
    assert _archived(segment).read_bytes() == _CONTENT
    assert list(_archived(segment).parent.iterdir()) == [_archived(segment)]


def test_file_archived_twice_is_done(segment: Path) -> None:
    """The server crashed before it noted the success, and asks again."""
    assert _archive(segment)
    assert _archive(segment)


def test_crash_within_the_copy_is_made_good(segment: Path, tmp_path: Path) -> None:
    """Half a file stays behind; the next attempt replaces it."""
    programs = tmp_path / "bin"
    programs.mkdir()
    copy = programs / "cp"
    copy.write_text('#!/bin/sh\nhead -c 500000 "$1" > "$2"\nkill -9 $PPID\n')
    copy.chmod(0o755)

    assert not _archive(segment, f"{programs}:{os.environ['PATH']}")
    assert any(_archived(segment).parent.iterdir())
    assert not _archived(segment).exists()

    assert _archive(segment)
    assert _archived(segment).read_bytes() == _CONTENT


def test_full_archive_is_no_success(segment: Path, tmp_path: Path) -> None:
    """What cannot be copied is not archived."""
    _archived(segment).parent.rmdir()
    (tmp_path / "archive").touch()

    assert not _archive(segment)


def test_other_content_is_never_replaced(segment: Path) -> None:
    """Another server's file under the same name stays, and the command fails."""
    _archived(segment).write_bytes(b"another history")

    assert not _archive(segment)
    assert _archived(segment).read_bytes() == b"another history"
