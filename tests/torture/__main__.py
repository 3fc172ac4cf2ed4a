"""`python -m tests.torture`: see `--help`."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import click

from tests.torture.report import document_of, write_json, write_report
from tests.torture.run import Plan, Run, run


@click.command()
@click.option("--minutes", type=float, default=5.0, show_default=True, help="At most.")
@click.option("--kills", type=int, default=60, show_default=True, help="At least.")
@click.option(
    "--repeats", type=int, default=1, show_default=True, help="Of each fault."
)
@click.option("--deaths", type=int, default=0, help="At least, at each crash point.")
@click.option("--seed", type=int, default=None, help="Default: from the clock.")
@click.option("--faults", default="", help="Only these, e.g. F5,F9.")
@click.option("--name", "names", multiple=True, help="Only the fault of this name.")
@click.option("--round", "round_s", type=float, default=40.0, show_default=True)
@click.option(
    "--every", "step", type=int, default=50, help="Offsets of answers cut at."
)
@click.option("--pause", "pause_s", type=float, default=0.12, help="Of each client, s.")
@click.option("--report", type=click.Path(exists=True, path_type=Path), default=None)
@click.option("--json", "as_json", type=click.Path(path_type=Path), default=None)
def main(  # one parameter for each option
    *,
    minutes: float,
    kills: int,
    repeats: int,
    deaths: int,
    seed: int | None,
    faults: str,
    names: tuple[str, ...],
    round_s: float,
    step: int,
    pause_s: float,
    report: Path | None,
    as_json: Path | None,
) -> None:
    """Torture real gateways and a real PostgreSQL.

    Status 1 on any violation, 2 where the harness itself failed, 3 where the time
    was up before everything was done that was asked for.
    """
    plan = Plan(
        seed=int(time.time()) if seed is None else seed,
        minutes=minutes,
        kills=kills,
        repeats=repeats,
        deaths=deaths,
        round_s=round_s,
        only=frozenset(part for part in faults.split(",") if part),
        names=frozenset(names),
        sweep_step=step,
        pause_s=pause_s,
    )
    click.echo(f"seed {plan.seed}")
    done = asyncio.run(run(plan, click.echo))
    if as_json is not None:
        write_json(as_json, document_of(done))
    if report is not None:
        write_report(report, done)
    sys.exit(_tell(done))


def _tell(done: Run) -> int:
    tally = done.stage.tally
    for name, count in sorted(tally.injected.items()):
        click.echo(f"{count:7,}  {name}")
    for name, count in sorted(tally.noted.items()):
        click.echo(f"{count:7,}  ({name})")
    for name, why in tally.impossible.items():
        click.echo(f"not possible here: {name}: {why}")
    for place, what in tally.violations:
        click.echo(f"VIOLATION: {place}: {what}")
    wanting = done.wanting()
    for name in wanting:
        click.echo(f"not done often enough: {name}")
    click.echo(
        f"kills {tally.kills:,}, violations {len(tally.violations)}, harness errors"
        f" {len(done.harness_errors)}, log entries {done.log.edge.size:,}, longest to"
        f" an answer {tally.slowest_s:.1f} s"
    )
    if tally.violations:
        return 1
    if done.harness_errors:
        return 2
    return 3 if wanting else 0


if __name__ == "__main__":
    main()
