"""The statements around a batch, and those of the roster's feed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from settlement.store import known_keys, line
from settlement.store import rows as r
from settlement.store.statements import statement
from tests.simulation.registry import Record, Row, does
from tests.simulation.transactions import Transaction

if TYPE_CHECKING:
    from tests.simulation.server import Backend

_MAKE_HEAD = (
    "INSERT INTO log_head (size, root, edge, checkpoint)"
    " VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"
)
_ENTRIES = (
    "SELECT entry FROM log_leaf WHERE log_index >= $1"
    " AND log_index < $2 ORDER BY log_index"
)
_NODES = (
    "SELECT hash FROM log_node WHERE level = $1 AND node_index >= $2"
    " AND node_index < $3 ORDER BY node_index"
)


# -- around a batch ------------------------------------------------------------------


@does(known_keys.FENCE, "fence")
@does(line._FENCE, "resolve_fence")
async def _fence(backend: Backend, tx: Transaction, args: tuple[Any, ...]) -> str:
    return "SELECT 1"


@does(line._BACKEND, "connect")
async def _backend_of(backend: Backend, tx: Transaction, args: tuple[Any, ...]) -> Row:
    return {"pid": backend.pid, "backend_start": backend.started}


@does(line._STILL_THERE, "resolve_wait")
async def _still_there(
    backend: Backend, tx: Transaction, args: tuple[Any, ...]
) -> int | None:
    return 1 if args in backend.server.backends else None


@does(line._KEPT, "resolve_kept")
async def _kept(backend: Backend, tx: Transaction, args: tuple[Any, ...]) -> list[Row]:
    return [
        {"id": place[1]}
        for place in zip(*args, strict=True)
        if tx.get("answer", place) is not None
    ]


@does(_MAKE_HEAD, "ensure_head")
async def _make_head(backend: Backend, tx: Transaction, args: tuple[Any, ...]) -> str:
    size, root, edge, checkpoint = args
    head = r.NewHead(size, root, edge, checkpoint, 0)
    await tx.claim("log_head", True, head)
    return "INSERT 0 1"


@does("SELECT size, root, edge FROM log_head", "ensure_head")
async def _read_head(
    backend: Backend, tx: Transaction, args: tuple[Any, ...]
) -> Row | None:
    head = tx.get("log_head", True)
    if head is None:
        return None
    return {"size": head.size, "root": head.root, "edge": head.edge}


@does("SELECT size, root, edge, checkpoint FROM log_head", "ensure_head")
async def _read_checkpoint(
    backend: Backend, tx: Transaction, args: tuple[Any, ...]
) -> Row | None:
    row = await _read_head(backend, tx, args)
    return row and {**row, "checkpoint": tx.get("log_head", True).checkpoint}


@does(_ENTRIES, "read_nodes")
async def _read_entries(
    backend: Backend, tx: Transaction, args: tuple[Any, ...]
) -> list[Row]:
    found = [tx.get("log_leaf", index) for index in range(*args)]
    return [{"entry": row.entry} for row in found if row is not None]


@does(_NODES, "read_nodes")
async def _read_nodes(
    backend: Backend, tx: Transaction, args: tuple[Any, ...]
) -> list[Row]:
    level, first, last = args
    found = [tx.get("log_node", (level, index)) for index in range(first, last)]
    return [{"hash": row.hash} for row in found if row is not None]


@does("SELECT ensure_month($1)", "ensure_month")
async def _ensure_month(
    backend: Backend, tx: Transaction, args: tuple[Any, ...]
) -> str:
    await tx.claim("month", args[0], args[0])
    return "SELECT 1"


# -- the roster ----------------------------------------------------------------------


@does(statement("roster_head"), "roster_head")
async def _roster_head(
    backend: Backend, tx: Transaction, args: tuple[Any, ...]
) -> Record:
    roster = backend.roster
    return Record(
        roster_id=UUID(bytes=roster.id), version=roster.version, as_of=roster.as_of,
        key_check=roster.key_check, last_change=roster.last_change,
        scan_floor=roster.scan_floor,
    )  # fmt: skip


@does(statement("roster_changes"), "roster_changes")
async def _roster_changes(
    backend: Backend, tx: Transaction, args: tuple[Any, ...]
) -> list[Record]:
    after, limit = args
    newer = [change for change in backend.roster.changes if change[0] > after]
    # Nobody gets a new card here but with a window: so it is of all of them.
    return [
        Record(seq=seq, person=person, cards_changed=True)
        for seq, person in newer[:limit]
    ]


@does(statement("roster_persons"), "persons")
async def _roster_persons(
    backend: Backend, tx: Transaction, args: tuple[Any, ...]
) -> list[Record]:
    windows = backend.roster.windows
    return [row for token in sorted(args[0]) for row in windows.get(token, ())]


@does(statement("roster_of_cards"), "persons")
async def _roster_of_cards(
    backend: Backend, tx: Transaction, args: tuple[Any, ...]
) -> list[Record]:
    roster = backend.roster
    head = {"version": roster.version, "as_of": roster.as_of}
    found = []
    for card in sorted(args[0]):
        person = roster.cards.get(card, card)
        found += [
            Record(**row, card=card, **head) for row in roster.windows.get(person, ())
        ]
    nobody = dict.fromkeys(
        ("person", "category", "valid_from", "valid_to", "subdistrict", "household",
         "card")
    )  # fmt: skip
    return found or [Record(**nobody, **head)]


@does(statement("roster_cards_of"), "roster_changes")
async def _roster_cards_of(
    backend: Backend, tx: Transaction, args: tuple[Any, ...]
) -> list[Record]:
    cards = backend.roster.cards.items()
    return [Record(card=card, person=p) for card, p in cards if p in args[0]]


@does(statement("roster_all_windows"), "roster_changes")
async def _roster_all_windows(
    backend: Backend, tx: Transaction, args: tuple[Any, ...]
) -> list[Record]:
    windows = backend.roster.windows
    return [row for token in sorted(windows) for row in windows[token]]


@does(statement("roster_all_cards"), "roster_changes")
async def _roster_all_cards(
    backend: Backend, tx: Transaction, args: tuple[Any, ...]
) -> list[Record]:
    cards = backend.roster.cards
    return [Record(card=card, person=cards[card]) for card in sorted(cards)]
