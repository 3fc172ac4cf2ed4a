"""Which account of the operating system runs the embedded server, and how.

PostgreSQL refuses to run as root. Everything that touches the server's folder is
done by a child process under this account, so that root never follows a link that
somebody planted in a folder which is not root's own.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

#: Accounts that root may hand the server to, best first: one made for this program;
#: the account that Debian and others make to own PostgreSQL's files; the account
#: that exists everywhere. Each keeps its files in a folder that only it can enter.
CANDIDATES = ("medaid", "postgres", "nobody")
#: No variable of the caller (PGDATA, PGOPTIONS, LD_PRELOAD) may steer the server.
_ENVIRONMENT = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C", "TZ": "UTC"}


class EmbeddedPostgresError(Exception):
    """The embedded server cannot be used; the message is one sentence for a person."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account that the server's processes run under."""

    name: str
    uid: int
    gid: int

    @property
    def is_own(self) -> bool:
        """Whether it is the account that this process runs under already."""
        return self.uid == os.geteuid()

    def run(
        self,
        command: Sequence[str | Path],
        *,
        stdin: str = "",
        seconds: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command under this account and return its output and status.

        Started in `/`, because the caller's folder may be closed to the account.
        Files that it makes are closed to others. Raises `EmbeddedPostgresError`
        when it does not end in time or the account cannot be taken on.
        """
        switch = not self.is_own
        try:
            return subprocess.run(
                [os.fspath(part) for part in command],
                input=stdin,
                capture_output=True,
                check=False,
                cwd="/",
                encoding="utf-8",
                env=_ENVIRONMENT,
                errors="replace",
                timeout=seconds,
                umask=0o077,
                user=self.uid if switch else None,
                group=self.gid if switch else None,
                extra_groups=() if switch else None,
            )
        except subprocess.TimeoutExpired as error:
            raise EmbeddedPostgresError(
                f"{Path(command[0]).name} did not end within {seconds:.0f} s"
            ) from error
        except (PermissionError, subprocess.SubprocessError) as error:
            raise EmbeddedPostgresError(
                f"cannot run {Path(command[0]).name} as {self.name!r} ({error});"
                " give a server with --dsn instead"
            ) from error

    def succeeds(self, command: Sequence[str | Path]) -> bool:
        """Whether a command ends with status 0 under this account."""
        try:
            return self.run(command).returncode == 0
        except EmbeddedPostgresError:
            return False


def account_of(uid: int) -> Account:
    """Return the account with this number; it must be known to the system."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError as error:
        raise EmbeddedPostgresError(
            f"user number {uid} has no entry in the system's user list, which"
            " PostgreSQL demands; add one, or give a server with --dsn"
        ) from error
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def choose_account(data_dir: Path) -> Account:
    """Return this process's own account, or for root the best unprivileged one.

    Where root works in another user's folder, that user is the best one: the folder
    goes on being of use to its owner.
    """
    if os.geteuid() != 0:
        return account_of(os.geteuid())
    names = [name for name in CANDIDATES if _is_known(name)]
    owner = data_dir.stat().st_uid
    if owner != 0 and _is_known(owner):
        return account_of(owner)
    if not names:
        raise EmbeddedPostgresError(
            "PostgreSQL does not run as root and none of the accounts"
            f" {', '.join(CANDIDATES)} exists; make one (useradd --system medaid)"
            " or give a server with --dsn"
        )
    return account_of(pwd.getpwnam(names[0]).pw_uid)


def _is_known(account: str | int) -> bool:
    try:
        if isinstance(account, int):
            pwd.getpwuid(account)
        else:
            pwd.getpwnam(account)
    except KeyError:
        return False
    return True
