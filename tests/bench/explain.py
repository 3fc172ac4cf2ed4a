"""`python -m tests.bench.explain`: the plans of the hot path into a document.

Two plans of each statement: the one for values, which is run, in a transaction that is
rolled back, and the one without values that PostgreSQL keeps for a connection once it
is no dearer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import uvloop

from gateway.location import open_database, own_data_dir
from tests.bench.document import write_between
from tests.bench.hot_statements import CLAIMS, GROUPS, LARGE, Hot, Sample, sample
from tests.bench.machine import machine

if TYPE_CHECKING:
    from settlement.store.database import Session

DOCUMENT = Path("docs/hot-path-plans.md")
_MARKER = "plans"
#: A partition's name is its table's, with the month behind.
_SCANNED_WHOLE = re.compile(
    r"Seq Scan on (?:\w+\.)?(\w+?)(?:_MONTH|_\d{6})?(?: |$)", re.MULTILINE
)
_PAGES = re.compile(r"Buffers: shared((?: (?:hit|read|dirtied|written)=\d+)+)")
_TIME = re.compile(r"Execution Time: ([\d.]+) ms")
_ACTUAL = re.compile(r" \((?:actual|never) [^)]*\)")
_VALUE = re.compile(r"\$\d+|'(?:[^']|'')*'::[\w\" ]+(?:\[\])?")
_MONTH = re.compile(r"\b(answer|sealed_record)_\d{6}((?:_pkey)?)\b")
#: PostgreSQL numbers the partitions of a table.
_ALIAS = re.compile(r"_\d+\b")
#: What changes from run to run, or says nothing about the way that is taken.
_NOISE = re.compile(
    r"^\s*(?:Buffers|I/O Timings|Planning|Execution Time|Heap Fetches|Storage"
    r"|Query Identifier|Disabled|Index Searches|WAL|Sort Method|Memory"
    r"|Rows Removed|Buckets|Batches|Heap Blocks|Cache|Hits|Tuples Inserted|Conflicting"
    r"|Presorted|Full-sort|Pre-sorted|Subplans Removed|Output)"
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How one statement is run."""

    hot: Hot
    shape: str
    """With values, where there are some."""
    kept: str
    """Without values; empty where none is kept or it is the same."""
    pages: int | None
    milliseconds: float | None

    @property
    def read_whole(self) -> set[str]:
        """Large tables that either plan reads from begin to end."""
        return whole_tables(f"{self.shape}\n{self.kept}")


def whole_tables(plan: str) -> set[str]:
    """Large tables that a plan reads from begin to end."""
    return {found for found in _SCANNED_WHOLE.findall(plan) if found in LARGE}


def shape_of(lines: list[str]) -> str:
    """The plan without values and what changes from run to run.

    Parts of an Append that differ only in the month that they are of are shown once.
    """
    kept = [line for line in lines if not _NOISE.match(line)]
    return "\n".join(_months_as_one([_plain(line) for line in kept]))


def _plain(line: str) -> str:
    line = _ACTUAL.sub("", line)
    line = _VALUE.sub("…", line)
    return _MONTH.sub(
        lambda found: f"{found.group(1)}_MONTH{found.group(2) or ''}", line
    )


def _months_as_one(lines: list[str]) -> list[str]:
    """Leave out what stands below the same node already."""
    made: list[str] = []
    seen: dict[int, set[str]] = {}
    skipped: int | None = None
    for start, line in enumerate(lines):
        depth = _depth(line)
        if skipped is not None and depth > skipped:
            continue
        skipped = None
        for deeper in [each for each in seen if each > depth]:
            del seen[deeper]
        if "_MONTH" in line and "->" in line:
            block = _ALIAS.sub("", "\n".join(_block(lines, start)))
            if block in seen.setdefault(depth, set()):
                skipped = depth
                continue
            seen[depth].add(block)
        made.append(line)
    return made


def _block(lines: list[str], start: int) -> list[str]:
    """A node with all that stands below it."""
    depth = _depth(lines[start])
    below = takewhile(lambda line: _depth(line) > depth, lines[start + 1 :])
    return [lines[start], *below]


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())


def pages_of(lines: list[str]) -> int | None:
    """Pages that the run touched; the top node's, which counts those below."""
    for line in lines:
        if found := _PAGES.search(line):
            parts = dict(part.split("=") for part in found.group(1).split())
            return int(parts.get("hit", 0)) + int(parts.get("read", 0))
        if line.strip().startswith("Planning"):
            return None
    return None


