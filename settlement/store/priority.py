"""Long work that gives way: a server process on this machine with the lowest priority.

A match or a package works for a minute in one server process. On a machine that
serves cashiers too, that process would take a whole processor from settling.
"""

from __future__ import annotations

import os
import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from settlement.store.database import Session

_LOWEST = 19
#: Process, user and group of the other side (unix(7), SO_PEERCRED).
_PEER = struct.Struct("3i")
_SESSION = "/proc/{}/autogroup"


def give_way(session: Session, priority: int = _LOWEST) -> bool:
    """Let the server serve all others before this session's process.

    `priority`: from 1, a little, to 19, the lowest.

    True where it was done: the server is on this machine, reached by its socket, and
    this user may. Elsewhere nothing happens: the server has processors of its own.
    """
    process = session.get_server_pid()
    transport = session._transport  # type: ignore[union-attr]  # noqa: SLF001
    link = transport.get_extra_info("socket")
    if link is None or link.family != socket.AF_UNIX:
        return False
    server, _, _ = _PEER.unpack(
        link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    )
    with suppress(OSError):
        if _about(process).parent == server:
            lower(process, priority)
            return True
    return False


def lower(process: int, priority: int = _LOWEST) -> None:
    """Let this machine serve all others before the process. Raises `OSError`.

    A kernel that groups processes by session (sched(7), autogroup) weighs priorities
    within a session alone: one that leads a session of its own, as each of the
    server's does, would go on to get as much as all cashiers together. So its group
    is lowered, too; where the kernel refuses, the group stays as it is.
    """
    if os.getpriority(os.PRIO_PROCESS, process) < priority:
        os.setpriority(os.PRIO_PROCESS, process, priority)
    with suppress(OSError):
        if _about(process).session == process:
            _lower_session(process, priority)


def _lower_session(process: int, priority: int) -> None:
    """Write to `/autogroup-42 nice 0`, which stands empty for who is in no group."""
    group = Path(_SESSION.format(process))
    text = group.read_text("ascii")
    if text and int(text.rsplit(maxsplit=1)[1]) < priority:
        group.write_text(str(priority), encoding="ascii")


class _About(NamedTuple):
    """Of proc_pid_stat(5)."""

    parent: int
    """A number alone could be another machine's process."""
    session: int


def _about(process: int) -> _About:
    stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    _, parent, _, session, *_ = stat.rsplit(")", 1)[1].split()
    return _About(int(parent), int(session))
