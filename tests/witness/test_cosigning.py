from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from crypto.checkpoint import parse_checkpoint, verify_checkpoint
from crypto.cosignature import verify_cosignatures
from crypto.errors import ProofMismatchError
from crypto.histories import parse_two_histories, verify_two_histories
from crypto.merkle import RightEdge, verify_consistency
from gateway.witness.cosigning import HistoryBroken, cosign_latest
from gateway.witness.folder import WitnessFolder
from gateway.witness.rules import Cosigned, Witness
from gateway.witness.source import LogSource, SourceFault
from tests.witness.made_up_log import ORIGIN, TRUST, entries
from tests.witness.tile_server import TileLog, shown

MOST = 700


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Connections of one test."""
    async with aiohttp.ClientSession() as http:
        yield http


def seen_size(witness: Witness) -> int:
    """The size that the witness remembers; below 0 without any."""
    seen = witness.folder.seen(ORIGIN)
    return -1 if seen is None else seen.checkpoint.size


async def test_growth_of_any_sizes_is_proved_from_tiles(
    http: aiohttp.ClientSession,
) -> None:
    """Also where tiles are just full, just begun, and on two levels."""
    log = TileLog("true", MOST)
    edges = {n: RightEdge().extend(entries("true", n)).root for n in range(1, MOST + 1)}
    sizes = (1, 2, 3, 7, 8, 255, 256, 257, 300, 511, 512, 513, MOST - 1, MOST)
    async with shown(log) as url:
        for new in sizes:
            log.size = new
            newer = parse_checkpoint(log.note())
            for old in (n for n in sizes if n <= new):
                growth = await LogSource(http, url).growth(old, newer)
                assert growth.prefix_root == edges[old]
                verify_consistency(
                    old, new, growth.path, old_root=edges[old], new_root=newer.root
                )
            nothing = await LogSource(http, url).growth(0, newer)
            assert (nothing.prefix_root, nothing.path) == (RightEdge().root, ())


async def test_three_levels_of_tiles(http: aiohttp.ClientSession) -> None:
    """A log beyond 65,536 entries; each tile is fetched once."""
    log = TileLog("true", 66_000)
    async with shown(log) as url:
        newer = parse_checkpoint(log.note())
        growth = await LogSource(http, url).growth(65_800, newer)

    older = RightEdge().extend(entries("true", 65_800)).root
    assert growth.prefix_root == older
    assert len(log.asked) == len(set(log.asked)) <= 6
    assert {"tile/2/000.p/1", "tile/1/001.p/1"} <= set(log.asked)


async def test_log_that_grows_is_countersigned(
    http: aiohttp.ClientSession, witness: Witness
) -> None:
    """From nothing to many; the same size again brings a fresh cosignature."""
    log = TileLog("true", MOST)
    async with shown(log) as url:
        for size in (0, 1, 300, 300, 512, MOST):
            log.size = size
            done = await cosign_latest(witness, LogSource(http, url), TRUST)
            assert isinstance(done, Cosigned)
            assert verify_checkpoint(done.note, TRUST).size == size
            assert verify_cosignatures(done.note, [witness.folder.public_key])
            assert seen_size(witness) == size


@pytest.mark.parametrize("newer", [300, 301, 512, MOST])
@pytest.mark.parametrize("older", [4, 256, 300])
async def test_rewritten_history_is_refused_and_proved(
    http: aiohttp.ClientSession, witness: Witness, older: int, newer: int
) -> None:
    """Whatever the sizes: the evidence convinces whoever has the log's public key."""
    true, false = TileLog("true", MOST), TileLog("rewritten", MOST)
    true.size, false.size = older, newer
    async with shown(true) as url:
        await cosign_latest(witness, LogSource(http, url), TRUST)
    async with shown(false) as url:
        done = await cosign_latest(witness, LogSource(http, url), TRUST)

    assert isinstance(done, HistoryBroken)
    assert done.is_proof
    assert "rewritten" in done.sentence
    assert done.kept_at is not None
    evidence = parse_two_histories(done.kept_at.read_bytes())
    told = verify_two_histories(evidence, TRUST)
    assert [each.size for each in told] == [older, newer]
    assert seen_size(witness) == older


