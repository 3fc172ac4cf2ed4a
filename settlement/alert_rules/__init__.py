"""The alert rules that come with the program, as the exact bytes of their files.

Each `.yaml` is one immutable document; its format is described in
`docs/formats/alert-rules.md` and read by `settlement.domain.watch.rules`.
"""

from __future__ import annotations

from importlib.resources import files

#: What a new gateway watches by until the bureau installs its own.
DEFAULT = "demo-2026.yaml"


def names() -> tuple[str, ...]:
    """File names of all alert rules that come with the program, sorted."""
    return tuple(
        sorted(
            entry.name
            for entry in files(__name__).iterdir()
            if entry.name.endswith(".yaml")
        )
    )


def read(name: str) -> bytes:
    """The bytes of one document by its file name. Raises `FileNotFoundError`."""
    return files(__name__).joinpath(name).read_bytes()
