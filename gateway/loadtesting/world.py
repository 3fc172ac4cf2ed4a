"""A sandbox made ready for a load test, and the file that tells the kit of it."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson

from crypto.keys import SharedSecret
from eligibility_cache.generation import RosterGenerator
from gateway.demo.parties import facility, register_facilities
from gateway.demo.sandbox import Sandbox
from gateway.keyfiles import load_party_secret_key

#: As many as one review struck in one go.
REVOKED = 3_207
HOSPITALS = 24
_SUBDISTRICTS = 13
#: Categories of the demo pack, as its roster writes them.
_CATEGORIES = {"dibao": ("低保",), "tekun": ("特困人员",), "guer": ("孤儿",)}
_FLOOD_PER_S = 30


async def make_world(
    sandbox: Sandbox,
    *,
    persons: int,
    stamp: str,
    at: datetime,
    revoked: int = REVOKED,
) -> dict[str, Any]:
    """Hospitals, a roster and a review to come; the world without its addresses.

    `stamp` sets the hospitals of one run apart from those of another. The sandbox may
    have a roster already: then the persons are added to it. The review strikes
    `revoked` persons. Raises `CommandFailedError`.
    """
    keys = await register_facilities(
        sandbox.database,
        [
            facility(
                f"LT{stamp}{number:02d}",
                "load test",
                level=1 + number % 3,
                subdistrict=f"990101{1 + number % _SUBDISTRICTS:03d}",
                at=at,
            )
            for number in range(HOSPITALS)
        ],
        sealing_key=load_party_secret_key(sandbox.data_dir),
        random=os.urandom,
    )
    rows = _rows(persons + 2 * revoked)
    has_roster = await _take_in(sandbox, rows)
    struck, kept = _open_rows(rows[-2 * revoked :])[-revoked:], rows[: -2 * revoked]
    review = await _review(sandbox, struck)
    return {
        "hospitals": [_hospital(code, key) for code, key in sorted(keys.items())],
        "cards": [row[1] for row in _open_rows(kept)],
        "revoked_cards": [row[1] for row in struck],
        "trust": json.loads((sandbox.data_dir / "trust.json").read_bytes()),
        "exclusive": not has_roster,
        "fresh": not has_roster,
        "commands": _commands(sandbox.data_dir, review),
        "about": {"网关 gateway": version("medaid-gateway")},
    }


def write_world(world: dict[str, Any], path: Path) -> None:
    """Write the kit's file, which holds keys, so that its owner alone reads it."""
    with os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb"
    ) as file:
        file.write(orjson.dumps(world))


def limits_config(path: Path, stamp: str) -> Path:
    """Settings under which one hospital, the last one, soon has asked too much."""
    code = f"LT{stamp}{HOSPITALS - 1:02d}"
    path.write_text(
        f"[parties.{code}]\ndesk_per_s = {_FLOOD_PER_S}\ndesk_burst = {_FLOOD_PER_S}\n",
        encoding="utf-8",
    )
    return path


def _hospital(code: str, key: SharedSecret) -> dict[str, str]:
    secret = base64.b64encode(key.secret_bytes()).decode()
    return {"code": code, "key_id": key.kid, "secret": secret}


def _rows(persons: int) -> list[list[str]]:
    lines = RosterGenerator(_CATEGORIES, seed=7).lines(persons)
    return [[*line.split(","), ""] for line in lines]


def _open_rows(rows: Sequence[list[str]]) -> list[list[str]]:
    """One row for each person who has a window without an end, and only one window."""
    times: dict[str, int] = {}
    for row in rows:
        times[row[1]] = times.get(row[1], 0) + 1
    return [
        row for row in rows if not row[8] and row[7] < "2026" and times[row[1]] == 1
    ]


async def _take_in(sandbox: Sandbox, rows: list[list[str]]) -> bool:
    """Give the sandbox its roster, or add to the one it has; whether it had one."""
    current = await _version(sandbox)
    if current == 0:
        await sandbox.import_roster(rows)
        return False
    manifest = await sandbox.sign_roster(rows, kind="delta", version=current + 1)
    await sandbox.command("roster", "import", str(manifest))
    return True


async def _version(sandbox: Sandbox) -> int:
    status = orjson.loads(await sandbox.command("roster", "status", "--json"))
    return int(status["roster"]["version"]) if status["roster"] else 0


async def _review(sandbox: Sandbox, struck: list[list[str]]) -> Path:
    """A change file that strikes these persons, signed and not yet taken in."""
    removed = [["remove", *row[1:]] for row in struck]
    next_version = await _version(sandbox) + 1
    return await sandbox.sign_roster(removed, kind="delta", version=next_version)


def _commands(data_dir: Path, review: Path) -> dict[str, list[str]]:
    python = [sys.executable, "-m"]
    place = str(data_dir.resolve())
    return {
        "roster-review": [
            *python, "gateway.cli.main", "roster", "import", str(review.resolve()),
            "--data-dir", place,
        ],
        "restart-database": [*python, "gateway.loadtesting.restart", place],
    }  # fmt: skip
