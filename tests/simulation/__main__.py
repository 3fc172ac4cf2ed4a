"""`make sim SEEDS=1000`: many seeds, their violations, and what met what.

Processes share the seeds, one thread each. A seed that fails is printed with the
command that repeats it; the status is then 1.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.simulation.faults import ELSEWHERE, STEPS, Coverage, Fault, cells
from tests.simulation.run import Outcome, run_seed

_LINE_EVERY = 100


@dataclass
class Total:
    """All seeds together."""

    seeds: int = 0
    answers: int = 0
    leaves: int = 0
    requests: int = 0
    faults: int = 0
    cpu_s: float = 0.0
    coverage: Coverage = field(default_factory=Coverage)
    failed: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count one seed."""
        self.seeds += 1
        self.answers += outcome.kept
        self.leaves += outcome.settled
        self.requests += outcome.requests
        self.faults += outcome.faults
        self.cpu_s += outcome.seconds
        self.coverage.update(outcome.coverage)
        if outcome.violations:
            self.failed.append(outcome)

    def never_met(self) -> list[str]:
        """Faults and steps that can meet, and did not."""
        return [f"{f} at {s}" for f, s in cells() if not self.coverage[f, s]]


@click.command()
@click.option("--seeds", default=200, help="How many seeds.")
@click.option("--from", "first", default=0, help="The first seed.")
@click.option("--seed", "only", type=int, help="This seed alone.")
@click.option("--workers", default=os.cpu_count() or 1, help="Processes.")
@click.option(
    "--json",
    "into",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the figures to this file too.",
)
def main(
    *, seeds: int, first: int, only: int | None, workers: int, into: Path | None
) -> None:
    """Run the settlement core under seeded faults and compare it with the model."""
    console = Console()
    chosen = range(first, first + seeds) if only is None else range(only, only + 1)
    total, began = Total(), perf_counter()
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("seeds", total=len(chosen))
        for outcome in _outcomes(chosen, workers):
            total.add(outcome)
            progress.advance(task)
            if outcome.violations:
                _print_failure(console, outcome)
            elif not console.is_terminal and total.seeds % _LINE_EVERY == 0:
                console.print(f"{total.seeds} of {len(chosen)} seeds")
    seconds = perf_counter() - began
    _print(console, total, seconds)
    if into is not None:
        into.write_text(json.dumps(_figures(total, seconds), indent=1) + "\n", "utf-8")
    sys.exit(1 if total.failed else 0)


def _outcomes(chosen: range, workers: int) -> Iterator[Outcome]:
    if workers <= 1 or len(chosen) == 1:
        yield from map(run_seed, chosen)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(run_seed, chosen, chunksize=4)


def _print_failure(console: Console, outcome: Outcome) -> None:
    console.print(f"[bold]seed {outcome.seed} violates:[/]")
    for invariant, text in outcome.violations[:8]:
        console.print(f"  {invariant}: {text}", markup=False)
    console.print(
        f"  again: .venv/bin/python -m tests.simulation --seed {outcome.seed}"
    )
    console.print("  its last events:")
    for event in outcome.last_events:
        console.print(f"    {event}", markup=False)


def _print(console: Console, total: Total, seconds: float) -> None:
    table = Table(title="which fault met which step, times")
    table.add_column("step")
    for fault in Fault:
        table.add_column(fault.value, justify="right")
    for step in STEPS:
        table.add_row(step, *(_cell(total, fault.value, step) for fault in Fault))
    # As wide as it is: a log is no terminal.
    wide = console if console.is_terminal else Console(width=180)
    wide.print(table)
    for step, faults in ELSEWHERE.items():
        met = ", ".join(f"{f} {total.coverage[f, step]}" for f in faults)
        console.print(f"{step}: {met}")
    never = total.never_met()
    console.print(f"never met: {', '.join(never) or 'nothing'}")
    console.print(
        f"{total.seeds} seeds, {total.requests} requests, {total.answers} settled,"
        f" declined or reversed, {total.leaves} leaves, {total.faults} faults,"
        f" {len(total.failed)} seeds with violations;"
        f" {total.answers / max(total.cpu_s, 1e-9):.0f} a second in one thread,"
        f" {total.answers / seconds:.0f} in all ({seconds:.1f} s)"
    )


def _cell(total: Total, fault: str, step: str) -> str:
    if (fault, step) not in _REACHABLE:
        return "."
    return str(total.coverage[fault, step])


_REACHABLE = frozenset(cells())


def _figures(total: Total, seconds: float) -> dict[str, Any]:
    return {
        "seeds": total.seeds,
        "requests": total.requests,
        "answers": total.answers,
        "leaves": total.leaves,
        "faults": total.faults,
        "seeds_with_violations": [outcome.seed for outcome in total.failed],
        "answers_per_second_one_thread": round(total.answers / max(total.cpu_s, 1e-9)),
        "seconds": round(seconds, 1),
        "coverage": {
            f"{fault} at {step}": total.coverage[fault, step] for fault, step in cells()
        },
        "never_met": total.never_met(),
    }


if __name__ == "__main__":
    main()
