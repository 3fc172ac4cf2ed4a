"""`medaid witness serve` as a real process that can be killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Self

from tests.acceptance.gateway_process import PROJECT, environment, wait_for

_READY_WITHIN_S = 60.0
_ENDED_WITHIN_S = 40.0


class WitnessProcess:
    """One process on a witness's folder; several may share it."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        name: str = "serve",
        program: str = "gateway.cli.main",
    ) -> None:
        """Start it and wait until it answers."""
        self.log = folder.parent / f"{name}.log"
        out = folder.parent / f"{name}.out"
        command = [sys.executable, "-m", program, "witness", "serve"]
        command += ["--dir", str(folder), "--port", "0", *options]
        with out.open("wb") as said, self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=log,
                env=environment(),
                cwd=PROJECT,
            )
        wait_for(
            lambda: b"\n" in out.read_bytes() or self.process.poll() is not None,
            _READY_WITHIN_S,
        )
        said_line = out.read_text(encoding="utf-8")
        assert said_line.startswith("ready "), self.log.read_text(encoding="utf-8")
        self.url = said_line.removeprefix("ready ").strip()

    def wait(self) -> int:
        """Wait until it has ended by itself; its status."""
        return self.process.wait(_ENDED_WITHIN_S)

    def stop(self) -> int:
        """End it as an operator would; its status."""
        self.process.terminate()
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        if self.process.poll() is None:
            self.stop()
