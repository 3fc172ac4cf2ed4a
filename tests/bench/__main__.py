"""`make bench`: at most 10 minutes, one sandbox gateway, a table and `bench.json`.

Each figure of a server stands against a bare aiohttp echo that was measured just
before and just after it, by the same client on the same loop. A run of the full length
writes its figures into docs/performance.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import click
import orjson
import uvloop
from rich.table import Column, Table

from tests.bench import (
    beside_fastapi,
    cost,
    cost_document,
    deduction,
    document,
    envelope,
    policy_peers,
    rising,
)
from tests.bench.course import MOST_S, Course, Lengths
from tests.bench.ground import (
    Bench,
    Desks,
    console,
    gateway,
    open_bench,
    open_desks,
    open_yardstick,
    settle,
)
from tests.bench.measures import Measure, write
from tests.bench.one_worker import OneWorker

_DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
#: Our time over theirs at most: they give no explanation and keep no running totals.
_PEER_TARGETS = {"zen": 1.0, "openfisca": 0.1}
_USUAL = Lengths()


@click.command()
@click.option(
    "--seconds", default=_USUAL.seconds, help="Length of one round of one server."
)
@click.option(
    "--steady", default=_USUAL.steady, help="Length of the steady settle run."
)
@click.option("--rounds", default=_USUAL.rounds, help="Rounds of each comparison.")
@click.option("--gate", is_flag=True, help="End with status 1 on a missed target.")
@click.option(
    "--document/--no-document",
    "documents",
    default=True,
    help="Write docs/performance.md; with other lengths than these it never is.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("var"),
    help="Folder for bench.json, bench-cost.json and the scratch data.",
)
def main(
    *,
    seconds: float,
    steady: float,
    rounds: int,
    gate: bool,
    documents: bool,
    out: Path,
) -> None:
    """Measure what the cashier waits for."""
    lengths = Lengths(seconds, steady, rounds)
    course = Course(lengths)
    with course.showing():
        measures, spent = uvloop.run(_bench(out, lengths, course))
    write(measures, out / "bench.json")
    written = out / "bench-cost.json"
    written.write_bytes(orjson.dumps(spent, option=orjson.OPT_INDENT_2) + b"\n")
    _print(measures)
    if documents and lengths == _USUAL:
        write_document(_DOCUMENT, out)
        console.print(
            f"docs/{_DOCUMENT.name} and docs/{cost_document.PICTURE} are written"
        )
    else:
        console.print("docs/performance.md is not written: told so, or other lengths")
    steps = ", ".join(f"{name} {took:.0f}" for name, took in course.took.items())
    console.print(f"took {course.elapsed_s:.0f} s of at most {MOST_S:.0f} s: {steps}")
    if gate and not all(measure.is_met for measure in measures):
        raise SystemExit(1)


def write_document(path: Path, out: Path) -> None:
    """Put what the files in `out` say into the document, and the picture beside it.

    Raises `ValueError` where the document has no place for it.
    """
    measures = orjson.loads((out / "bench.json").read_bytes())
    spent = orjson.loads((out / "bench-cost.json").read_bytes())
    document.write_between(path, "bench", document.table(measures))
    document.write_between(path, "bench-cost", cost_document.table(spent))
    picture = path.with_name(cost_document.PICTURE)
    picture.write_text(cost_document.picture(spent), encoding="utf-8")


async def _bench(
    out: Path, lengths: Lengths, course: Course
) -> tuple[list[Measure], dict[str, Any]]:
    async with AsyncExitStack() as stack:
        with course.step("roster"):
            bench = await stack.enter_async_context(open_bench(out, lengths.seconds))
        measures, desks = await _one_worker(bench, lengths, course)
        with course.step("cost"):
            spent = await cost.measure(bench, desks)
        with course.step("rising load"):
            measures += await rising.measure(bench, desks, lengths.rounds)
        with course.step("two workers"):
            measures.append(await _two_workers(bench, desks, lengths.rounds))
        with course.step("envelope"):
            measures += await envelope.measure(bench, desks, lengths.rounds)
    with course.step("FastAPI"):
        measures += await beside_fastapi.measure(
            out, seconds=lengths.seconds, rounds=lengths.rounds
        )
    with course.step("deduction"):
        measures += _deduction()
    return measures, spent


async def _one_worker(
    bench: Bench, lengths: Lengths, course: Course
) -> tuple[list[Measure], Desks]:
    async with gateway(bench) as port:
        desks = await open_desks(bench, f"http://127.0.0.1:{port}")
        async with open_yardstick(desks, port) as yardstick:
            one = OneWorker(desks, yardstick, port)
            with course.step("beside the echo"):
                for number in range(lengths.rounds):
                    await one.beside_the_echo(number)
            with course.step("steady"):
                steady = await one.steady(lengths.steady)
            with course.step("p99 at half"):
                tail = await one.p99_at_half(lengths.rounds)
            with course.step("hot person"):
                hot = await one.hot_person(lengths.rounds)
        with course.step("one caller"):
            latency = await one.latency(lengths.rounds)
    settling = [one.settle, steady, latency, tail, hot]
    return [one.eligibility, one.quota, *settling], desks


async def _two_workers(bench: Bench, desks: Desks, rounds: int) -> Measure:
    """Settle with two workers against settle with one, in turn."""
    measure = Measure(
        "settle_two_workers", 1.0, at_least=True, scale="2 cores for all",
        title="settle, two workers, to one",
    )  # fmt: skip
    for number in range(rounds):
        rates = {}
        for workers in (1, 2) if number % 2 else (2, 1):
            async with gateway(bench, workers) as port:
                bills = desks.bills(f"w{workers}x{number}")
                load = await settle(bench, port, bills, bench.seconds)
                rates[workers] = load.rate
        measure.ratios.append(rates[2] / rates[1])
        measure.note = f"{rates[2]:,.0f}/s against {rates[1]:,.0f}/s"
        console.print(f"{measure.name}: {measure.ratios[-1]:.2f} ({measure.note})")
    return measure


def _deduction() -> list[Measure]:
    """The pure core in process, and the same rule in two other engines."""
    coded = Measure(
        "deduction_coded", 5.0, at_least=False, scale="one bill", unit="us",
        title="deduction alone, explained in codes",
    )  # fmt: skip
    rendered = Measure(
        "deduction_rendered", 15.0, at_least=False, scale="one bill", unit="us",
        title="deduction alone, every sentence in two languages",
    )  # fmt: skip
    coded.ratios += deduction.coded_us()
    rendered.ratios += deduction.rendered_us()
    return [coded, rendered, *_beside_peers(coded)]


def _beside_peers(coded: Measure) -> Iterator[Measure]:
    """Our time over theirs."""
    for peer in policy_peers.measure():
        measure = Measure(
            f"deduction_vs_{peer.name}", _PEER_TARGETS[peer.name], at_least=False,
            scale="one bill", title=f"deduction, to the same rule in {peer.name}",
        )  # fmt: skip
        if peer.us is None:
            measure.refused = peer.note
        else:
            measure.ratios += [ours_us / peer.us for ours_us in coded.ratios]
            measure.note = f"{coded.ratio:.1f} us against {peer.us:.1f} us; {peer.note}"
        yield measure


def _print(measures: list[Measure]) -> None:
    table = Table(Column("what", no_wrap=True), "ratio", "spread", "target", "", "note")
    for measure in measures:
        sign = ">=" if measure.at_least else "<="
        low, high = measure.spread
        table.add_row(
            measure.name,
            document.figure(measure.ratio),
            f"{document.figure(low)}..{document.figure(high)}",
            f"{sign} {document.figure(measure.target)}",
            "met" if measure.is_met else "MISSED",
            measure.refused or measure.note,
        )
    console.print(table)


if __name__ == "__main__":
    main()
