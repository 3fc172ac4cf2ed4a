"""The browser that pages are tried in: Debian's chromium, or another on the path."""

import shutil

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str | None:
    """Return the program's path, `None` where there is none."""
    for program in PROGRAMS:
        path = shutil.which(program)
        if path is not None:
            return path
    return None
