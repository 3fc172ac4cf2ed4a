"""`make bench-full`: what takes hours, part by part, on databases that are kept.

Each part's figures are written to `bench-full.json` when it is done; a run that was
ended goes on with those that are missing. The document has them all in the end.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

import click
import uvloop
from rich.console import Console
from rich.table import Table

from tests.bench import (
    alerts_cost,
    alerts_quality,
    city_roster,
    explain,
    month_match,
    month_package,
    soak,
    stored,
)
from tests.bench.closing import settle_p99_while_closing
from tests.bench.document import figure, table, write_between
from tests.bench.measures import Measure
from tests.bench.parts import Kept, Part, to_run

_DOCUMENT = Path("docs/performance.md")
_MARKER = "bench-full"
_MILLION = stored.MILLIONS
_MONTHS = (100_000, _MILLION)
#: Of figures whose own modules give them none.
_TITLES = {
    "settle_p99_while_matching": "settle p99 beside a match without end, to that"
    " without",
    "settle_p99_while_matching_full": "the same at full load",
    "month_package_verified": "package verified offline without the bureau's key, to"
    " bare Ed25519",
    "month_package_opened": "the same with the key, every decision made again",
    "settle_with_detectors": "settle with all detectors on, to the same without",
    "alert_visible_p99": "alert read in the stream, p99 from the instant of settling",
}
_SECONDS = {"alert_visible_p99"}

console = Console()


def _waiting(awaitable: Callable[[], Awaitable[list[Measure]]]) -> list[Measure]:
    async def run() -> list[Measure]:
        return await awaitable()

    return uvloop.run(run())


def _stored(out: Path, count: int, target: int, docs: Path) -> list[Measure]:
    """Settle with so many stored; where it is the last stage, its plans as well."""
    measures = _waiting(partial(stored.measure, out, count, target=target))
    if count == target:
        plans = docs / explain.DOCUMENT.name
        uvloop.run(explain.explain(out / f"stored-{target}", plans))
    return measures


def parts_of(
    out: Path,
    target: int,
    soak_s: float,
    docs: Path,
    persons: int = city_roster.CITY,
) -> list[Part]:
    """Every part, in the order in which they run; pictures and plans go into `docs`."""
    ledger = month_match.LEDGER
    stages = [count for count in (_MILLION, target) if count <= target]
    return [
        *(
            Part(f"match-{count}", "minutes", partial(month_match.measure, out, count))
            for count in _MONTHS
        ),
        Part(
            "closing",
            "3 minutes",
            partial(
                _waiting, partial(settle_p99_while_closing, out, ledger, _MONTHS[0])
            ),
        ),
        Part(
            "package",
            "10 minutes",
            partial(month_package.measure, out, _MONTHS[0], rounds=3),
        ),
        Part("alerts-quality", "10 minutes", alerts_quality.measure),
        Part(
            "alerts-cost",
            "5 minutes",
            partial(_waiting, partial(alerts_cost.measure, out)),
        ),
        *(
            Part(
                f"stored-{count}",
                "20 minutes",
                partial(_stored, out, count, target, docs),
            )
            for count in dict.fromkeys(stages)
        ),
        Part(
            "city-roster",
            "an hour",
            partial(_waiting, partial(city_roster.measure, out, persons)),
        ),
        Part(
            "soak",
            f"{soak_s / 60:.0f} minutes",
            partial(
                _waiting,
                partial(
                    soak.measure,
                    out,
                    seconds=soak_s,
                    picture_path=docs / soak.PICTURE.name,
                ),
            ),
        ),
    ]


@click.command()
@click.option("--again", is_flag=True, help="Measure everything anew.")
@click.option("--only", multiple=True, help="Measure this part alone, done or not.")
@click.option(
    "--stored",
    "target",
    default=3 * _MILLION,
    show_default=True,
    help="Settlements stored; 10000000 where the disk allows.",
)
@click.option(
    "--persons",
    default=city_roster.CITY,
    show_default=True,
    help="Persons on the city's roster.",
)
@click.option("--soak-seconds", "soak_s", default=soak.HOUR_S, show_default=True)
@click.option("--gate", is_flag=True, help="Fail where a target is missed.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("var"),
    help="Folder for bench-full.json and the prepared data.",
)
@click.option(
    "--document",
    type=click.Path(path_type=Path),
    default=_DOCUMENT,
    show_default=True,
    help="Where the table is written, between its markers.",
)
def main(  # one for each option
    *, again: bool, only: tuple[str, ...], target: int, persons: int, soak_s: float,
    gate: bool, out: Path, document: Path,
) -> None:  # fmt: skip
    """Measure what takes hours; a run that was ended goes on where it was."""
    kept = Kept(out / "bench-full.json")
    parts = parts_of(out / "bench", target, soak_s, document.parent, persons)
    try:
        todo = to_run(parts, kept, only=only, again=again)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if again and not only:
        kept.drop({part.name for part in parts})
    _run(todo, kept)
    figures = kept.in_order(parts)
    _show(kept, parts)
    write_between(document, _MARKER, _text(table(figures), document.parent))
    if gate and not all(each["is_met"] for each in figures.values()):
        sys.exit(1)


def _text(figures: str, folder: Path) -> str:
    """The table, and the picture where there is one beside the document."""
    if not (folder / soak.PICTURE.name).exists():
        return figures
    return (
        f"{figures}\n\n![Memory of the gateway's processes over the soak]"
        f"({soak.PICTURE.name})\n\nThe first quarter, shaded, does not count: caches"
        f" fill. Flat is what then gains no more than {soak.FLAT_MB:g} MB in an hour,"
        " by the slope (Theil and Sen) and from the first third to the last: about a"
        " byte for each settlement, where a mere reference takes eight."
    )


def _run(todo: Sequence[Part], kept: Kept) -> None:
    for number, part in enumerate(todo, start=1):
        console.rule(f"{number} of {len(todo)}: {part.name} (some {part.takes})")
        began = time.monotonic()
        measures = part.run()
        for measure in measures:
            _name(measure)
        kept.keep(part.name, measures)
        console.print(f"{part.name}: done in {(time.monotonic() - began) / 60:.1f} min")


def _name(measure: Measure) -> None:
    words = _TITLES.get(measure.name, measure.name.replace("_", " "))
    measure.title = measure.title or words
    if measure.name in _SECONDS:
        measure.unit = "s"


def _show(kept: Kept, parts: Sequence[Part]) -> None:
    shown = Table("figure", "median", "target", "note")
    for name, each in kept.in_order(parts).items():
        sign = ">=" if each["at_least"] else "<="
        shown.add_row(
            name,
            f"{figure(each['ratio'])} {each['unit']}",
            f"{sign} {each['target']}",
            each["note"],
        )
    console.print(shown)


if __name__ == "__main__":
    main()
