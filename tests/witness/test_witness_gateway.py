"""A witness beside a real gateway, and beside one that has rewritten its past."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from crypto.checkpoint import verify_checkpoint
from crypto.cosignature import parse_witness_vkey, verify_cosignatures
from tests.acceptance.desk import Desk, bill, new_name
from tests.acceptance.gateway_process import (
    CommandResult,
    GatewayProcess,
    command_line,
    medaid,
    must,
    wait_for,
)
from tests.acceptance.sandbox import Sandbox, open_sandbox
from tests.support import postgres
from tests.witness.witness_process import WitnessProcess

#: What `medaid init` makes once; a copy is the same log's.
_IDENTITY = ("keys", "bureau", "installation.json", "trust.json")


@dataclass(frozen=True, slots=True)
class Log:
    """A gateway that signs with the log's keys, and the sandbox that it settles in."""

    sandbox: Sandbox
    gateway: GatewayProcess

    @property
    def url(self) -> str:
        """Where it listens."""
        return self.gateway.url

    @property
    def trust(self) -> str:
        """The trust file, as a path."""
        return str(self.sandbox.data_dir / "trust.json")

    async def settle(self, count: int) -> list[Any]:
        """Settle so many bills; the decisions."""
        async with aiohttp.ClientSession() as http:
            key = self.sandbox.keys["H001"]
            desk = Desk(http, self.url, key, self.sandbox.tokens)
            answers = [
                await desk.settle(new_name(), bill(self.sandbox.tekun()))
                for _ in range(count)
            ]
        assert [answer.status for answer in answers] == [201] * count
        return [answer.json() for answer in answers]


@contextmanager
def running(folder: Path, identity: Path | None = None) -> Iterator[Log]:
    """Run a gateway, with the keys and the name of another one where given."""
    data_dir = folder / "var"
    if identity is not None:
        data_dir.mkdir(parents=True)
        for name in _IDENTITY:
            source = identity / name
            copy = shutil.copytree if source.is_dir() else shutil.copy2
            copy(source, data_dir / name)
    with open_sandbox(data_dir) as sandbox:
        sandbox.add_party("H001")
        sandbox.import_roster()
        gateway = GatewayProcess(data_dir, workers=1)
        gateway.start()
        try:
            asyncio.run(_until_ready(gateway.url))
            yield Log(sandbox, gateway)
        finally:
            gateway.stop()


async def _until_ready(url: str) -> None:
    async with asyncio.timeout(60), aiohttp.ClientSession() as http:
        while (await http.get(f"{url}/readyz")).status != 200:  # noqa: ASYNC110  # another process
            await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def logs() -> Iterator[tuple[Log, Log]]:
    """Run two gateways of one log: the true one, and one begun anew by an insider."""
    with ExitStack() as stack:
        folders = [postgres.make_folder() for _ in range(2)]
        for folder in folders:
            stack.callback(postgres.remove_folder, folder)
        true = stack.enter_context(running(folders[0] / "true"))
        identity = true.sandbox.data_dir
        false = stack.enter_context(running(folders[1] / "false", identity))
        yield true, false


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Connections of one test."""
    async with aiohttp.ClientSession() as http:
        yield http


class Keeper:
    """Somebody with a witness of their own, who knows nothing but commands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.dir = str(folder / "witness")
        self.out = folder / "checkpoint"
        made = must("witness", "init", "--name", "bureau.example/w", "--out", self.dir)
        self.vkey = made.out.strip()

    async def cosign(self, log: Log, *options: str) -> CommandResult:
        """Look at a gateway and countersign."""
        return await asyncio.to_thread(
            medaid,
            *("witness", "cosign", "--dir", self.dir, "--gateway", log.url),
            *("--trust", log.trust, "--out", str(self.out), *options),
        )

    def check(self, log: Log, note: Path, *options: str) -> CommandResult:
        """Check a note, with this witness's key."""
        return medaid(
            *("witness", "check", str(note), "--trust", log.trust),
            *("--witness", self.vkey, *options),
        )

    def evidence(self) -> Path:
        """The one file of evidence."""
        (path,) = (self.folder / "witness" / "evidence").iterdir()
        return path


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    """Make a witness by command."""
    return Keeper(tmp_path)


async def test_real_settlements_are_countersigned(
    logs: tuple[Log, Log], keeper: Keeper
) -> None:
    """Round after round; the note checks offline, and receipts verify with it."""
    true, _ = logs
    note, settled, sizes = "", [], []
    for count in (1, 3, 2):
        settled += await true.settle(count)
        done = await keeper.cosign(true)
        assert done.status == 0, done.err
        note = keeper.out.read_text(encoding="utf-8")
        assert verify_cosignatures(note, [parse_witness_vkey(keeper.vkey)])
        sizes.append(verify_checkpoint(note, true.sandbox.trust).size)
        assert keeper.check(true, keeper.out).status == 0
    assert sizes == sorted(set(sizes))

    receipt = settled[-1]["receipt"]
    assert note.startswith(receipt["checkpoint"])
    receipt["checkpoint"] = note
    path = keeper.folder / "receipt.json"
    path.write_text(json.dumps(receipt))
    must("verify", str(path), "--trust", true.trust)
    books = must(
        *("check-books", "--against", str(keeper.out)),
        *("--data-dir", str(true.sandbox.data_dir)),
    )
    assert "holds and extends all 1" in books.out


