"""What a load test may use of an installation: hospitals' keys, cards, commands."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class WorldError(ValueError):
    """The world's file cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Hospital:
    """A caller: its code, and the shared secret that it signs with."""

    code: str
    key_id: str
    secret: str
    """In base64, as in the key file."""


@dataclass(frozen=True, slots=True)
class World:
    """Who asks about whom. Cards are never written to any note or report."""

    hospitals: tuple[Hospital, ...]
    cards: tuple[str, ...]
    card_kind: str = "social_security_card"
    revoked_cards: tuple[str, ...] = ()
    """Cards that the event `roster-review` strikes from the roster."""
    trust: dict[str, Any] = field(default_factory=dict)
    """The trust file, got out of band; without it no receipt can be verified."""
    metrics: str = ""
    """Where Prometheus reads; empty where nobody may."""
    exclusive: bool = False
    """Nobody else settles there meanwhile, so the log grows by what we settled."""
    fresh: bool = False
    """Nobody of these cards had any aid before."""
    commands: dict[str, list[str]] = field(default_factory=dict)
    """What the plan's events run, by name."""
    about: dict[str, str] = field(default_factory=dict)
    """Of the machine that serves; shown in the report."""


def read_world(path: Path) -> World:
    """Read a world's file (JSON); raises `WorldError`."""
    try:
        document = json.loads(path.read_bytes())
        document["hospitals"] = tuple(Hospital(**one) for one in document["hospitals"])
        document["cards"] = tuple(document["cards"])
        document["revoked_cards"] = tuple(document.get("revoked_cards", ()))
        world = World(**document)
    except (OSError, ValueError, KeyError, TypeError) as error:
        # The text may hold secrets and cards: only the kind of the fault is told.
        raise WorldError(f"{path} cannot be used: {type(error).__name__}") from error
    if not world.hospitals or not world.cards:
        raise WorldError(f"{path} names no hospital or no card")
    return world
