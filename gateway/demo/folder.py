"""A scratch data folder: this run's alone, and empty when the run begins."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from gateway.location import own_data_dir

_LOCK = "run.lock"
#: Held by processes of the embedded server until they have left.
_SERVER_LOCKS = frozenset({"postgres.lock", "postgres.users"})


@contextmanager
def scratch_folder(wanted: Path, what: str) -> Iterator[Path]:
    """Give the folder, or one beside it where it is another user's, and empty it.

    `what` names the command for the sentence that is said when the same command
    still runs there (`click.ClickException`). A folder that holds anything but an
    earlier run's files is not emptied, but refused.
    """
    folder = own_data_dir(wanted)
    folder.mkdir(parents=True, exist_ok=True)
    has_lock = (folder / _LOCK).exists()
    if not has_lock and any(folder.iterdir()):
        raise click.ClickException(
            f"{folder} holds files of something else than medaid {what}; choose an"
            " empty folder with --data-dir"
        )
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise click.ClickException(
                f"medaid {what} is still running on {folder}; end it with Ctrl-C, or"
                " choose another folder with --data-dir"
            ) from None
        _empty(folder)
        yield folder
    finally:
        os.close(lock)


def _empty(folder: Path) -> None:
    """Remove everything that an earlier run left, its database first."""
    # Not imported, and its binaries not needed, before a run begins.
    from settlement.store.embedded import (  # noqa: PLC0415
        EmbeddedPostgres,
        EmbeddedPostgresError,
    )

    try:
        EmbeddedPostgres(folder).erase()
    except EmbeddedPostgresError as error:
        raise click.ClickException(str(error)) from error
    for path in folder.iterdir():
        if path.name == _LOCK or path.name in _SERVER_LOCKS:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
