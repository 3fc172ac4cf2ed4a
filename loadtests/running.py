"""A run from its beginning to its report, as one process that starts the others."""

from __future__ import annotations

import ctypes
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from loadtests.asking import Asker, NotToldError
from loadtests.check import baseline, check, shanghai_days
from loadtests.findings import Finding, failed
from loadtests.ledger import Ledger
from loadtests.metrics import read_points
from loadtests.notes import read_notes
from loadtests.plan import Plan
from loadtests.receipts import ReceiptError
from loadtests.report import RunData, write_reports
from loadtests.run_file import Run, read_run, write_run
from loadtests.samples import read_samples
from loadtests.verdict import Outcome, judge, read_budgets
from loadtests.wire import SignInError
from loadtests.world import World

_BASELINE = "baseline.json"
_ROOT = Path(__file__).resolve().parents[1]
_END_WITHIN_S = 10
_PR_SET_PDEATHSIG = 1
_LOADED = "loaded.json"
_LEDGER = "check.sqlite"
#: Samples of longer runs are judged in as many pieces, of some seconds each.
_PIECES = 3_600


class CannotRunError(RuntimeError):
    """The run could not begin; the message says why in one sentence."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for."""

    target: str
    plan: Plan
    world_file: Path
    folder: Path
    budgets: Path
    processes: int
    elsewhere: int
    listen: str
    seed: int
    web: str
    is_quiet: bool


def run(options: Options) -> int:
    """Prepare, load, check, judge, report; return the exit status of the verdict.

    Raises `CannotRunError`, and what reading plan, world and budgets raises.
    """
    read_budgets(options.budgets)
    made = _prepare(options)
    world = made.world()
    missing = {event.do for event in made.plan.events} - set(world.commands)
    if missing:
        raise CannotRunError(
            f"plan {made.plan.name} needs the command {', '.join(sorted(missing))};"
            " name it in the world's file, under commands"
        )
    _write_baseline(made, world)
    finished = _load(made, options)
    # Who judges again later, with the notes of other machines, has to know it too.
    (made.folder / _LOADED).write_text(json.dumps({"finished": finished}), "utf-8")
    return judge_run(made.folder, is_quiet=options.is_quiet)


def _prepare(options: Options) -> Run:
    folder = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise CannotRunError(f"{folder} is not empty; each run has a folder of its own")
    # The notes name neither cards nor persons, yet they are nobody else's business.
    folder.chmod(0o700)
    made = Run(
        folder=folder,
        # Letters between the digits, so that no number looks like an identity number.
        name=f"LT-{time.time_ns() // 1_000_000:x}-{os.urandom(2).hex()}",
        target=options.target,
        plan=options.plan,
        processes=options.processes + options.elsewhere,
        seed=options.seed,
        world_file=options.world_file,
    )
    write_run(made)
    shutil.copyfile(options.budgets, folder / "budgets.toml")
    return made


def _write_baseline(made: Run, world: World) -> None:
    try:
        before = baseline(Asker(made.target, world), shanghai_days())
    except (NotToldError, SignInError, ReceiptError) as error:
        raise CannotRunError(f"{made.target} does not answer: {error}") from error
    before["began"] = datetime.now(UTC).isoformat(timespec="seconds")
    (made.folder / _BASELINE).write_text(json.dumps(before), encoding="utf-8")


def _load(made: Run, options: Options) -> bool:
    """Start all processes and wait for the end; whether all of them finished."""
    host, _, port = options.listen.rpartition(":")
    master = f"{host}:{int(port) or _free_port(host)}"
    web = ["--web", options.web] if options.web else []
    quiet = ["--quiet"] if options.is_quiet else []
    if options.elsewhere:
        # Whoever starts the others may read this through a pipe.
        print(f"waiting for {options.elsewhere} processes to join {master}", flush=True)
    with ExitStack() as stack:
        start = _process(made, "conduct", "--master", master, *web, *quiet)
        conductor = stack.enter_context(start)
        for _ in range(options.processes):
            stack.enter_context(_process(made, "worker", "--master", master))
        return conductor.wait() == 0


