"""What a run has come to: a table and a picture in the document, and JSON."""

from __future__ import annotations

import os
import platform
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson

from tests.torture.points import INDEX, POINTS
from tests.torture.run import Run
from tests.torture.table import ALWAYS

BEGIN = "<!-- written by python -m tests.torture -->"
END = "<!-- end of what the run has written -->"
_BAR, _ROW, _WIDTH = 11, 16, 760


@dataclass(frozen=True, slots=True)
class Line:
    """One kind of fault in the report."""

    name: str
    numbers: tuple[str, ...]
    expected: str
    injected: int
    impossible: str = ""


def lines_of(run: Run) -> list[Line]:
    """Every kind of fault, with how often it was made."""
    tally = run.stage.tally
    made = [
        Line(name, numbers, expected, tally.injected[name])
        for name, numbers, expected in ALWAYS
    ]
    made += [
        Line(
            fault.name,
            fault.numbers,
            fault.expected,
            tally.injected[fault.name],
            tally.impossible.get(fault.name, ""),
        )
        for fault in run.faults
    ]
    return sorted(made, key=lambda line: (_first(line.numbers), line.name))


def by_number(lines: Sequence[Line]) -> dict[str, int]:
    """How often each number of the fault matrix was injected."""
    made: dict[str, int] = {}
    for line in lines:
        for number in line.numbers:
            made[number] = made.get(number, 0) + line.injected
    return dict(sorted(made.items(), key=lambda item: int(item[0][1:])))


def document_of(run: Run) -> dict[str, Any]:
    """Everything of a run as JSON."""
    tally, control = run.stage.tally, run.points
    lines = lines_of(run)
    answered = [intent for intent in run.intents if intent.answer is not None]
    return {
        "seed": run.plan.seed,
        "finished_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "seconds": round(time.monotonic() - run.began),
        "rounds": run.rounds,
        "kills": tally.kills,
        "faults": sum(line.injected for line in lines),
        "intents": len(run.intents),
        "definite_answers": len(answered),
        "settlements": sum(
            intent.kind == "settle" and intent.document["decision"] == "approved"
            for intent in answered
        ),
        "log_entries": run.log.edge.size,
        "violations": [list(each) for each in tally.violations],
        "harness_errors": run.harness_errors,
        "longest_to_an_answer_s": round(tally.slowest_s, 1),
        "answers_cut_at": len(run.cutter.offsets["answer"]),
        "requests_cut_at": len(run.cutter.offsets["request"]),
        "by_number": by_number(lines),
        "by_fault": {line.name: line.injected for line in lines},
        "not_possible_here": {
            line.name: line.impossible for line in lines if line.impossible
        },
        "noted": dict(tally.noted),
        "refused": dict(sum((t.refused for t in run.terminals), Counter[str]())),
        "points": {point.name: control[INDEX[point.name]] for point in POINTS},
        "seconds_of": {
            name: [round(seconds, 1), round(run.healed_in.get(name, 0.0), 1)]
            for name, seconds in run.took.items()
        },
        "versions": _versions(run.postgres),
        "cores": os.cpu_count(),
    }


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write the whole of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))


def write_report(path: Path, run: Run) -> None:
    """Put the run's figures between the document's markers, and the picture beside."""
    text = path.read_text(encoding="utf-8")
    before, found, rest = text.partition(BEGIN)
    _, ends, after = rest.partition(END)
    if not (found and ends):
        raise ValueError(f"{path.name} has no place for figures")
    figures = _figures(document_of(run), lines_of(run))
    path.write_text(f"{before}{BEGIN}\n\n{figures}\n{END}{after}", encoding="utf-8")
    picture = path.with_name("reliability-faults.svg")
    picture.write_text(_picture(by_number(lines_of(run))), encoding="utf-8")


def _figures(document: Mapping[str, Any], lines: Sequence[Line]) -> str:
    found = len(document["violations"])
    parts = [
        (
            f"**{document['faults']:,} faults, {document['kills']:,} kills,"
            f" {document['settlements']:,} settlements, {found} violations.**"
        ),
        "",
        (
            f"Finished {document['finished_at']}, seed {document['seed']}, after"
            f" {document['seconds']:,} seconds and {document['rounds']} rounds on"
            f" {document['cores']} cores; {document['versions']}."
        ),
        (
            f"{document['intents']:,} intents of clients,"
            f" {document['definite_answers']:,} definite answers,"
            f" {document['log_entries']:,} entries in the log."
        ),
        (
            "The longest from a healed fault until every client had an answer to"
            f" something new: {document['longest_to_an_answer_s']} s (processes are"
            " restarted meanwhile, on a machine that does other work too)."
        ),
        (
            f"Answers were cut at {document['answers_cut_at']:,} different offsets,"
            f" requests at {document['requests_cut_at']:,}."
        ),
        *(f"Harness error: {error.splitlines()[0]}" for error in _errors(document)),
        *(f"VIOLATION: {place}: {what}" for place, what in document["violations"]),
        "",
        "![Faults injected, by number](reliability-faults.svg)",
        "",
        "| F | fault | times | expected |",
        "|---|---|--:|---|",
        *(_row(line) for line in lines),
        "",
        "Besides: " + _besides(document["noted"]) + ".",
        "",
        "Deaths at each crash point: " + _besides(document["points"]) + ".",
        "",
    ]
    return "\n".join(parts)


def _errors(document: Mapping[str, Any]) -> list[str]:
    return [str(error) for error in document["harness_errors"]]


def _row(line: Line) -> str:
    times = f"{line.injected:,}"
    if line.impossible:
        times = f"not possible here: {line.impossible}"
    return f"| {', '.join(line.numbers)} | {line.name} | {times} | {line.expected} |"


def _besides(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counted.items()))


def _first(numbers: Sequence[str]) -> int:
    return min(int(number[1:]) for number in numbers)


def _versions(postgres: str) -> str:
    kernel = re.sub(r"[^0-9.].*", "", platform.release())
    return (
        f"Python {platform.python_version()}, {postgres}, asyncpg"
        f" {version('asyncpg')}, aiohttp {version('aiohttp')}, Linux {kernel}"
    )


def _picture(counted: Mapping[str, int]) -> str:
    """Bars, one for each number of the fault matrix."""
    most = max(counted.values(), default=1) or 1
    height = _ROW * len(counted) + 24
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}"'
            ' font-family="sans-serif" font-size="11" role="img"'
            ' aria-label="Faults injected, by number of the fault matrix">'
        ),
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    for row, (number, count) in enumerate(counted.items()):
        y = 12 + row * _ROW
        # By the square root, so that the rare ones are seen beside the frequent.
        wide = round((_WIDTH - 140) * (count / most) ** 0.5)
        parts.append(f'<text x="8" y="{y + 9}" fill="#333">{escape(number)}</text>')
        parts.append(
            f'<rect x="44" y="{y}" width="{wide}" height="{_BAR}" fill="#3c6e9e"/>'
        )
        parts.append(f'<text x="{50 + wide}" y="{y + 9}" fill="#333">{count:,}</text>')
    return "\n".join([*parts, "</svg>", ""])
