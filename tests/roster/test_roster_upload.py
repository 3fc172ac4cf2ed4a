"""A bureau sends its roster by HTTP: the command's rules, one file at a time."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import csv
import gzip
import io
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from crypto.keys import Role, SigningKey
from crypto.manifest import Manifest, sign_manifest
from eligibility_cache.roster_file import count_rows, sha256_of
from gateway import upload
from gateway.cli.main import main
from gateway.handlers import roster
from gateway.keyfiles import read_private_key
from gateway.roster_intake import RosterIntake
from gateway.wiring import wall_clock
from settlement.store.database import Database
from tests.gateway.desk import ControlledUseCases, RunningEdge, register, running_edge
from tests.roster.bureau import card_number, id_number, row
from tests.roster.test_roster_file import text_of

WITHIN_S = 60.0
ROWS = 400
PATH = "/v1/roster/files"


@dataclass
class Office:
    """A bureau at the gateway's door, with the key that signs its rosters."""

    edge: RunningEdge
    data_dir: Path
    key: SigningKey
    bearers: dict[str, str]
    intake: RosterIntake

    def manifest(self, content: bytes, version: int, **changes: Any) -> bytes:
        """Sign what is sent."""
        path = self.data_dir / "sent.csv"
        path.write_bytes(content)
        members: dict[str, Any] = {
            "kind": "full",
            "version": version,
            "previous_version": None,
            "as_of": "2026-07-01T00:00:00Z",
            "rows": count_rows(path),
            "sha256": sha256_of(path),
            "file": "roster.csv",
        }
        key = changes.pop("key", self.key)
        return sign_manifest(Manifest(**members | changes), key)

    async def send(
        self,
        content: bytes | AsyncIterator[bytes],
        manifest: bytes,
        who: str = "B001",
        **headers: str,
    ) -> tuple[int, Any, Any]:
        """Send a file; status, answer and headers."""
        return await self.edge.ask(
            "POST",
            PATH,
            content,
            Authorization=self.bearers[who],
            Medaid_Roster_Manifest=base64.b64encode(manifest).decode(),
            **{"Content_Type": "text/csv"} | headers,
        )

    async def get(self, path: str, who: str = "B001") -> tuple[int, Any]:
        """Ask for something."""
        status, document, _ = await self.edge.ask(
            "GET", f"{PATH}/{path}", Authorization=self.bearers[who]
        )
        return status, document

    async def ended(self, version: int) -> dict[str, Any]:
        """Wait until the import is over; how it ended."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                status, found = await self.get(f"{version}")
                assert status == 200
                if found["state"] != "importing":
                    return dict(found)
                await asyncio.sleep(0.05)


@pytest.fixture
async def office(database: Database, data_dir: Path) -> AsyncIterator[Office]:
    """Give a bureau, a hospital and an auditor at one worker of a new sandbox."""
    arguments = ["init", "--sandbox", "--data-dir", str(data_dir), "--dsn"]
    made = await asyncio.to_thread(CliRunner().invoke, main, [*arguments, database.dsn])
    assert made.exit_code == 0, made.output
    key = read_private_key(data_dir / "bureau" / "roster-key.json")
    assert isinstance(key, SigningKey)
    use_cases = ControlledUseCases(now=wall_clock)  # type: ignore[arg-type]  # the real one
    intake = RosterIntake(database, data_dir, wall_clock, patience_s=WITHIN_S)
    use_cases.roster = intake  # type: ignore[attr-defined]  # the use case of these tests
    async with running_edge(database, use_cases) as edge:
        bearers = {}
        for code, role in (("B001", "bureau"), ("B002", "bureau"), ("H001", "facility"),
                           ("A001", "auditor")):  # fmt: skip
            bearers[code] = await edge.bearer(await register(database, code, role))
        yield Office(edge, data_dir, key, bearers, intake)
        await intake.ended()


def content_of(count: int = ROWS, **changes: str) -> bytes:
    """A roster."""
    return text_of(*[row(number, **changes) for number in range(count)]).encode()


@asynccontextmanager
async def held(database: Database) -> AsyncIterator[None]:
    """Let every import wait for the head."""
    async with database.pool.acquire() as session, session.transaction():
        await session.execute("SELECT FROM roster_head FOR UPDATE")
        yield


@pytest.mark.parametrize("packed", [False, True])
async def test_file_is_taken_in(office: Office, *, packed: bool) -> None:
    """201 with what it did; asked for later by bureau and auditor, the same."""
    content = content_of()
    content = gzip.compress(content) if packed else content
    status, made, _ = await office.send(content, office.manifest(content, 1))

    assert status == 201, made
    assert (made["state"], made["version"], made["kind"]) == ("taken", 1, "full")
    assert (made["rows"], made["refused"], made["persons_changed"]) == (ROWS, 0, ROWS)
    assert await office.get("1") == (200, made)
    assert await office.get("1", who="A001") == (200, made)
    assert (await office.get("1/refused"))[0] == 404
    assert (await office.get("2"))[0] == 404
    assert (await office.get("0x1"))[0] == 404


async def test_the_same_file_again_is_no_fault(office: Office) -> None:
    """A sender that lost the answer sends again and is told what was done."""
    content = content_of()
    manifest = office.manifest(content, 1)
    _, first, _ = await office.send(content, manifest)

    status, again, _ = await office.send(content, manifest)
    assert (status, again) == (200, first)


async def test_gbk_is_read_when_declared(office: Office) -> None:
    """Detected and said; with the charset it is read."""
    content = content_of().decode().encode("gbk")
    manifest = office.manifest(content, 1)

    status, refused, _ = await office.send(content, manifest)
    assert (status, refused["code"]) == (422, "MA-6113")
    status, refused, _ = await office.send(
        content, manifest, Content_Type="text/csv; charset=big5"
    )
    assert (status, refused["code"]) == (415, "MA-1106")
    status, made, _ = await office.send(
        content, manifest, Content_Type='text/csv; charset="GBK"'
    )
    assert (status, made["refused"]) == (201, 0)


async def test_refused_rows_come_back_as_csv(office: Office) -> None:
    """The problem names the first ones, the CSV all, and neither any value."""
    rows = [row(number) for number in range(20)]
    rows[3] = row(3, id_number="990100500101001")
    rows[5] = row(5, category="富人")
    content = text_of(*rows).encode()
    status, refused, _ = await office.send(content, office.manifest(content, 1))
    _, found = await office.get("1")
    _, listed = await office.get("1/refused")

    assert (status, refused["code"]) == (422, "MA-6106")
    assert [(each["path"], each["code"]) for each in refused["fields"]] == [
        ("line[5].id_number", "MA-6216"),
        ("line[7].category", "MA-6208"),
    ]
    assert refused["refused_rows"] == found["refused_rows"] == f"{PATH}/1/refused"
    assert (found["state"], found["reason"]["code"]) == ("refused", "MA-6106")
    lines = list(csv.DictReader(io.StringIO(listed.decode("utf-8-sig"))))
    assert [(each["line"], each["value_class"]) for each in lines] == [
        ("5", "digits:15"), ("7", "han:2"),
    ]  # fmt: skip
    shown = orjson.dumps([refused, found]).decode() + listed.decode()
    assert not [
        value for value in (card_number(3), id_number(5), "富人") if value in shown
    ]


async def test_wrong_version_is_refused_with_the_expected_one(office: Office) -> None:
    """Before the file is read at all."""
    content = content_of()
    assert (await office.send(content, office.manifest(content, 4)))[0] == 201

    delta = office.manifest(content, 7, kind="delta", previous_version=6)
    status, refused, _ = await office.send(content, delta)
    assert (status, refused["code"]) == (409, "MA-6108")
    assert refused["current_version"] == 4

    status, refused, _ = await office.send(content, office.manifest(content, 3))
    assert (status, refused["code"]) == (409, "MA-6107")
    assert refused["current_version"] == 4
    older = office.manifest(content, 5, as_of="2026-06-30T00:00:00Z")
    assert (await office.send(content, older))[1]["code"] == "MA-6109"


async def test_nobody_else_hands_rosters_over(
    office: Office, database: Database
) -> None:
    """Another role, a stranger's key, another bureau's key: each is refused."""
    content = content_of()
    manifest = office.manifest(content, 1)
    for who in ("H001", "A001"):
        status, refused, _ = await office.send(content, manifest, who)
        assert (status, refused["code"]) == (403, "MA-3104")
    assert (await office.get("1", who="H001"))[0] == 403

    stranger = SigningKey(b"\x09" * 32, Role.BUREAU_ROSTER)
    theirs = office.manifest(content, 1, key=stranger)
    status, refused, _ = await office.send(content, theirs)
    assert (status, refused["code"]) == (422, "MA-6102")

    await register(database, "B003", "bureau", key=stranger)
    status, refused, _ = await office.send(content, theirs)
    assert (status, refused["code"]) == (422, "MA-6102")
    assert (await office.get("1"))[0] == 404


async def test_requests_that_are_none_are_refused(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No manifest, nonsense for one, other types, other bytes, too many bytes."""
    content = content_of()
    manifest = office.manifest(content, 1)
    for header in ("", "***", base64.b64encode(b"\xff").decode(),
                   "A" * 4_001):  # fmt: skip
        status, refused, _ = await office.edge.ask(
            "POST", PATH, content, Authorization=office.bearers["B001"],
            Content_Type="text/csv", Medaid_Roster_Manifest=header,
        )  # fmt: skip
        assert (status, refused["code"]) == (400, "MA-1107")
    status, refused, _ = await office.send(content, b"{}")
    assert (status, refused["code"]) == (422, "MA-6101")
    status, refused, _ = await office.send(content, manifest, Content_Type="text/html")
    assert (status, refused["code"]) == (415, "MA-1106")
    status, refused, _ = await office.send(content + b"x", manifest)
    assert (status, refused["code"]) == (422, "MA-6104")

    small = upload.Accepted(upload.ROSTER_TYPES, 100, WITHIN_S)
    monkeypatch.setattr("gateway.handlers.roster.ROSTER", small)
    status, refused, _ = await office.send(content, manifest)
    assert (status, refused["code"]) == (413, "MA-1105")


