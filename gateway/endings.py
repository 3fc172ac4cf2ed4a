"""How a gateway process ends: the faults that are foreseen, what is said, the status.

A service manager starts it again after `MAY_PASS`, and leaves it down after
`NEEDS_REPAIR` (deploy/systemd): what is wrong then lies in settings, keys or data
folder of this machine, and nobody has mended it meanwhile.
"""

from __future__ import annotations

import click

from gateway.config import SettingsFault
from gateway.installation import FolderNotFreeFault, InstallationFault
from gateway.keyfiles import KeyFileFault
from gateway.listening import AddressFault
from settlement.domain.errors import FatalError
from settlement.domain.policy import PolicyError

#: A database that is away, a port in use, a full disk; also what nobody foresaw.
MAY_PASS = 1
#: As click has it for a wrong option.
NEEDS_REPAIR = 2


class WorkEndedFault(Exception):
    """Something that must run beside the requests has ended; one sentence."""


class NotStartedFault(Exception):
    """A worker process ended before it could serve; the text is its sentence."""

    def __init__(self, sentence: str, status: int | None) -> None:
        """`status`: the process's own, as the system tells it."""
        super().__init__(sentence)
        self.status = NEEDS_REPAIR if status == NEEDS_REPAIR else MAY_PASS


FORESEEN = (
    click.ClickException,
    FatalError,
    InstallationFault,
    KeyFileFault,
    MemoryError,
    NotStartedFault,
    PolicyError,
    SettingsFault,
    WorkEndedFault,
)


def sentence_of(fault: BaseException) -> str:
    """What to tell the operator of a foreseen fault."""
    if isinstance(fault, MemoryError):
        return "no memory is left for the gateway; free some, or raise its limit"
    return fault.message if isinstance(fault, click.ClickException) else str(fault)


def status_of(fault: BaseException) -> int:
    """The status with which a process ends for a fault."""
    match fault:
        case click.ClickException():
            return fault.exit_code
        case NotStartedFault():
            return fault.status
        case AddressFault() | FolderNotFreeFault():
            return MAY_PASS
        case SettingsFault() | InstallationFault() | KeyFileFault():
            return NEEDS_REPAIR
        case _:
            return MAY_PASS
