"""Which files are let in at all: signature, bytes, rows, version chain, time."""

import asyncio
import json
from pathlib import Path

import pytest

from crypto.keys import Role, SigningKey
from crypto.tokens import Tokenizer
from crypto.trust import Trust, TrustedKey
from settlement.domain.roster import RosterRefusedError
from settlement.service.parties import register_bureau_key, revoke
from settlement.service.roster import ImportRules, import_roster, roster_trust
from settlement.store.database import Database
from settlement.store.errors import CommitUnknownError, StoreUnavailableError
from settlement.store.roster import head_version, read_status
from settlement.store.roster_import import RosterImport
from tests.roster.bureau import CATEGORIES, KEY, NOW, TRUST, Bureau, row


async def version(database: Database) -> int | None:
    """Return the version in force."""
    async with database.pool.acquire() as connection:
        head = await head_version(connection)
    return None if head is None else head.version


async def refusal(bureau: Bureau, manifest: Path, trust: Trust = TRUST) -> str:
    """Return the code with which a file is refused; the roster stays as it was."""
    before = await version(bureau.database)
    with pytest.raises(RosterRefusedError) as refused:
        await bureau.take(manifest, trust=trust)
    assert await version(bureau.database) == before
    return refused.value.reason


def signed(bureau: Bureau, kind: str = "full", **changes: str | int | None) -> Path:
    """Write and sign a file of one row."""
    return bureau.sign(bureau.write([row(1)]), kind, 1, **changes)


async def test_versions_rise_over_full_and_delta_files_alike(bureau: Bureau) -> None:
    """Full 1, delta 2 on it, full 5, delta 6 on that: all are let in."""
    await bureau.full(row(1))
    await bureau.delta(row(2))
    bureau.version = 4
    await bureau.full(row(1))
    await bureau.delta(row(2))

    assert await version(bureau.database) == 6


async def test_old_version_is_refused(bureau: Bureau) -> None:
    """An old file, however well signed, never comes back in."""
    bureau.version = 4
    await bureau.full(row(1))
    for old in (4, 5):
        bureau.version = old
        assert await refusal(
            bureau, bureau.sign(bureau.write([row(2)]), "full", 1)
        ) == ("MA-6107")


async def test_same_file_again_is_said_to_be_the_same(bureau: Bureau) -> None:
    """Taking a file in twice is a clear refusal, not a puzzle about versions."""
    bureau.version = 1
    manifest = signed(bureau)
    await bureau.take(manifest)

    assert await refusal(bureau, manifest) == "MA-6110"


async def test_delta_must_follow_the_current_version(bureau: Bureau) -> None:
    """A gap is refused with the version that is expected; so is a first delta."""
    bureau.version = 2
    assert await refusal(bureau, signed(bureau, "delta")) == "MA-6108"
    bureau.version = 3
    await bureau.full(row(1))
    bureau.version = 6
    with pytest.raises(RosterRefusedError, match="current one is 4"):
        await bureau.take(signed(bureau, "delta"))
    await bureau.take(signed(bureau, "delta", previous_version=4))


async def test_time_never_goes_back(bureau: Bureau) -> None:
    """A newer version must not describe an older day; the same instant may recur."""
    await bureau.full(row(1), as_of="2026-07-01T00:00:00Z")
    bureau.version = 2
    older = signed(bureau, as_of="2026-06-30T23:59:59Z")
    assert await refusal(bureau, older) == "MA-6109"
    bureau.version = 1
    await bureau.full(row(1), as_of="2026-07-01T00:00:00Z")


async def test_day_as_as_of_begins_in_shanghai(bureau: Bureau) -> None:
    """A plain day is the beginning of that day in Shanghai."""
    await bureau.full(row(1), as_of="2026-07-01")

    async with bureau.database.pool.acquire() as connection:
        head = await head_version(connection)
    assert head is not None
    assert head.as_of == "2026-06-30T16:00:00.000Z"


async def test_untrusted_key_is_refused(bureau: Bureau) -> None:
    """A key that the trust file does not name signs nothing."""
    other = SigningKey(b"\x08" * 32, Role.BUREAU_ROSTER)
    trust = Trust("tests.example", [TrustedKey(other.public)])
    bureau.version = 1

    assert await refusal(bureau, signed(bureau), trust) == "MA-6102"


async def test_key_of_a_registered_bureau_is_trusted_until_revoked(
    bureau: Bureau,
) -> None:
    """A bureau's registered roster key counts, and revoking it ends that at once."""
    nobody = Trust("tests.example", [])
    assert not (await roster_trust(bureau.database, nobody)).keys
    await register_bureau_key(bureau.database, code="BUREAU", key=KEY.public, now=NOW)
    trust = await roster_trust(bureau.database, nobody)
    bureau.version = 1
    await bureau.take(signed(bureau), trust=trust)
    await revoke(bureau.database, KEY.kid, now=NOW)
    bureau.version = 2

    for before in (nobody, TRUST):
        revoked = await roster_trust(bureau.database, before)
        assert await refusal(bureau, signed(bureau), revoked) == "MA-6102"


