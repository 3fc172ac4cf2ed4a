"""`make fuzz INPUTS=1000000`: every parser led by coverage, then the gateway over HTTP.

Prints inputs, coverage and crashes, and writes `var/fuzz.json`. An input that broke a
parser is written to `var/fuzz/crashes/PARSER/`; moved to `tests/fuzz/crashes/` it is a
regression test. Without atheris, which has no wheel for every Python, bytes are
mutated blindly and the report says so.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import re
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from tests.fuzz import inputs
from tests.fuzz.mutation import TOKENS, mutated
from tests.fuzz.parsers import PARSERS, Parser

_PROJECT = Path(__file__).resolve().parents[2]
#: Of one input; a parser that takes longer hangs.
_HANG_S = 10
_MEMORY_MB = 2_048
_INPUT_BYTES = 8_192
_COVERED = re.compile(rb"cov: (\d+) ft: (\d+)")
_EXECUTED = re.compile(rb"Done (\d+) in|^#(\d+)\s", re.MULTILINE)
_TAKEN = re.compile(r"fuzz: (.+): (\d+) inputs")

console = Console()


@dataclass(frozen=True, slots=True)
class Result:
    """What one parser went through."""

    name: str
    inputs: int
    seconds: float
    coverage: int | None
    """Edges seen by atheris; `None` where bytes were mutated blindly."""
    crashes: tuple[str, ...]


@click.command()
@click.option("--inputs", "wanted", default=1_000_000, help="Inputs of parsers.")
@click.option("--http-times", default=5, help="Times what CI sends over HTTP.")
@click.option("--seed", default=0, help="0: another one in each run.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("var"),
    help="Folder for fuzz.json, corpora and crashes.",
)
def main(*, wanted: int, http_times: int, seed: int, out: Path) -> None:
    """Attack every way in; ends with status 1 for any finding."""
    is_guided = importlib.util.find_spec("atheris") is not None
    if not is_guided:
        console.print(
            "No atheris for this Python: bytes are mutated blindly, without coverage."
        )
    seed = seed or random.SystemRandom().randrange(1, 2**31)
    folder = out.resolve() / "fuzz"
    results = []
    attack = _guided if is_guided else _blind
    for parser, share in _shares(wanted):
        results.append(attack(parser, share, seed, folder))
        _say(results[-1])
    over_http, failed = _over_http(http_times)
    _report(results, over_http, is_guided=is_guided, seed=seed, out=out)
    if failed or any(result.crashes for result in results):
        raise SystemExit(1)


def _shares(wanted: int) -> Iterator[tuple[Parser, int]]:
    whole = sum(parser.weight for parser in PARSERS)
    for parser in PARSERS:
        yield parser, -(-wanted * parser.weight // whole)


def _guided(parser: Parser, share: int, seed: int, folder: Path) -> Result:
    """Run libFuzzer on the parser until it has taken its share."""
    slug = parser.name.replace(" ", "-")
    corpus, seeds, crashes = (
        folder / kind / slug for kind in ("corpus", "seeds", "crashes")
    )
    for place in (corpus, seeds, crashes):
        place.mkdir(parents=True, exist_ok=True)
    for number, raw in enumerate(parser.seeds()):
        (seeds / str(number)).write_bytes(raw)
    tokens = folder / "tokens.dict"
    tokens.write_text(_dictionary(), encoding="ascii")
    begun = time.monotonic()
    ended = subprocess.run(
        [
            sys.executable, "-m", "tests.fuzz.guided", parser.name,
            str(corpus), str(seeds), f"-atheris_runs={share}", f"-seed={seed}",
            f"-max_len={_INPUT_BYTES}", f"-timeout={_HANG_S}",
            f"-rss_limit_mb={_MEMORY_MB}", f"-dict={tokens}",
            f"-artifact_prefix={crashes}/", "-print_final_stats=1",
        ],
        cwd=_PROJECT,
        check=False,
        capture_output=True,
    )  # fmt: skip
    seconds = time.monotonic() - begun
    told = ended.stderr + ended.stdout
    if ended.returncode != 0:
        (folder / f"{slug}.txt").write_bytes(told)
    executed = [int(found[1] or found[2]) for found in _EXECUTED.finditer(told)]
    covered = [int(found[1]) for found in _COVERED.finditer(told)]
    broken = tuple(sorted(path.name for path in crashes.iterdir()))
    # Its alarm may ring while Python takes its leave, after the last input.
    is_done = max(executed, default=0) >= share
    if ended.returncode != 0 and not broken and not is_done:
        broken = (f"status {ended.returncode}: see {slug}.txt",)
    return Result(
        parser.name, max(executed, default=0), seconds, max(covered, default=0), broken
    )


def _dictionary() -> str:
    """The tokens as libFuzzer reads them; longer ones it does not take."""
    lines = []
    for token in TOKENS:
        if 0 < len(token) <= 60:  # libFuzzer's limit is 64
            text = "".join(f"\\x{byte:02x}" for byte in token)
            lines.append(f'"{text}"\n')
    return "".join(lines)


def _blind(parser: Parser, share: int, seed: int, folder: Path) -> Result:
    rng = random.Random(f"{seed} {parser.name}")
    seeds = parser.seeds()
    crashes = []
    begun = time.monotonic()
    for number in range(share):
        raw = mutated(seeds, TOKENS, rng)
        at = time.monotonic()
        try:
            parser.check(raw)
            assert time.monotonic() - at < _HANG_S
        except Exception:  # noqa: BLE001  # whatever it is, it is a finding
            place = folder / "crashes" / parser.name.replace(" ", "-")
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{seed}-{number}").write_bytes(raw)
            crashes.append(f"{seed}-{number}: {traceback.format_exc(limit=-1)}")
    return Result(parser.name, share, time.monotonic() - begun, None, tuple(crashes))


def _over_http(times: int) -> tuple[dict[str, int], bool]:
    """The tests of this folder with so many times their inputs."""
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider",
         "--timeout", "1800", "tests/fuzz/test_hostile_answers.py",
         "tests/fuzz/test_hostile_envelopes.py",
         "tests/fuzz/test_openapi_holds.py"],
        cwd=_PROJECT,
        env=os.environ | {inputs.TIMES: str(times)},
        check=False,
        capture_output=True,
        text=True,
    )  # fmt: skip
    if ended.returncode != 0:
        console.print(ended.stdout[-8_000:], markup=False)
    taken = {name: int(count) for name, count in _TAKEN.findall(ended.stdout)}
    return taken, ended.returncode != 0


def _say(result: Result) -> None:
    edges = "" if result.coverage is None else f", {result.coverage} edges"
    console.print(
        f"{result.name}: {result.inputs:,} inputs in {result.seconds:.0f} s{edges}"
        + "".join(f"\n  [red]{crash}[/red]" for crash in result.crashes)
    )


def _report(
    results: list[Result],
    over_http: dict[str, int],
    *,
    is_guided: bool,
    seed: int,
    out: Path,
) -> None:
    table = Table("way in", "inputs", "edges", "inputs/s", "crashes")
    for result in results:
        table.add_row(
            result.name,
            f"{result.inputs:,}",
            "-" if result.coverage is None else str(result.coverage),
            f"{result.inputs / max(result.seconds, 0.001):,.0f}",
            str(len(result.crashes)),
        )
    for name, count in over_http.items():
        table.add_row(name, f"{count:,}", "-", "-", "0")
    total = sum(result.inputs for result in results) + sum(over_http.values())
    table.add_row("all", f"{total:,}", "", "", str(_crashes_of(results)))
    console.print(table)
    document = {
        "inputs": total,
        "crashes": _crashes_of(results),
        "led_by_coverage": is_guided,
        "seed": seed,
        "parsers": [asdict(result) for result in results],
        "over_http": over_http,
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "fuzz.json").write_text(json.dumps(document, indent=2) + "\n", "utf-8")


def _crashes_of(results: list[Result]) -> int:
    return sum(len(result.crashes) for result in results)


if __name__ == "__main__":
    main()