async def plans(session: Session) -> Iterator[Plan]:
    """The plans of all statements, in the order of the hot path; nothing is kept."""
    sampled = await sample(session)
    return iter(
        [
            await plan_of(session, hot, sampled)
            for group in GROUPS.values()
            for hot in group
        ]
    )


async def plan_of(session: Session, hot: Hot, sampled: Sample) -> Plan:
    """Both plans of one statement."""
    kept = "" if hot.is_planned_anew else await _kept(session, hot)
    if hot.values is None:
        return Plan(hot, kept, "", None, None)
    lines = await _run(session, hot, hot.values(sampled))
    shape = shape_of(lines)
    times = _TIME.findall("\n".join(lines))
    return Plan(
        hot,
        shape,
        "" if kept == shape else kept,
        pages_of(lines),
        float(times[-1]) if times else None,
    )


async def _kept(session: Session, hot: Hot) -> str:
    """The plan without values."""
    transaction = session.transaction()
    await transaction.start()
    try:
        await session.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        await session.execute(f"PREPARE shown AS {hot.text}")
        numbers = [int(number) for number in re.findall(r"\$(\d+)", hot.text)]
        values = ", ".join(["NULL"] * max(numbers, default=0))
        asked = f"EXECUTE shown ({values})" if values else "EXECUTE shown"
        found = await session.fetch(f"EXPLAIN (COSTS OFF) {asked}")
        return shape_of([row[0] for row in found])
    finally:
        await transaction.rollback()
        await session.execute("DEALLOCATE shown")


async def _run(session: Session, hot: Hot, values: tuple[Any, ...]) -> list[str]:
    """The second run's plan, as pages are in memory then; both rolled back."""
    asked = f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) {hot.text}"
    found: list[Any] = []
    for _ in range(2):
        transaction = session.transaction()
        await transaction.start()
        try:
            found = await session.fetch(asked, *values)
        finally:
            await transaction.rollback()
    return [row[0] for row in found]


def text_of(found: list[Plan], size: int) -> str:
    """The document's part, in Markdown."""
    by_name = {plan.hot.name: plan for plan in found}
    about = (
        f"At {size:,} settlements stored, for {CLAIMS} claims at once, pages in memory,"
        f" PostgreSQL {machine()['postgresql']}."
    )
    parts = [about]
    for title, group in GROUPS.items():
        parts.append(f"## {title}")
        parts += [_section(by_name[hot.name]) for hot in group]
    return "\n\n".join(parts)


def _section(plan: Plan) -> str:
    hot = plan.hot
    cost = ""
    if plan.milliseconds is not None:
        cost = f" {plan.pages or 0:,} pages, {plan.milliseconds:.2f} ms."
    elif hot.values is None:
        cost = " It writes, and is not run here."
    lines = [
        f"### {hot.name}",
        "",
        f"{hot.purpose}{cost}",
        "",
        "```",
        plan.shape,
        "```",
    ]
    if plan.kept:
        lines += ["", "Without values:", "", "```", plan.kept, "```"]
    return "\n".join(lines)


async def explain(data_dir: Path, document: Path = DOCUMENT) -> list[Plan]:
    """Write the plans on this data folder's database into the document."""
    async with (
        open_database(own_data_dir(data_dir), None, max_size=2) as database,
        database.pool.acquire() as session,
    ):
        found = list(await plans(session))
        size = await session.fetchval("SELECT size FROM log_head")
    write_between(document, _MARKER, text_of(found, size))
    return found


@click.command()
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    default=Path("var/bench/stored-3000000"),
    help="Where the settlements are stored.",
)
@click.option(
    "--document", type=click.Path(path_type=Path), default=DOCUMENT, show_default=True
)
def main(*, data_dir: Path, document: Path) -> None:
    """Explain every statement of the hot path; fail where one reads a table whole."""
    found = uvloop.run(explain(data_dir, document))
    whole = {plan.hot.name: plan.read_whole for plan in found if plan.read_whole}
    for name, tables in whole.items():
        click.echo(f"{name} reads {', '.join(sorted(tables))} whole")
    click.echo(f"{len(found)} statements in {document}")
    if whole:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