async def test_rewritten_log_of_a_real_gateway_is_refused_and_proved(
    logs: tuple[Log, Log], keeper: Keeper
) -> None:
    """Same keys, another past: shorter, as long, and longer than what was seen."""
    true, false = logs
    await true.settle(3)
    assert (await keeper.cosign(true)).status == 0
    honest = keeper.out.read_text(encoding="utf-8")
    size = verify_checkpoint(honest, true.sandbox.trust).size
    held = keeper.folder / "held"
    held.write_text(honest, encoding="utf-8")

    await false.settle(1)
    shorter = await keeper.cosign(false)
    assert shorter.status == 1
    assert "entries were taken away" in shorter.err
    shutil.rmtree(keeper.folder / "witness" / "evidence")

    begun = await _size(false)
    await false.settle(size + 2 - begun)
    longer = await keeper.cosign(false)
    assert longer.status == 1
    assert "rewritten its past" in longer.err
    assert keeper.out.read_text(encoding="utf-8") == honest
    checked = keeper.check(true, keeper.evidence())
    assert checked.status == 1
    assert "MA-8305" in checked.err
    assert "proof of two histories" in checked.err

    assert (await keeper.cosign(true)).status == 0, "the true log goes on"


async def test_two_witnesses_that_saw_different_pasts_prove_it_together(
    logs: tuple[Log, Log], tmp_path: Path
) -> None:
    """A split view: each keeper is content, until they lay their notes side by side."""
    true, false = logs
    keepers = [Keeper(tmp_path / name) for name in ("one", "two")]
    sizes = await _size(true), await _size(false)
    if sizes[0] < sizes[1]:
        await true.settle(sizes[1] - sizes[0])
    else:
        await false.settle(sizes[0] - sizes[1])
    for keeper, log in zip(keepers, logs, strict=True):
        keeper.folder.mkdir(exist_ok=True)
        assert (await keeper.cosign(log)).status == 0

    mine, other = keepers[0].out, keepers[1].out
    told = keepers[0].check(true, mine, "--against", str(other), "--json")

    assert told.status == 1
    document = json.loads(told.out)
    assert document["two_histories"]
    assert [each["code"] for each in document["findings"]] == ["MA-8305"]
    assert keepers[0].check(true, mine, "--against", str(mine)).status == 0


async def test_submitted_checkpoint_is_countersigned(
    logs: tuple[Log, Log], keeper: Keeper
) -> None:
    """A messenger between a gateway and a witness that listens; both are real."""
    true, false = logs
    out = keeper.folder / "carried"
    witness = keeper.folder / "witness"
    with WitnessProcess(witness, "--trust", true.trust) as listening:

        async def submit(log: Log) -> CommandResult:
            return await asyncio.to_thread(
                medaid,
                *("witness", "submit", "--gateway", log.url, "--to", listening.url),
                *("--trust", log.trust, "--witness", keeper.vkey, "--out", str(out)),
            )

        for count in (2, 1):
            await true.settle(count)
            done = await submit(true)
            assert done.status == 0, done.err
            assert f"{await _size(true):,} entries" in done.out
            assert keeper.check(true, out).status == 0
        assert (await keeper.cosign(true)).status == 0, "beside the one that listens"
        ahead = await _size(true) + 1 - await _size(false)
        await false.settle(max(0, ahead))
        refused = await submit(false)
        assert refused.status == 1
        assert "another history" in refused.err
        log = listening.log.read_text(encoding="utf-8")
    assert "witness.cosigned" in log
    assert not any(word in log for word in ("H001", "MZ", "sid"))


async def _size(log: Log) -> int:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{log.url}/v1/log/checkpoint") as answer,
    ):
        return verify_checkpoint(await answer.text(), log.sandbox.trust).size


async def test_follower_goes_on_through_an_outage(
    logs: tuple[Log, Log], keeper: Keeper
) -> None:
    """The gateway is away for a while: nothing ends, and the next look catches up."""
    true, _ = logs
    port = true.url.rpartition(":")[2]
    true.gateway.stop()
    process = await asyncio.create_subprocess_exec(
        *_command(keeper, true), stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    said = await process.stderr.readline()
    assert b"trying again in 1 s" in said
    must("witness", "trust", keeper.vkey, "--trust", true.trust)
    true.gateway.start()
    assert true.url.endswith(port)
    await _until_ready(true.url)
    await asyncio.to_thread(wait_for, keeper.out.exists, 60)
    await true.settle(2)
    size = await _size(true)

    def caught_up() -> bool:
        note = keeper.out.read_text(encoding="utf-8")
        return verify_checkpoint(note, true.sandbox.trust).size == size

    await asyncio.to_thread(wait_for, caught_up, 60)
    assert caught_up()
    process.terminate()
    assert await process.wait() == 0
    # The operator has named the witness to all who ask, or are handed the trust file.
    for keys in (await _keys(true), true.sandbox.command("keys", "export-trust")):
        named = [each for each in json.loads(keys)["keys"] if "name" in each]
        assert [each["name"] for each in named] == ["bureau.example/w"]


async def _keys(log: Log) -> str:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{log.url}/v1/keys") as answer,
    ):
        return await answer.text()


def _command(keeper: Keeper, log: Log) -> list[str]:
    """`medaid witness cosign --follow 1`."""
    return command_line(
        *("witness", "cosign", "--dir", keeper.dir, "--gateway", log.url),
        *("--trust", log.trust, "--out", str(keeper.out), "--follow", "1"),
    )