async def test_smaller_log_is_refused_and_both_notes_are_kept(
    http: aiohttp.ClientSession, witness: Witness
) -> None:
    """An older copy, as of a restored backup; no proof, but a reason to ask."""
    log = TileLog("true", MOST)
    async with shown(log) as url:
        await cosign_latest(witness, LogSource(http, url), TRUST)
        log.size = 256
        done = await cosign_latest(witness, LogSource(http, url), TRUST)

    assert isinstance(done, HistoryBroken)
    assert not done.is_proof
    assert "256 entries" in done.sentence
    assert done.kept_at is not None
    evidence = parse_two_histories(done.kept_at.read_bytes())
    sizes = [verify_checkpoint(n, TRUST).size for n in (evidence.older, evidence.newer)]
    assert sizes == [256, MOST]
    with pytest.raises(ProofMismatchError):
        verify_two_histories(evidence, TRUST)
    assert seen_size(witness) == MOST


async def test_evidence_is_said_although_its_folder_is_full(
    http: aiohttp.ClientSession, witness: Witness, witness_dir: Path
) -> None:
    """Nothing is countersigned either way."""
    folder = witness_dir / "evidence"
    folder.mkdir()
    for number in range(100):
        (folder / str(number)).touch()
    log = TileLog("true", 9)
    async with shown(log) as url:
        await cosign_latest(witness, LogSource(http, url), TRUST)
        log.size = 5
        done = await cosign_latest(witness, LogSource(http, url), TRUST)

    assert isinstance(done, HistoryBroken)
    assert done.kept_at is None


@pytest.mark.parametrize(
    ("path", "answer", "said"),
    [
        ("checkpoint", web.Response(status=503), "status 503"),
        ("checkpoint", web.Response(status=302, headers={"Location": "/"}), "302"),
        ("checkpoint", web.Response(body=b"\xff"), "no checkpoint"),
        ("checkpoint", web.Response(text="nothing"), "MA-8303"),
        ("checkpoint", web.Response(body=bytes(300_000)), "more than it should"),
        ("tile/0/001", web.Response(status=404), "status 404"),
        ("tile/0/001", web.Response(body=bytes(32 * 255)), "another width"),
        ("tile/0/001", web.Response(body=bytes(32 * 257)), "more than it should"),
        ("tile/0/001", web.Response(body=bytes(32 * 256)), "do not lead to the root"),
    ],
)
async def test_gateway_that_lies_or_fails_is_no_rewritten_history(
    http: aiohttp.ClientSession,
    witness: Witness,
    path: str,
    answer: web.Response,
    said: str,
) -> None:
    """Nobody is accused for a tile that is wrong; nothing is signed either."""
    log = TileLog("true", MOST)
    log.size = 300
    async with shown(log) as url:
        await cosign_latest(witness, LogSource(http, url), TRUST)
        log.size = MOST
        log.answers[path] = answer
        with pytest.raises(SourceFault, match=said):
            await cosign_latest(witness, LogSource(http, url), TRUST)

    assert seen_size(witness) == 300
    assert not (witness.folder._path / "evidence").exists()


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "nonsense", "http://", "ftp://x", "http://[::1"]
)
async def test_gateway_that_is_not_there(
    http: aiohttp.ClientSession, witness: Witness, url: str
) -> None:
    """One sentence, whatever the address."""
    with pytest.raises(SourceFault, match="no answer"):
        await cosign_latest(witness, LogSource(http, url), TRUST)


@pytest.mark.parametrize("times", [1, 4, 5])
async def test_other_process_that_is_quicker_is_no_fault(
    http: aiohttp.ClientSession, witness: Witness, witness_dir: Path, times: int
) -> None:
    """It looks again from what the other one has seen, but not for ever."""
    log = TileLog("true", MOST)
    log.size = 300
    async with shown(log) as url:
        source = LogSource(http, url)
        await cosign_latest(witness, source, TRUST)
        other = Witness(WitnessFolder(witness_dir), {ORIGIN: TRUST}, lambda: 1)
        turns = iter(range(times))

        async def meanwhile() -> None:
            if next(turns, None) is not None:
                log.size += 1
                log.before_checkpoint = None
                await cosign_latest(other, source, TRUST)
                log.before_checkpoint = meanwhile

        log.size, log.before_checkpoint = 400, meanwhile
        if times < 5:
            assert isinstance(await cosign_latest(witness, source, TRUST), Cosigned)
        else:
            with pytest.raises(SourceFault, match="quicker"):
                await cosign_latest(witness, source, TRUST)
        assert seen_size(witness) == 400 + times