@contextmanager
def _process(made: Run, do: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """One of the run's processes; it ends with this one, however this one ends."""
    command = [sys.executable, "-m", "loadtests", do, str(made.folder), *arguments]
    with (made.folder / "processes.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd=_ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            # The conductor shows how it goes; the others only ever complain.
            stderr=None if do == "conduct" else log,
            preexec_fn=_end_with_parent,  # noqa: PLW1509  # no threads run here
        )
    try:
        yield process
        process.wait(_END_WITHIN_S)
    except subprocess.TimeoutExpired:
        pass
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _end_with_parent() -> None:
    """Ask Linux to end this process when its parent ends; elsewhere do nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _free_port(host: str) -> int:
    with socket.socket() as listener:
        listener.bind((host, 0))
        return int(listener.getsockname()[1])


def judge_run(folder: Path, *, is_quiet: bool = False) -> int:
    """Check a run that has been loaded, judge it, and write its reports.

    Raises `CannotRunError` for a folder that holds no run.
    """
    try:
        made = read_run(folder)
    except (OSError, ValueError) as error:
        raise CannotRunError(f"{folder} holds no run") from error
    events = _events(folder)
    width_s = max(1, round(made.plan.seconds / _PIECES))
    samples, points = read_samples(folder, width_s=width_s), read_points(folder)
    missing = made.processes - len(list(folder.glob("notes-*.jsonl")))
    unfinished = "" if _has_finished(folder) else "a process did not finish"
    if missing > 0:
        unfinished = f"notes of {missing} of {made.processes} processes are missing"
    # Against half of the notes a sound gateway would look wrong.
    findings = [] if missing > 0 else _findings(made, events)
    outcome = judge(
        made.plan, read_budgets(folder / "budgets.toml"), samples, findings, points,
        unfinished=unfinished, events=events,
    )  # fmt: skip
    data = RunData(made.plan, outcome, samples, points, events, _about(made))
    write_reports(folder, data)
    if not is_quiet:
        _tell(outcome, folder)
    return outcome.verdict.exit_status


def _has_finished(folder: Path) -> bool:
    try:
        return bool(json.loads((folder / _LOADED).read_bytes())["finished"])
    except (OSError, ValueError, KeyError):
        return False


def _findings(made: Run, events: list[dict[str, Any]]) -> list[Finding]:
    reviews = [one for one in events if one["do"] == "roster-review"]
    path = made.folder / _LEDGER
    path.unlink(missing_ok=True)
    try:
        before = json.loads((made.folder / _BASELINE).read_text(encoding="utf-8"))
        with closing(Ledger(path)) as ledger:
            return check(
                Asker(made.target, made.world()),
                ledger,
                read_notes(made.folder),
                before,
                lookups_max=made.plan.lookups_max,
                review_ended_s=reviews[0]["end_s"] if reviews else None,
            )
    except (NotToldError, SignInError, ValueError) as error:
        return [failed(error)]
    finally:
        path.unlink(missing_ok=True)


def _events(folder: Path) -> list[dict[str, Any]]:
    path = folder / "events.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _tell(outcome: Outcome, folder: Path) -> None:
    for one in outcome.judged:
        if not one.kept:
            print(f"  broken: {one.name}: {one.measured}, budget {one.budget}")
    for finding in outcome.findings:
        if not finding.holds:
            print(f"  fails: {finding.en}: {'; '.join(finding.faults)}")
    print(f"{outcome.verdict.value}: {folder / 'report.html'}")


def _about(made: Run) -> dict[str, str]:
    world = made.world()
    before = json.loads((made.folder / _BASELINE).read_text(encoding="utf-8"))
    return {
        "开始 began": before["began"],
        "目标 target": made.target,
        "计划 plan": f"{made.plan.name}, busiest minute {made.plan.busiest_minute:g}",
        "医院 hospitals": str(len(world.hospitals)),
        "人员 persons": f"{len(world.cards):,}",
        "压测进程 generating processes": str(made.processes),
        "压测机 generator": f"{platform.platform()}, {os.cpu_count()} cores, {_cpu()}",
        "Python, locust": f"{platform.python_version()}, {_version('locust')}",
        "随机种子 seed": str(made.seed),
        **world.about,
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed here"


def _cpu() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or "unknown"
    names = [line for line in text.splitlines() if line.startswith("model name")]
    return names[0].partition(":")[2].strip() if names else platform.machine()
