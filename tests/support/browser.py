"""The browser that pages are tried in: Debian's chromium, or another on the path."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str | None:
    """Return the program's path, `None` where there is none."""
    for program in PROGRAMS:
        path = shutil.which(program)
        if path is not None:
            return path
    return None


@dataclass(frozen=True, slots=True)
class Browser:
    """A browser without a window, that reaches this machine and nothing else."""

    program: str
    profile: Path

    def page(self, url: str) -> str:
        """HTML of the page after its scripts have run."""
        return self._run("--virtual-time-budget=5000", "--dump-dom", url)

    def picture(self, url: str, file: Path, size: str = "1200,900") -> None:
        """Write what a person would see as a PNG."""
        self._run(f"--window-size={size}", f"--screenshot={file}", url)

    def _run(self, *options: str) -> str:
        # Its own sandbox refuses root; here it only shows our pages.
        unsafe = ["--no-sandbox"] if os.geteuid() == 0 else []
        done = subprocess.run(
            [
                *(self.program, "--headless", "--disable-gpu", *unsafe),
                *("--hide-scrollbars", f"--user-data-dir={self.profile}"),
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                *options,
            ],
            capture_output=True,
            check=True,
            text=True,
            timeout=60,
        )
        return done.stdout
