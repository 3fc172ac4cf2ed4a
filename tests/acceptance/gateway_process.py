"""`medaid` as real processes: commands, and a gateway that can be killed whole."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_POLL_S = 0.02
#: Generous, because the machine may be shared: what is caught is a hang.
_READY_WITHIN_S = 60.0
_ENDED_WITHIN_S = 40.0
_COMMAND_WITHIN_S = 60.0


class CommandResult:
    """What a command printed and how it ended."""

    def __init__(self, done: subprocess.CompletedProcess[bytes]) -> None:
        self.status = done.returncode
        self.raw = done.stdout
        self.out = done.stdout.decode()
        self.err = done.stderr.decode()


def command_line(*arguments: str) -> list[str]:
    """`medaid ARGUMENTS` for the very Python that runs the tests."""
    return [sys.executable, "-m", "gateway.cli.main", *arguments]


def environment() -> dict[str, str]:
    """This process's environment without settings meant for another gateway."""
    return {k: v for k, v in os.environ.items() if not k.startswith("MEDAID_")}


def medaid(
    *arguments: str, stdin: bytes = b"", cwd: Path | None = None
) -> CommandResult:
    """Run a command to its end, whatever its status."""
    done = subprocess.run(
        command_line(*arguments),
        input=stdin,
        capture_output=True,
        check=False,
        timeout=_COMMAND_WITHIN_S,
        env=environment() | {"PYTHONPATH": str(PROJECT)},
        cwd=cwd,
    )
    return CommandResult(done)


def must(*arguments: str, stdin: bytes = b"", cwd: Path | None = None) -> CommandResult:
    """Run a command that has to succeed."""
    result = medaid(*arguments, stdin=stdin, cwd=cwd)
    assert result.status == 0, f"medaid {' '.join(arguments)}\n{result.err}"
    return result


PROJECT = Path(__file__).resolve().parents[2]


class GatewayProcess:
    """`medaid serve` on one data folder, started and killed at will.

    The port is kept from the first start on, so that clients find the restarted
    gateway where the killed one was.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        workers: int,
        options: tuple[str, ...] = (),
        program: str = "gateway.cli.main",
        name: str = "serve",
    ) -> None:
        """`program`: the module to run; `name`: of its log beside other gateways'."""
        self.data_dir = data_dir
        self.workers = workers
        self.log = data_dir / f"{name}.log"
        self._options = options
        self._program = program
        self._out = data_dir / f"{name}.out"
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens; known once it was ready."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start it. From the main thread: it ends with the thread that started it."""
        assert self._process is None
        arguments = ["serve", "--port", str(self._port)]
        arguments += ["--workers", str(self.workers), "--data-dir", str(self.data_dir)]
        self._out.unlink(missing_ok=True)
        with self._out.open("wb") as out, self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._program, *arguments, *self._options],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                env=environment(),
                cwd=PROJECT,
                start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509  # no threads run here
            )

    def wait_ready(self) -> None:
        """Wait for the line `ready URL`; raises `AssertionError` with the log."""
        assert self._process is not None
        wait_for(lambda: self.said("ready ") or not self.is_alive(), _READY_WITHIN_S)
        url = self.said("ready ")
        assert url, f"the gateway did not come up\n{self.log.read_text()[-3000:]}"
        self._port = int(url.rpartition(":")[2])

    def said(self, prefix: str) -> str:
        """The rest of the first line printed that begins so; empty without."""
        for line in self._out.read_text(encoding="utf-8").splitlines():
            if line.startswith(prefix):
                return line.removeprefix(prefix)
        return ""

    def is_alive(self) -> bool:
        """Whether the supervisor still runs."""
        return self._process is not None and self._process.poll() is None

    def worker_pids(self) -> list[int]:
        """The worker processes that the supervisor has now."""
        pids = [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]
        workers = [pid for pid in pids if b"worker_process" in command_of(pid)]
        return [pid for pid in workers if parent_of(pid) == self.pid]

    def kill(self) -> None:
        """SIGKILL supervisor and workers as one, as the power going out would."""
        assert self._process is not None
        # Stopped first, so that it cannot start a worker while the others are shot.
        os.kill(self.pid, signal.SIGSTOP)
        doomed = [*self.worker_pids(), self.pid]
        for pid in doomed:
            # One that was ending was reaped just before the supervisor stood still.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        wait_for(lambda: all(not command_of(pid) for pid in doomed), _ENDED_WITHIN_S)
        self._process = None

    def stop(self) -> int:
        """End it as an operator would and return its status; kill what hangs."""
        if self._process is None:
            return 0
        self._process.terminate()
        try:
            status = self._process.wait(_ENDED_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self._process = None
        return status


def wait_for(holds: Callable[[], object], within_s: float) -> None:
    """Wait until something holds, or the time is over."""
    deadline = time.monotonic() + within_s
    while not holds() and time.monotonic() < deadline:
        time.sleep(_POLL_S)


def command_of(pid: int) -> bytes:
    """A process's command line; empty when it is dead or a zombie."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def parent_of(pid: int) -> int:
    """A process's parent (proc(5), the second field after the name); 0 when dead."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(status.rpartition(")")[2].split()[1])


def _end_with_parent() -> None:
    """Ask Linux to end the gateway when the tests are killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