@pytest.mark.parametrize("member", ["version", "rows", "as_of", "kind"])
async def test_altered_manifest_is_refused(bureau: Bureau, member: str) -> None:
    """Every member is covered by the signature."""
    bureau.version = 1
    manifest = signed(bureau)
    document = json.loads(manifest.read_bytes())
    document[member] = {
        "version": 9, "rows": 2, "as_of": "2027-01-01T00:00:00Z", "kind": "delta",
    }[member]  # fmt: skip
    manifest.write_text(json.dumps(document), encoding="utf-8")

    assert await refusal(bureau, manifest) == "MA-6102"


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"kind":"full","kind":"full"}', b"\xff" * 10]
)
async def test_manifest_that_is_none_is_refused(bureau: Bureau, content: bytes) -> None:
    """What is no manifest is refused as such, and a missing one too."""
    path = bureau.folder / "manifest.json"
    path.write_bytes(content)

    assert await refusal(bureau, path) == "MA-6101"
    assert await refusal(bureau, bureau.folder / "nothing.json") == "MA-6101"


async def test_other_bytes_than_signed_are_refused(bureau: Bureau) -> None:
    """The data file must be the one that was signed."""
    bureau.version = 1
    manifest = signed(bureau)
    data = bureau.folder / "roster-1.csv"
    data.write_bytes(data.read_bytes() + b"\n")

    assert await refusal(bureau, manifest) == "MA-6104"


async def test_file_swapped_after_the_check_is_refused(
    bureau: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was parsed must be what was signed, whoever swaps the file meanwhile."""
    bureau.version = 1
    manifest = signed(bureau)
    real = manifest.with_suffix(".csv").read_bytes()
    digest = json.loads(manifest.read_bytes())["sha256"]
    manifest.with_suffix(".csv").write_bytes(real.replace(b"2026-01-01", b"2020-01-01"))
    monkeypatch.setattr("settlement.service.roster.sha256_of", lambda *_: digest)

    assert await refusal(bureau, manifest) == "MA-6104"


async def test_wrong_number_of_rows_is_refused(bureau: Bureau) -> None:
    """A file that lost its end before it was signed does not pass as whole."""
    bureau.version = 1
    manifest = bureau.sign(bureau.write([row(1), row(2)]), "full", 3)

    assert await refusal(bureau, manifest) == "MA-6105"


async def test_other_token_key_is_refused(bureau: Bureau) -> None:
    """With another token key every person would be a new one: refused."""
    await bureau.full(row(1))
    bureau.version = 2
    rules = ImportRules(
        trust=TRUST,
        tokenizer=Tokenizer(b"another key of 32 bytes or more."),
        categories=CATEGORIES,
        now=NOW,
    )
    with pytest.raises(RosterRefusedError) as refused:
        await import_roster(bureau.database, signed(bureau), rules)

    assert refused.value.reason == "MA-6111"


async def test_two_importers_at_once_take_one_file_once(bureau: Bureau) -> None:
    """The second waits for the first, and then is told that the file is in."""
    bureau.version = 1
    manifest = signed(bureau)
    results = await asyncio.gather(
        *(bureau.take(manifest) for _ in range(4)), return_exceptions=True
    )

    refused = [each for each in results if isinstance(each, RosterRefusedError)]
    assert [each.reason for each in refused] == ["MA-6110"] * 3
    async with bureau.database.pool.acquire() as connection:
        status = await read_status(connection)
    assert status is not None
    assert (status.version, status.persons) == (1, 1)


@pytest.mark.parametrize("step", ["stage", "settle_conflicts", "merge", "_post"])
async def test_import_cut_off_leaves_nothing_half_done(
    bureau: Bureau, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Wherever the connection breaks, the roster is as before, and runs again."""
    await bureau.full(row(1))
    before = await contents(bureau.database)
    original = getattr(RosterImport, step)

    async def cut_off(self: RosterImport, *args: object, **kwargs: object) -> object:
        result = await original(self, *args, **kwargs)
        async with bureau.database.pool.acquire() as connection:
            await connection.execute(
                "SELECT pg_terminate_backend($1)", self._connection.get_server_pid()
            )
        return result

    bureau.version = 2
    manifest = bureau.sign(bureau.write([row(1), row(2)]), "full", 2)
    with monkeypatch.context() as patched:
        patched.setattr(RosterImport, step, cut_off)
        with pytest.raises((StoreUnavailableError, CommitUnknownError)):
            await bureau.take(manifest)

    assert await contents(bureau.database) == before
    await bureau.take(manifest)
    assert await version(bureau.database) == 2


async def contents(database: Database) -> list[str]:
    """Return every row of every roster table."""
    found: list[str] = []
    async with database.pool.acquire() as connection:
        for table in ("head", "version", "window", "card", "change"):
            rows = await connection.fetch(
                f"SELECT t::text AS line FROM roster_{table} t ORDER BY 1"  # noqa: S608 - names above
            )
            found += [each["line"] for each in rows]
    return found