async def test_long_import_is_asked_after(
    office: Office, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """202 with a place to ask; it goes on without its sender."""
    content = content_of()
    async with held(database):
        monkeypatch.setattr(office.intake, "_patience_s", 0.5)
        status, begun, headers = await office.send(content, office.manifest(content, 1))
        assert status == 202
        assert (begun["state"], headers["Location"]) == ("importing", f"{PATH}/1")
        assert int(headers["Retry-After"]) > 0
        assert set(begun["progress"]) == {"step", "done", "total"}

        other = office.manifest(content, 2)
        status, refused, headers = await office.send(content, other)
        assert (status, refused["code"]) == (409, "MA-6114")
        assert refused["retry"]["allowed"]
        assert int(headers["Retry-After"]) > 0
    monkeypatch.undo()
    assert (await office.ended(1))["state"] == "taken"
    assert (await office.send(content, other))[0] == 201


async def test_two_senders_at_once_and_one_file_is_taken(office: Office) -> None:
    """Whoever comes second is told to wait; afterwards the same file is no fault."""
    content = content_of()
    manifest = office.manifest(content, 1)
    answers = await asyncio.gather(*[office.send(content, manifest) for _ in range(4)])
    statuses = sorted(status for status, _, _ in answers)

    assert 201 in statuses
    assert set(statuses) <= {200, 201, 409}
    assert {made["code"] for status, made, _ in answers if status == 409} <= {"MA-6114"}
    assert (await office.send(content, manifest))[0] == 200


async def test_killed_importer_leaves_nothing_and_the_file_may_come_again(
    office: Office, database: Database
) -> None:
    """503 to the sender; nothing is half done and nothing blocks the next attempt."""
    content = content_of()
    manifest = office.manifest(content, 1)
    async with held(database):
        sending = asyncio.create_task(office.send(content, manifest))
        async with asyncio.timeout(WITHIN_S):
            while True:
                if found := _importers():
                    break
                await asyncio.sleep(0.05)
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        status, refused, _ = await sending
    assert (status, refused["code"]) == (503, "MA-5101")
    assert (await office.get("1"))[1]["state"] == "failed"
    assert await database.pool.fetchval("SELECT count(*) FROM roster_window") == 0
    assert (await office.send(content, manifest))[0] == 201


async def test_importer_that_died_silently_blocks_nobody(
    office: Office, database: Database
) -> None:
    """A machine that went down in the middle holds the place for half a minute."""
    content = content_of()
    await database.pool.execute(
        "INSERT INTO roster_delivery (version, attempt, state, step, done, total,"
        " told_at) VALUES (1, decode(repeat('00', 16), 'hex'), 'importing', 'reading',"
        " 1, 2, clock_timestamp() - interval '20 seconds')"
    )
    manifest = office.manifest(content, 1)
    assert (await office.send(content, manifest))[1]["code"] == "MA-6114"
    await database.pool.execute(
        "UPDATE roster_delivery SET told_at = told_at - interval '11 seconds'"
    )
    assert (await office.get("1"))[1]["state"] == "failed"
    assert (await office.send(content, manifest))[0] == 201


async def test_disk_full_while_receiving_takes_nothing(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503, and the same file later."""
    content = content_of()
    manifest = office.manifest(content, 1)

    def full(_file: object, _block: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(upload, "_write_whole", full)
        status, refused, _ = await office.send(content, manifest)
    assert (status, refused["code"]) == (503, "MA-5101")
    assert (await office.get("1"))[0] == 404
    assert (await office.send(content, manifest))[0] == 201


@pytest.mark.parametrize("is_declared", [True, False])
async def test_larger_file_is_refused_however_it_comes(
    office: Office, monkeypatch: pytest.MonkeyPatch, is_declared: bool
) -> None:
    """413 by the length that is declared, or by what has come; nothing is kept."""
    content = content_of()
    manifest = office.manifest(content, 1)
    small = replace(upload.ROSTER, most_bytes=len(content) - 1)

    with monkeypatch.context() as patch:
        patch.setattr(roster, "ROSTER", small)
        body = content if is_declared else _pieces(content)
        status, refused, _ = await office.send(body, manifest)
    assert (status, refused["code"]) == (413, "MA-1105")
    assert (await office.get("1"))[0] == 404
    assert (await office.send(_pieces(content), manifest))[0] == 201


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    """A body whose length nobody says beforehand."""
    for start in range(0, len(content), 1_000):
        yield content[start : start + 1_000]


async def test_nothing_personal_is_kept_of_a_delivery(
    office: Office, database: Database
) -> None:
    """Neither in the table nor in the folder of files that arrive."""
    rows = [row(number) for number in range(20)]
    rows[3] = row(3, id_number="990100500101001")
    content = text_of(*rows).encode()
    await office.send(content, office.manifest(content, 1))
    (office.data_dir / "sent.csv").unlink()

    kept = await database.pool.fetchval(
        "SELECT string_agg(encode(d.outcome, 'escape') || encode(d.refused, 'escape')"
        " || d::text, '') FROM roster_delivery d"
    )
    assert "MA-6106" in kept
    for number in range(20):
        assert card_number(number) not in kept
    assert "990100500101001" not in kept
    assert list((office.data_dir / "run").glob("*")) == []


def _importers() -> list[int]:
    """Processes of this one that take a file in."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        if b"gateway.roster_process" in command and parent == os.getpid():
            found.append(int(folder.name))
    return found
