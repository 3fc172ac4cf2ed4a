"""`python -m tests.loadtest.many FOLDER SETTLEMENTS`: notes of a made-up long run.

Every record, receipt and checkpoint is signed as docs/formats say; the sealed part is
short, for nobody opens it. With it goes a gateway in memory that tells the same story.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from loadtests import check
from loadtests.findings import Finding
from loadtests.ledger import Ledger
from loadtests.notes import read_notes
from loadtests.receipts import leaf_hash, node_hash
from loadtests.wire import Answer
from loadtests.world import Hospital, World

_ORIGIN = "gateway.example/many"
_DAY = "2026-11-22"
_TOTAL, _FUNDS, _AID, _PAYS = 25_000, 16_000, 7_200, 1_800
_HOSPITALS, _CARDS = 24, 20_000
_TILE = 256
_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
_RAW = _KEY.public_key().public_bytes_raw()
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def _b64u(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def world() -> World:
    """The world of this run, with its trust file."""
    public = base64.b64encode(_RAW).decode()
    roles = ("record-sign", "checkpoint-sign", "bureau-seal")
    return World(
        hospitals=tuple(Hospital(f"H{n:03d}", "", "") for n in range(_HOSPITALS)),
        cards=tuple(f"F{n}" for n in range(_CARDS)),
        trust={
            "origin": _ORIGIN,
            "keys": [
                {"kid": role, "role": role, "alg": "ed25519", "public_key": public}
                for role in roles
            ],
        },
        exclusive=True,
        fresh=True,
    )


def _record(number: int) -> str:
    clear = {
        "kid": "bureau-seal", "sid": f"sid-{number}", "op": "settle", "aid_fen": _AID,
        "patient_pays_fen": _PAYS, "total_fen": _TOTAL, "funds_fen": _FUNDS,
        "facility": f"H{number % _HOSPITALS:03d}",
    }  # fmt: skip
    sealed = f"{_b64u(json.dumps(clear).encode())}...."
    head = {"alg": "Ed25519", "kid": "record-sign", "typ": "x", "cty": "y"}
    text = f"{_b64u(json.dumps(head).encode())}.{_b64u(sealed.encode())}"
    return f"{text}.{_b64u(_KEY.sign(text.encode()))}"


class Log:
    """A tree with every level kept: its maker may use as much memory as it likes."""

    def __init__(self, records: Iterable[str]) -> None:
        """Hash them all."""
        entries = (hashlib.sha256(one.encode()).digest() for one in records)
        self.levels = [[leaf_hash(entry) for entry in entries]]
        while len(self.levels[-1]) > 1:
            below = self.levels[-1]
            pairs = zip(below[::2], below[1::2], strict=False)
            above = [node_hash(left, right) for left, right in pairs]
            self.levels.append(above + below[len(above) * 2 :])

    def path(self, index: int) -> list[str]:
        """The inclusion path of an entry in the whole tree."""
        siblings = []
        for level in self.levels[:-1]:
            if index ^ 1 < len(level):
                siblings.append(base64.b64encode(level[index ^ 1]).decode())
            index //= 2
        return siblings

    def checkpoint(self) -> str:
        """The signed note of the whole tree."""
        root = base64.b64encode(self.levels[-1][0]).decode()
        text = f"{_ORIGIN}\n{len(self.levels[0])}\n{root}\n"
        hint = hashlib.sha256(_ORIGIN.encode() + b"\n\x01" + _RAW).digest()[:4]
        blob = base64.b64encode(hint + _KEY.sign(text.encode())).decode()
        return f"{text}\n— {_ORIGIN} {blob}\n"


def make(folder: Path, count: int) -> None:
    """Write the notes of so many settlements, and the log's leaves."""
    log = Log(_record(number) for number in range(count))
    checkpoint = log.checkpoint()
    with (folder / "notes-0-0.jsonl").open("w", encoding="utf-8") as file:
        for number in range(count):
            file.writelines(f"{line}\n" for line in _lines(number, log, checkpoint))
    (folder / "leaves").write_bytes(b"".join(log.levels[0]))
    (folder / "checkpoint").write_text(checkpoint, encoding="utf-8")


