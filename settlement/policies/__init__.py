"""The policy packs that come with the program, as the exact bytes of their files.

Each `.yaml` is one immutable document; its format is described in
`docs/formats/policy.md` and read by `settlement.domain.policy`.
"""

from __future__ import annotations

from importlib.resources import files


def names() -> tuple[str, ...]:
    """File names of all packs that come with the program, sorted."""
    return tuple(
        sorted(
            entry.name
            for entry in files(__name__).iterdir()
            if entry.name.endswith(".yaml")
        )
    )


def read(name: str) -> bytes:
    """The bytes of one pack by its file name. Raises `FileNotFoundError`."""
    return files(__name__).joinpath(name).read_bytes()
