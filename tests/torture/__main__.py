"""`python -m tests.torture`: see `--help`."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter

import click

from tests.torture.run import Plan, run


@click.command()
@click.option("--minutes", type=float, default=5.0, show_default=True)
@click.option("--kills", type=int, default=60, show_default=True)
@click.option("--repeats", type=int, default=1, show_default=True)
@click.option("--seed", type=int, default=None, help="Default: from the clock.")
@click.option("--faults", default="", help="Only these, e.g. F5,F9.")
@click.option("--name", "names", multiple=True, help="Only the fault of this name.")
@click.option("--round", "round_s", type=float, default=40.0, show_default=True)
def main(
    minutes: float,
    kills: int,
    repeats: int,
    seed: int | None,
    faults: str,
    names: tuple[str, ...],
    round_s: float,
) -> None:
    """Torture real gateways and a real PostgreSQL; status 1 on any violation."""
    plan = Plan(
        seed=int(time.time()) if seed is None else seed,
        minutes=minutes,
        kills=kills,
        repeats=repeats,
        round_s=round_s,
        only=frozenset(part for part in faults.split(",") if part),
        names=frozenset(names),
    )
    click.echo(f"seed {plan.seed}")
    done = asyncio.run(run(plan, click.echo))
    tally = done.stage.tally
    for name, count in sorted(tally.injected.items()):
        click.echo(f"{count:6d}  {name}")
    for name, count in sorted(tally.noted.items()):
        click.echo(f"{count:6d}  ({name})")
    click.echo(f"unreached {done.killer.unreached} impossible {tally.impossible}")
    click.echo(f"slowest {tally.slowest_s:.1f} s, kills {tally.kills}")
    for name, seconds in done.took.items():
        click.echo(f"{seconds:6.1f} s {name} {done.healed_in.get(name, 0):.1f}")
    refused = sum((t.refused for t in done.terminals), Counter[str]())
    click.echo(f"refused {dict(refused)}")
    for place, what in tally.violations:
        click.echo(f"VIOLATION: {place}: {what}")
    if done.harness_errors:
        sys.exit(2)
    sys.exit(1 if tally.violations else 0)


if __name__ == "__main__":
    main()
