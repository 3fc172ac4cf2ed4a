"""What the commands of alerts share: ids by their beginning, notes, faults."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import click

from crypto.errors import CryptoError
from gateway.identity import holds_identity
from gateway.installation import InstallationFault
from gateway.keyfiles import KeyFileFault
from gateway.location import open_database
from gateway.wiring import wall_clock
from settlement.domain.calendar import shanghai_day
from settlement.domain.errors import FatalError, RequestRefused
from settlement.domain.reasons import reason
from settlement.service.watch.work import NO_SUCH_CASE
from settlement.store.alert_lists import alerts_beginning, cases_beginning
from settlement.store.errors import (
    BatchConflictError,
    BatchRefusedError,
    CommitUnknownError,
    StoreUnavailableError,
)
from settlement.store.transaction import committed, our_errors

if TYPE_CHECKING:
    from settlement.store.database import Connection, Database, Session

_T = TypeVar("_T")
_ID = re.compile(r"[0-9a-f]{8,32}")
NOTE_LENGTH_MAX = 500
OFFICER_LENGTH_MAX = 64
_NAMES_SOMEBODY = "MA-4210"
_NO_NOTE = "MA-4214"


class Named(NamedTuple):
    """What an id on a command line stands for."""

    case: bytes | None
    alert: bytes | None


def run_alerts(work: Coroutine[Any, Any, _T]) -> _T:
    """Run it; what a person can mend becomes one sentence."""
    try:
        return asyncio.run(work)
    except RequestRefused as refused:
        raise click.ClickException(sentence_of(refused.reason)) from refused
    except CryptoError as error:
        raise click.ClickException(
            f"a record does not verify or open ({error.code}: {error}); is it the right"
            " --bureau-key? medaid check-books looks at every record"
        ) from error
    except (StoreUnavailableError, BatchConflictError, BatchRefusedError) as error:
        raise click.ClickException(
            f"PostgreSQL went away meanwhile ({error}); nothing was changed, try again"
        ) from error
    except CommitUnknownError as error:
        raise click.ClickException(
            "PostgreSQL did not say whether it kept the change; look with"
            " medaid alerts show before you try again"
        ) from error
    except (FatalError, InstallationFault, KeyFileFault) as fault:
        raise click.ClickException(str(fault).splitlines()[0]) from fault


def sentence_of(code: str) -> str:
    """A reason with what to do, Chinese first."""
    why = reason(code)
    return f"{code} {why.text.zh}{why.next_step.zh} {why.text.en} {why.next_step.en}"


@asynccontextmanager
async def reading(data_dir: Path, dsn: str | None) -> AsyncIterator[Session]:
    """A session that only reads."""
    async with (
        open_database(data_dir, dsn, max_size=2) as database,
        database.pool.acquire() as session,
    ):
        with our_errors():
            yield session


@asynccontextmanager
async def writing(data_dir: Path, dsn: str | None) -> AsyncIterator[Session]:
    """A session within a database transaction; nothing is kept if the block raises."""
    async with (
        open_database(data_dir, dsn, max_size=2) as database,
        writing_in(database) as session,
    ):
        yield session


@asynccontextmanager
async def writing_in(database: Database) -> AsyncIterator[Session]:
    """The same in an open database."""
    async with database.pool.acquire() as session:
        with our_errors():
            async with committed(cast("Connection", session)):
                yield session


async def case_named(session: Session, text: str) -> bytes:
    """The case whose id begins so; raises `RequestRefused` or `ClickException`."""
    found = await cases_beginning(session, _digits(text))
    return _only(found, text)


async def named(session: Session, text: str) -> Named:
    """The case or the alert whose id begins so; raises likewise."""
    digits = _digits(text)
    cases = await cases_beginning(session, digits)
    alerts = await alerts_beginning(session, digits)
    found = _only([*cases, *alerts], text)
    return Named(found, None) if cases else Named(None, found)


def _digits(text: str) -> str:
    digits = text.lower()
    if _ID.fullmatch(digits) is None:
        raise click.ClickException(
            f"{text} 不是编号。是 8 至 32 位十六进制数字；medaid alerts list 可查。"
            f" {text} is no id: give 8 to 32 hex digits; medaid alerts list shows them."
        )
    return digits


def _only(found: list[bytes], text: str) -> bytes:
    if not found:
        raise RequestRefused(NO_SUCH_CASE)
    if len(found) > 1:
        raise click.ClickException(
            f"有多个编号以 {text} 开头，请多写几位。"
            f" More than one id begins with {text}: give more digits."
        )
    return found[0]


def checked_note(note: str) -> str:
    """The note; raises `RequestRefused` where it is empty, too long or names one."""
    if not note.strip() or len(note) > NOTE_LENGTH_MAX:
        raise RequestRefused(_NO_NOTE)
    return names_nobody(note)


def names_nobody(text: str) -> str:
    """The text; raises `RequestRefused` for one with an identity number."""
    if holds_identity(text, None, today()):
        raise RequestRefused(_NAMES_SOMEBODY)
    return text


def today() -> date:
    """The day in Shanghai."""
    return shanghai_day(wall_clock())
