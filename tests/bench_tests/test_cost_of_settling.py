"""The cost's table and picture say what was sampled, and all of it."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import orjson
import pytest

from tests.bench import cost_document, stacks
from tests.bench.__main__ import write_document
from tests.bench.course import MOST_S, Lengths
from tests.bench.machine import machine
from tests.bench.measures import Measure, write

_LOOP = ["site-packages/uvloop/__init__.py", "gateway/cli/serve.py"]


def _step(*paths: str, source: str = "") -> str:
    stack = [stacks.Frame(f"/somewhere/{path}", 1) for path in (*paths, *_LOOP)]
    return stacks.step_of(stack, lambda _: source)


@pytest.mark.parametrize(
    ("paths", "step"),
    [
        (("site-packages/aiohttp/web_protocol.py",), stacks.HTTP),
        (("gateway/routing.py",), stacks.HTTP),
        (("gateway/wire.py", "gateway/handlers/desk.py"), stacks.PARSE),
        (("gateway/wire_models.py",), stacks.PARSE),
        (("eligibility_cache/cache.py",), stacks.LOOK_UP),
        (("settlement/domain/policy/engine.py",), stacks.ADJUDICATE),
        (("settlement/domain/watch/detecting.py",), stacks.DETECT),
        (("settlement/service/sequencer.py",), stacks.BATCH),
        (("crypto/ma1.py", "crypto/sealer.py"), stacks.SEAL),
        (("crypto/merkle.py", "settlement/service/logbook.py"), stacks.LOG),
        (("gateway/render.py", "settlement/service/settling.py"), stacks.ANSWER),
        (
            ("site-packages/asyncpg/connection.py", "settlement/store/ledger.py"),
            stacks.SQL,
        ),
    ],
)
def test_a_sample_is_its_innermost_functions(paths: tuple[str, ...], step: str) -> None:
    """Who called it is another step's."""
    assert _step(*paths) == step


def test_what_a_library_does_is_its_callers() -> None:
    """Nobody asks how long JSON takes, but how long rendering does."""
    assert _step("lib/python3.11/json/encoder.py", "gateway/render.py") == stacks.ANSWER


def test_the_loops_own_time_is_no_step_of_who_started_it() -> None:
    """Below the loop stand the command and the settings: they have long been done."""
    assert _step() == stacks.LOOP
    assert _step("lib/python3.11/asyncio/events.py") == stacks.LOOP
    assert stacks.step_of([]) == stacks.REST


def test_signing_is_told_from_sealing_by_the_line() -> None:
    """Both stand in one function."""
    signs = "        return b64u(parties.signer.sign(signing_input))"

    assert _step("crypto/sealer.py", source=signs) == stacks.SIGN
    assert _step("crypto/sealer.py", source="signed = b''") == stacks.SEAL
    assert _step("settlement/service/batch.py", source=signs) == stacks.BATCH


def test_every_path_is_there() -> None:
    """What was moved or renamed is not silently counted elsewhere."""
    project = Path(stacks.__file__).parents[2]
    own = ("gateway", "settlement", "eligibility_cache", "crypto")

    for path in stacks._OF_PATH:
        if path.startswith(own):
            folder, _, begin = path.rpartition("/")
            assert any(
                each.name.startswith(begin) for each in (project / folder).iterdir()
            ), path


def test_a_process_is_sampled_where_it_is(tmp_path: Path) -> None:
    """By the real program: what uses processor time is found, by name and line."""
    file, program = tmp_path / "stacks", tmp_path / "busy.py"
    lines = [
        "import time",
        "from pathlib import Path",
        "from tests.bench import sampled_gateway",
        "def busy(arguments, prog_name):",
        "    while time.process_time() < 0.5 or not path.stat().st_size:",
        "        sum(range(1000))",
        f"path = Path({str(file)!r})",
        "sampled_gateway.main = busy",
        "sampled_gateway.run(path, [])",
    ]
    program.write_text("\n".join(lines))
    project = Path(stacks.__file__).parents[2]
    subprocess.run(
        [sys.executable, str(program)],
        check=True,
        env={"PYTHONPATH": str(project)},
    )

    found = list(stacks.stacks(file.read_text()))

    assert len(found) > 0
    assert {frame.path for frame in found[0]} >= {str(program)}
    assert found[0][0].line in (5, 6)


