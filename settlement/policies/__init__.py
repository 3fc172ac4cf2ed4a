"""The policy packs that come with the program, as the exact bytes of their files.

Each `.yaml` is one immutable document; its format is described in
`docs/formats/policy.md` and read by `settlement.domain.policy`.
"""

from __future__ import annotations

from importlib.resources import files

#: A JSON Schema of packs, for editors; narrower than the reader nowhere.
PACK_SCHEMA = "medaid-pack-1.schema.json"


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


def floor_names() -> tuple[str, ...]:
    """File names of the national floors that local packs are checked against."""
    folder = files(__name__).joinpath("floors")
    return tuple(
        sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".yaml"))
    )


def read_floor(name: str) -> bytes:
    """The bytes of one floor by its file name. Raises `FileNotFoundError`."""
    return files(__name__).joinpath("floors", name).read_bytes()


def read_schema() -> bytes:
    """The JSON Schema of packs."""
    return files(__name__).joinpath(PACK_SCHEMA).read_bytes()
