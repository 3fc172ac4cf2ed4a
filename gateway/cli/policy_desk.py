"""What the policy desk's commands share: the bureau's key, the pack, the bar."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from crypto.errors import CryptoError
from gateway.cli.given import read_bureau_key
from gateway.installation import Installation, InstallationFault, load_trust
from gateway.keyfiles import BUREAU_KEY
from gateway.location import open_database
from settlement import policies
from settlement.domain.errors import FatalError
from settlement.domain.policy import CompiledPack, PolicyError, compile_pack
from settlement.service.policy_past import Reader
from settlement.store.database import Database
from settlement.store.policies import read_packs

_T = TypeVar("_T")
_Command = TypeVar("_Command", bound=Callable[..., Any])
_STEP = 0x10


def bureau_key_option(command: _Command) -> _Command:
    """Add `--bureau-key`: parameter `bureau_key: Path | None`."""
    return click.option(
        "--bureau-key",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        default=None,
        help="The bureau's private key, which opens the records; a sandbox finds its"
        " own.",
    )(command)


def html_option(command: _Command) -> _Command:
    """Add `--html`: parameter `html: Path | None`."""
    return click.option(
        "--html",
        type=click.Path(path_type=Path, dir_okay=False),
        default=None,
        help="Write it as one HTML page that prints on A4, too.",
    )(command)


def month_text(month: int) -> str:
    """202601 as `2026-01`."""
    return f"{month // 100:04d}-{month % 100:02d}"


def find_reader(data_dir: Path, bureau_key: Path | None) -> Reader | None:
    """What opens this installation's records; `None` without the bureau's key.

    A sandbox's own key stands in its data folder. Raises `click.ClickException`.
    """
    try:
        trust = load_trust(data_dir)
        if bureau_key is None and Installation.load(data_dir).sandbox:
            own = data_dir / "bureau" / BUREAU_KEY
            bureau_key = own if own.exists() else None
    except InstallationFault as fault:
        raise click.ClickException(str(fault)) from fault
    if bureau_key is None:
        return None
    return Reader(trust, read_bureau_key(bureau_key))


def need_reader(data_dir: Path, bureau_key: Path | None) -> Reader:
    """The same where nothing goes without it."""
    reader = find_reader(data_dir, bureau_key)
    if reader is None:
        raise click.ClickException(
            "the records are sealed to the bureau; give its private key with"
            " --bureau-key FILE, on a machine where it may be"
        )
    return reader


async def find_pack(database: Database | None, reference: str) -> CompiledPack:
    """The pack in a YAML file, in the database or of the program, by ID[@VERSION].

    In the database packs that wait count too. Without a version the latest known.
    Raises `click.ClickException`.
    """
    path = Path(reference)
    if path.suffix in {".yaml", ".yml"}:
        return _of_file(path)
    stored = [] if database is None else await read_packs(database, staged=True)
    own = [policies.read(name) for name in policies.names()]
    packs = [compile_pack(row.document) for row in stored]
    packs += [compile_pack(document) for document in own]
    name, _, version = reference.partition("@")
    found = [
        pack
        for pack in packs
        if pack.ref.id == name and version in {"", pack.ref.version}
    ]
    if not found:
        known = sorted({pack_name(pack) for pack in packs})
        raise _UnknownPackError(
            f"MA-7020 没有政策 {reference}；现有：{'、'.join(known)}。"
            f"There is no pack {reference}; known are {', '.join(known)}."
        )
    return max(found, key=lambda pack: pack.known_since)


def look_up(data_dir: Path, dsn: str | None, *references: str) -> list[CompiledPack]:
    """Packs of files and of the program; in the database where they are not there.

    Raises `click.ClickException`.
    """

    async def find() -> list[CompiledPack]:
        return [await find_pack(None, each) for each in references]

    try:
        return run_desk(find())
    except _UnknownPackError:
        if dsn is None and Installation.find(data_dir) is None:
            raise
    return [stored_pack(data_dir, dsn, each) for each in references]


def stored_pack(data_dir: Path, dsn: str | None, reference: str) -> CompiledPack:
    """As `find_pack`, what stands in the database first."""

    async def find() -> CompiledPack:
        async with open_database(data_dir, dsn, max_size=2) as database:
            return await find_pack(database, reference)

    return run_desk(find())


class _UnknownPackError(click.ClickException):
    """No pack of that name; another place may have it."""


def _of_file(path: Path) -> CompiledPack:
    try:
        return compile_pack(path.read_bytes())
    except OSError as error:
        raise click.ClickException(
            f"{path} cannot be read: {error.strerror}"
        ) from error
    except PolicyError as error:
        raise click.ClickException(
            f"{path} cannot be used: {len(error.faults)} faults, the first in line"
            f" {error.faults[0].line}; medaid policy check {path} lists them"
        ) from error


def pack_name(pack: CompiledPack) -> str:
    """`ID@VERSION`."""
    return f"{pack.ref.id}@{pack.ref.version}"


def run_desk(work: Coroutine[Any, Any, _T]) -> _T:
    """Run it; what a person can mend becomes one sentence."""
    try:
        return asyncio.run(work)
    except CryptoError as error:
        raise click.ClickException(
            f"a record does not verify or open ({error.code}: {error}); is it the right"
            " --bureau-key? medaid check-books looks at every record"
        ) from error
    except (FatalError, InstallationFault, PolicyError) as fault:
        raise click.ClickException(str(fault).splitlines()[0]) from fault


@contextmanager
def bar(title: str, *, is_shown: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error; takes what is done and how much there is."""
    console = Console(stderr=True)
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not is_shown or not console.is_terminal,
        transient=True,
    )
    with progress:
        task = progress.add_task(title, total=None)

        def show(done: int, total: int) -> None:
            if not done % _STEP or done == total:
                progress.update(task, completed=done, total=total)

        yield show


def write_page(path: Path, page: str) -> None:
    """Write it; raises `click.ClickException`."""
    try:
        path.write_text(page, "utf-8")
    except OSError as error:
        raise click.ClickException(
            f"{path} cannot be written: {error.strerror}"
        ) from error