def test_stacks_are_counted_by_step() -> None:
    """As `faulthandler` writes them, a cut one included."""
    gateway = Path(stacks.__file__).parents[2] / "gateway"
    stack = "Stack (most recent call first):\n"
    text = (
        f'{stack}  File "{gateway}/wire.py", line 5 in a\n'
        f'  File "{gateway}/routing.py", line 6 in b\n'
        f'{stack}{stack}  File "{gateway}/wire.py", line 7 in'
    )

    assert stacks.counted(text) == {stacks.PARSE: 1, stacks.REST: 2}


def _cost() -> dict[str, Any]:
    return {
        "settlements_a_second": 4_000.0,
        "worker_us": 200.0,
        "samples": 2_000,
        "steps": [[step, 200.0 / len(stacks.STEPS)] for step in stacks.STEPS],
        "beside": [["PostgreSQL, all its processes", 90.0], ["<this> client", 20.0]],
        "batch": {"claims": 60.0, "us": 9_000.0, "flush_us": 900.0, "flushes": 1.0},
        "limits": [["one echo", 24.0], ["one fdatasync", 700.0]],
        "measured_at": "2026-11-23T01:02:03+00:00",
        "machine": machine(),
    }


def test_the_table_has_all_steps_and_the_limits_beside_them() -> None:
    """Shares add up to the whole."""
    text = cost_document.table(_cost())

    for step in stacks.STEPS:
        assert f"| {step} | 15.4 | 8% |" in text
    assert "| **all** | **200** | |" in text
    assert "| limit: one fdatasync | 700 | |" in text
    assert "60.0 claims" in text
    assert "9.0 ms from BEGIN" in text


def test_the_picture_needs_nothing_from_outside_and_fits() -> None:
    """One file of SVG; its longest bar ends within the page."""
    picture = cost_document.picture(_cost())
    root = ET.fromstring(picture)  # noqa: S314  # made here
    width = int(root.attrib["viewBox"].split()[2])

    addresses = set(re.findall(r"\w+://[^\"' ]+", picture))
    assert addresses == {"http://www.w3.org/2000/svg"}
    assert "prefers-color-scheme: dark" in picture
    bars = [each.attrib for each in root if each.attrib.get("class") in _KINDS]
    assert len(bars) == len(stacks.STEPS) + 4
    assert all(int(bar["x"]) + int(bar["width"]) < width for bar in bars)
    assert "… 700 us" in picture


_KINDS = {"own", "beside", "limit"}


def test_both_tables_and_the_picture_come_into_the_document(tmp_path: Path) -> None:
    """From the files of the run alone."""
    places = [f"<!-- {name}: begin --><!-- {name}: end -->" for name in _PLACES]
    document = tmp_path / "performance.md"
    document.write_text("\n".join(["By hand.", *places]))
    write([Measure("settle", 0.25, True, "here", [0.3])], tmp_path / "bench.json")
    (tmp_path / "bench-cost.json").write_bytes(orjson.dumps(_cost()))

    write_document(document, tmp_path)

    text = document.read_text()
    assert text.startswith("By hand.")
    assert "| settle, here | 0.30 | >= 0.25 | met |" in text
    assert "| limit: one echo | 24.0 | |" in text
    assert (tmp_path / "performance-settle.svg").read_text().endswith("</svg>\n")


_PLACES = ("bench", "bench-cost")


def test_the_document_has_a_place_for_what_is_measured(tmp_path: Path) -> None:
    """The real one: nobody finds out after ten minutes."""
    real = Path(stacks.__file__).parents[2] / "docs" / "performance.md"
    copy = tmp_path / "performance.md"
    copy.write_text(real.read_text(encoding="utf-8"), encoding="utf-8")
    write([Measure("settle", 0.25, True, "here", [0.3])], tmp_path / "bench.json")
    (tmp_path / "bench-cost.json").write_bytes(orjson.dumps(_cost()))

    write_document(copy, tmp_path)

    assert "| settle, here | 0.30 |" in copy.read_text(encoding="utf-8")


def test_the_whole_run_is_planned_to_fit() -> None:
    """Ten minutes at most, with a reserve of a tenth for a slow machine."""
    assert sum(Lengths().plan().values()) <= 0.9 * MOST_S