def _lines(number: int, log: Log, checkpoint: str) -> Iterator[str]:
    key = {"k": f"LT-{number:07d}"}
    yield json.dumps({
        "t": "send", **key, "h": number % _HOSPITALS, "c": number % _CARDS, "s": 0,
        "care": "outpatient", "year": 2026, "total": _TOTAL, "funds": _FUNDS,
    })  # fmt: skip
    receipt = {
        "record": _record(number), "origin": _ORIGIN, "index": number,
        "tree_size": len(log.levels[0]), "path": log.path(number),
        "checkpoint": checkpoint,
    }  # fmt: skip
    yield json.dumps({
        "t": "ack", **key, "sha": "x" * 64, "decision": "approved",
        "sid": f"sid-{number}", "aid": _AID, "pays": _PAYS,
        "settled_at": f"{_DAY}T02:00:00Z", "receipt": receipt,
        "quota": [["outpatient", 2026, None, _AID]],
    })  # fmt: skip


class MadeUp:
    """Stands for the gateway: tells the same story from the files."""

    def __init__(self, folder: Path, count: int) -> None:
        """Of this folder's log."""
        self.world = world()
        self._folder, self._count = folder, count
        self._leaves = (folder / "leaves").open("rb")

    def each(
        self, items: Iterable[_Item], ask: Callable[[_Item], _Result]
    ) -> Iterator[_Result]:
        """One after another."""
        return map(ask, items)

    def get(self, path: str, hospital: Hospital | None = None) -> Answer:
        """Checkpoint, tiles and look-ups."""
        del hospital
        if path == "/v1/log/checkpoint":
            return Answer(200, (self._folder / "checkpoint").read_bytes())
        if path.startswith("/v1/log/tile/0/"):
            groups = path.removeprefix("/v1/log/tile/0/").partition(".p/")[0]
            number = int(groups.replace("x", "").replace("/", ""))
            self._leaves.seek(number * _TILE * 32)
            return Answer(200, self._leaves.read(_TILE * 32))
        number = int(path.rpartition("-")[2])
        item = {
            "settlement_id": f"sid-{number}", "aid_fen": _AID,
            "patient_pays_fen": _PAYS, "state": "settled",
        }  # fmt: skip
        return Answer(200, json.dumps({"items": [item]}).encode())

    def ask(self, method: str, path: str, body: bytes, hospital: Hospital) -> Answer:
        """A hospital's totals, and a person's."""
        del method
        count, one = self._count, json.loads(body)
        if path == "/v1/eligibility":
            card = int(one["card"]["number"][1:])
            used = _AID * len(range(card, count, _CARDS))
            quota = [{"pot": "outpatient", "cap_fen": None, "used_fen": used}]
            return Answer(200, json.dumps({"quota": quota}).encode())
        times = len(range(int(hospital.code[1:]), count, _HOSPITALS))
        net = {"count": times, "total_fen": times * _TOTAL, "aid_fen": times * _AID}
        item = {"day": _DAY, "care_type": "outpatient", "gateway": {"net": net}}
        return Answer(200, json.dumps({"items": [item]}).encode())


def findings(folder: Path, count: int) -> list[Finding]:
    """What the check finds, from an empty log on."""
    gateway: Any = MadeUp(folder, count)
    before = {"days": [_DAY], "sums": {}, "size": 0}
    ledger = Ledger(folder / "check.sqlite")
    notes = read_notes(folder)
    return check.check(gateway, ledger, notes, before, lookups_max=20_000)


def _peak_kb() -> int:
    """Most memory of this program: `ru_maxrss` counts the one that started it, too."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0])


def main() -> None:
    """Make the notes, or check them and say what memory that took."""
    do, folder, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    if do == "make":
        make(folder, count)
        return
    found = findings(folder, count)
    told = {one.name: [one.tried, list(one.faults)] for one in found}
    peak_kb = _peak_kb()
    sys.stdout.write(json.dumps({"checks": told, "peak_mb": peak_kb / 1024}))


if __name__ == "__main__":
    main()
