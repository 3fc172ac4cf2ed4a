"""A disk so small that it is full when a test wants it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

is_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="mounts a small disk: run as root"
)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A disk of a few kilobytes."""
    folder.mkdir()
    subprocess.run(
        ["/usr/bin/mount", "-t", "tmpfs", "-o", f"size={size}", "medaid-test", folder],
        check=True,
    )
    try:
        yield folder
    finally:
        subprocess.run(["/usr/bin/umount", "-l", folder], check=True)


def fill(path: Path) -> None:
    """Write until nothing more fits."""
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4_096)) > 0:
                pass
        except OSError:
            return
