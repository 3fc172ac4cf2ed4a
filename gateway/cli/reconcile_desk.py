"""What the commands of reconciliation share: options, faults, who acts, lists."""

from __future__ import annotations

import asyncio
import getpass
import hashlib
import os
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from crypto.errors import CryptoError
from gateway.cli.given import month_number
from gateway.cli.policy_desk import bar
from gateway.hospital_lists import HospitalList
from gateway.installation import InstallationFault
from gateway.keyfiles import KeyFileFault
from settlement.domain.errors import FatalError
from settlement.domain.hospital_list import ListRefusedError
from settlement.domain.reasons import reason
from settlement.service.packaging import PackagingFault
from settlement.service.reconcile.bureau import UnreadableRecordError
from settlement.service.reconcile.faults import MonthFault

_T = TypeVar("_T")
_Command = TypeVar("_Command", bound=Callable[..., Any])
#: Nobody waits for a match or a package as a patient waits at the desk.
_LONG_WORK = 19
_HASHED_AT_ONCE = 1 << 20


def month_option(command: _Command) -> _Command:
    """Add `--month`: parameter `month: int`, as 202601."""

    def number(_ctx: click.Context, _param: click.Parameter, text: str) -> int:
        return month_number(text)

    return click.option(
        "--month", required=True, callback=number, help="Month of record, YYYY-MM."
    )(command)


def by_option(command: _Command) -> _Command:
    """Add `--by`: parameter `by: str`, who acts, for the history."""
    return click.option(
        "--by",
        default=None,
        callback=lambda _ctx, _param, name: name or f"local:{getpass.getuser()}",
        help="Who acts, for the history; default: this machine's user.",
    )(command)


def run_reconcile(work: Coroutine[Any, Any, _T]) -> _T:
    """Run it; what a person can mend becomes one sentence."""
    try:
        return asyncio.run(work)
    except ListRefusedError as refused:
        raise click.ClickException(_list_refused(refused)) from refused
    except (
        CryptoError,
        FatalError,
        InstallationFault,
        KeyFileFault,
        MonthFault,
        PackagingFault,
        UnreadableRecordError,
    ) as fault:
        raise click.ClickException(str(fault).splitlines()[0]) from fault


def json_value(value: object) -> str:
    """What JSON has no form for: an instant as RFC 3339, anything else as text."""
    return value.isoformat() if isinstance(value, datetime) else str(value)


def yield_to_settling() -> None:
    """Let the system serve cashiers first on a machine that they share."""
    os.nice(_LONG_WORK)


def _list_refused(refused: ListRefusedError) -> str:
    why = reason(refused.reason)
    lines = "".join(
        f"\n  line {each.line} {each.column}: {each.reason}"
        f" {reason(each.reason).text.en}"
        for each in refused.refused[:20]
    )
    return (
        f"{refused.reason} ({refused.detail}): {why.text.en} {why.next_step.en}{lines}"
    )


def sha256_of(path: Path) -> str:
    """Of a file's bytes, in lower-case hex; raises `click.ClickException`."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_HASHED_AT_ONCE):
                digest.update(block)
    except OSError as error:
        raise click.ClickException(
            f"{path} cannot be read: {error.strerror}"
        ) from error
    return digest.hexdigest()


def open_list(path: Path, today: date) -> tuple[HospitalList, Callable[[], None]]:
    """A hospital's list, and what closes its file; raises `click.ClickException`."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise click.ClickException(
            f"{path} cannot be read: {error.strerror}"
        ) from error
    return HospitalList(file, today=today), file.close


@contextmanager
def counting(title: str, *, is_shown: bool) -> Iterator[Callable[[int], None]]:
    """A bar for a number that nobody knows beforehand; takes how many more."""
    done = 0
    with bar(title, is_shown=is_shown) as show:

        def count(some: int) -> None:
            nonlocal done
            done += some
            show(done, done)

        yield count
