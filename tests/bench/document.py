"""What was measured, as a table between two markers of a document.

The words around the markers are written by hand; what stands between them is
written over by the next run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

#: How a refusal begins that only says that something is not there.
NOT_MEASURED = "not measured"


def write_between(path: Path, marker: str, text: str) -> None:
    """Put `text` between `<!-- marker: begin -->` and `<!-- marker: end -->`.

    Everything else stays as it is. Raises `ValueError` where the document does not
    have both, in this order, once.
    """
    begin, end = (f"<!-- {marker}: {edge} -->" for edge in ("begin", "end"))
    whole = path.read_text(encoding="utf-8")
    before, _, rest = whole.partition(begin)
    _, _, after = rest.partition(end)
    is_clear = whole.count(begin) == whole.count(end) == rest.count(end) == 1
    if not is_clear:
        raise ValueError(f"{path.name} has no place for {marker}")
    path.write_text(f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}", "utf-8")


def table(measures: Mapping[str, Mapping[str, Any]]) -> str:
    """Measures, as `measures.write` has written them, in Markdown.

    What, the rounds' median and spread, the aim, and whether it was met; above it
    when and on what machine.
    """
    rows = [
        "| what | median (spread) | aim | |",
        "|---|---|---|---|",
        *(_row(measure) for measure in measures.values()),
    ]
    return "\n".join([when_and_where(measures.values()), "", *rows])


def _row(measure: Mapping[str, Any]) -> str:
    low, high = measure["spread"]
    unit = f" {measure['unit']}" if measure["unit"] else ""
    result = f"{figure(measure['ratio'])}{unit}"
    if low != high:
        result += f" ({figure(low)} to {figure(high)})"
    verdict = "met" if measure["is_met"] else "**missed**"
    if measure["refused"].startswith(NOT_MEASURED):
        result, verdict = measure["refused"], ""
    elif measure["refused"]:
        result = f"refused: {measure['refused']}"
    elif measure["note"]:
        result += f": {measure['note']}"
    aim = f"{'>=' if measure['at_least'] else '<='} {figure(measure['target'])}{unit}"
    cells = (
        f"{measure['title']}, {measure['scale']}",
        result,
        aim,
        verdict,
    )
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def figure(value: float) -> str:
    """A figure with as many digits as it deserves."""
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    if size == 0:
        return "0"
    return f"{value:.3f}" if size < 0.1 else f"{value:.2f}"


def when_and_where(measures: Iterable[Mapping[str, Any]]) -> str:
    """On which days, and on what machines, these were measured: a sentence."""
    told = list(measures)
    days = sorted({measure["measured_at"][:10] for measure in told})
    machines = dict.fromkeys(_machine(each["machine"]) for each in told)
    when = " to ".join(dict.fromkeys((days[0], days[-1])))
    return f"Measured on {when}, on {'; or on '.join(machines)}."


def _machine(machine: Mapping[str, Any]) -> str:
    return (
        f"{machine['cores']} cores ({machine['processor']}), {machine['kernel']},"
        f" Python {machine['python']}, PostgreSQL {machine['postgresql']}"
    )
