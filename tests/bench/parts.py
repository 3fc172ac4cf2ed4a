"""Parts of a run that takes hours: each one's figures are kept when it is done.

The file has the form of `measures.write`; each figure also names its part. A part
whose figures stand there is done, and a run that was ended goes on with the others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from tests.bench.measures import Measure


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the run."""

    name: str
    takes: str
    """How long, for people."""
    run: Callable[[], Sequence[Measure]]


class Kept:
    """The figures of the parts that are done."""

    def __init__(self, path: Path) -> None:
        """Read what an earlier run has kept; figures of no part are dropped."""
        self._path = path
        found = orjson.loads(path.read_bytes()) if path.exists() else {}
        self.figures: dict[str, dict[str, Any]] = {
            name: figure for name, figure in found.items() if "part" in figure
        }

    def has(self, part: str) -> bool:
        """Whether it is done."""
        return any(figure["part"] == part for figure in self.figures.values())

    def keep(self, part: str, measures: Sequence[Measure]) -> None:
        """Its figures in place of those that it had; written before this returns."""
        if not measures:
            raise ValueError(f"{part} measured nothing")
        self.drop({part})
        self.figures |= {
            each.name: each.document() | {"part": part} for each in measures
        }
        self._write()

    def drop(self, parts: Collection[str]) -> None:
        """Forget parts, so that they are measured again."""
        self.figures = {
            name: figure
            for name, figure in self.figures.items()
            if figure["part"] not in parts
        }
        self._write()

    def in_order(self, parts: Sequence[Part]) -> Mapping[str, Mapping[str, Any]]:
        """The figures in the order of the parts, those of unknown parts last."""
        places = {part.name: place for place, part in enumerate(parts)}
        ordered = sorted(
            self.figures.items(),
            key=lambda item: places.get(item[1]["part"], len(places)),
        )
        return dict(ordered)

    def _write(self) -> None:
        """In one piece: a run that is ended here loses nothing."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_suffix(".new")
        new.write_bytes(orjson.dumps(self.figures, option=orjson.OPT_INDENT_2) + b"\n")
        new.replace(self._path)


def to_run(
    parts: Sequence[Part], kept: Kept, *, only: Collection[str], again: bool
) -> list[Part]:
    """Which parts this run measures, in order.

    Those that are missing; with `only` these alone, done or not; with `again` all.
    Raises `ValueError` naming a part that there is not.
    """
    unknown = set(only) - {part.name for part in parts}
    if unknown:
        known = ", ".join(part.name for part in parts)
        raise ValueError(f"no part {', '.join(sorted(unknown))}; there are {known}")
    if only:
        return [part for part in parts if part.name in only]
    return [part for part in parts if again or not kept.has(part.name)]
