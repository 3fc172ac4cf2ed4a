"""`medaid loadtest`: shows whether an installation may go into service."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from gateway.demo.folder import scratch_folder
from gateway.demo.sandbox import Sandbox, end_with_parent, open_sandbox, serving
from gateway.installation import Installation, InstallationFault
from gateway.loadtesting.world import limits_config, make_world, write_world
from gateway.location import json_option, open_database
from gateway.wiring import wall_clock

_PROJECT = Path(__file__).resolve().parents[2]
_KIT = "loadtests"
#: The kit's own environment, which the program does not need to run.
_KIT_PYTHON = Path(f"{sys.prefix}-load") / "bin" / "python"
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the command line asks for."""

    target: str | None
    plan: str
    world: Path | None
    data_dir: Path
    persons: int
    workers: int


@click.command(epilog="Example: medaid loadtest --plan rollout --busiest-minute 1800")
@click.option("--target", help="Address of a gateway.  [default: a sandbox of its own]")
@click.option(
    "--plan",
    default="smoke",
    show_default=True,
    help="smoke, rollout, month-end, retry-storm, roster-review, failover, soak,"
    " find-the-knee, limits, or a TOML file.",
)
@click.option(
    "--world",
    type=_FILE,
    help="Hospitals' keys and cards (docs/load-testing.md).  [default: made in the"
    " sandbox of --data-dir]",
)
@click.option(
    "--busiest-minute",
    type=click.FloatRange(min=1),
    help="Settlements that you expect in your busiest minute.  [default: the plan's]",
)
@click.option(
    "--time-scale",
    type=click.FloatRange(min=0.01),
    default=1.0,
    help="0.1: a tenth as long as the plan says.",
)
@click.option(
    "--processes",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    help="Generating processes.",
)
@click.option("--budgets", type=_FILE, help="Budgets.  [default: the kit's own]")
@click.option(
    "--web", type=click.IntRange(1, 65535), help="Show locust's page on this port."
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Workers of the sandbox gateway.",
)
@click.option(
    "--persons",
    type=click.IntRange(min=100),
    default=20_000,
    show_default=True,
    help="Persons on the sandbox's roster.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the report.  [default: var/loadtests/PLAN-TIME]",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="MEDAID_DATA_DIR",
    help="With --target and without --world: the data folder of that sandbox.  "
    "[default: var]  Without --target: a scratch folder, emptied at each start.  "
    "[default: var/loadtest]",
)
@json_option
def loadtest(  # noqa: PLR0917  # as many as it has options
    target: str | None,
    plan: str,
    world: Path | None,
    busiest_minute: float | None,
    time_scale: float,
    processes: int,
    budgets: Path | None,
    web: int | None,
    workers: int,
    persons: int,
    out: Path | None,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Load a gateway by a plan, check every fen afterwards, and give a verdict.

    Without --target it starts PostgreSQL and a sandbox gateway of its own. Writes
    report.html, report.json and junit.xml. Ends with status 0 for go, 1 for no-go, 3
    where the generator was not sound and the run says nothing, and 2 where it could
    not begin.
    """
    _require_kit()
    wanted = _Wanted(
        target, plan, world, data_dir or Path("var/loadtest" if not target else "var"),
        persons, workers,
    )  # fmt: skip
    folder = out or _run_folder(plan)
    options = [
        "--plan", plan, "--out", str(folder.resolve()), "--processes", str(processes),
        "--time-scale", str(time_scale),
        *(["--busiest-minute", str(busiest_minute)] if busiest_minute else []),
        *(["--budgets", str(budgets.resolve())] if budgets else []),
        *(["--web", str(web)] if web else []),
        *(["--quiet"] if as_json else []),
    ]  # fmt: skip
    status = asyncio.run(_run(wanted, options))
    if as_json and (folder / "report.json").exists():
        click.echo((folder / "report.json").read_text(encoding="utf-8"))
    raise SystemExit(status)


def _require_kit() -> None:
    if not (_PROJECT / _KIT / "__main__.py").is_file():
        raise click.ClickException(
            "the load-test kit lies in the project's folder loadtests/, which is not"
            " here: run medaid from a checkout of the project"
        )
    if not _KIT_PYTHON.is_file():
        raise click.ClickException(
            "the load-test kit has an environment of its own, which is not made yet:"
            " run make loadtest-kit once"
        )


def _run_folder(plan: str) -> Path:
    stamp = f"{wall_clock():%Y%m%d-%H%M%S}"
    return Path("var/loadtests") / f"{Path(plan).stem}-{stamp}"


async def _run(wanted: _Wanted, options: Sequence[str]) -> int:
    async with AsyncExitStack() as stack:
        if wanted.target is None:
            target, world = await stack.enter_async_context(_own_sandbox(wanted))
        elif wanted.world is not None:
            target, world = wanted.target, wanted.world
        else:
            target = wanted.target
            world = await stack.enter_async_context(_world_of(wanted, target))
        return await _kit(["--target", target, "--world", str(world), *options])


@asynccontextmanager
async def _own_sandbox(wanted: _Wanted) -> AsyncIterator[tuple[str, Path]]:
    """A sandbox and a gateway for this run alone."""
    stamp = "own"
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(scratch_folder(wanted.data_dir, "loadtest"))
        click.echo("making a sandbox with a roster ...", err=True)
        sandbox = await stack.enter_async_context(open_sandbox(folder))
        world = await make_world(
            sandbox, persons=wanted.persons, stamp=stamp, at=wall_clock()
        )
        # Nothing here may hold connections: the plan may restart the server.
        await sandbox.database.close()
        # Only the plan that floods has rates; a sandbox has none by itself.
        is_limited = wanted.plan == "limits"
        config = limits_config(folder / "limits.toml", stamp) if is_limited else None
        gateway = serving(sandbox, port=0, workers=wanted.workers, config=config)
        target = await stack.enter_async_context(gateway)
        world["metrics"] = f"{target}/metrics"
        world["about"]["工作进程 workers"] = str(wanted.workers)
        write_world(world, folder / "world.json")
        yield target, folder / "world.json"


@asynccontextmanager
async def _world_of(wanted: _Wanted, target: str) -> AsyncIterator[Path]:
    """Hospitals and persons added to the sandbox that runs in a data folder."""
    try:
        is_sandbox = Installation.load(wanted.data_dir).sandbox
    except InstallationFault as fault:
        raise click.ClickException(str(fault)) from fault
    if not is_sandbox:
        raise click.ClickException(
            f"{wanted.data_dir} is no sandbox, so nobody may be made up in it: name"
            " hospitals' keys and cards with --world"
        )
    async with open_database(wanted.data_dir, None) as database:
        sandbox = Sandbox(wanted.data_dir, database)
        click.echo("adding hospitals and persons to the sandbox ...", err=True)
        stamp = f"{int(wall_clock().timestamp()):x}"
        world = await make_world(
            sandbox, persons=wanted.persons, stamp=stamp, at=wall_clock()
        )
    world["metrics"] = f"{target.rstrip('/')}/metrics"
    path = wanted.data_dir / f"loadtest-world-{stamp}.json"
    write_world(world, path)
    try:
        yield path
    finally:
        path.unlink()


async def _kit(arguments: Sequence[str]) -> int:
    """Run the kit; an interrupt ends it before it ends us."""
    process = await asyncio.create_subprocess_exec(
        str(_KIT_PYTHON), "-m", _KIT, "run", *arguments,
        cwd=_PROJECT, stdin=subprocess.DEVNULL, env=_environment(),
        preexec_fn=end_with_parent,
    )  # fmt: skip
    try:
        return await process.wait()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        raise


def _environment() -> dict[str, str]:
    """Ours, without what would show the kit our own modules."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
