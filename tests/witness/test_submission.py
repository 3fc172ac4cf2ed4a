from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from crypto.cosignature import cosign, verify_cosignatures
from crypto.errors import TwoHistoriesError
from crypto.note import parse_note
from crypto.trust import Trust, TrustedKey
from gateway.installation import InstallationFault
from gateway.witness.notes import store_note, trimmed
from gateway.witness.rules import Witness
from gateway.witness.server import serving
from gateway.witness.source import LogSource, SourceFault
from gateway.witness.submission import WitnessRefusedError, submit_latest
from tests.witness.made_up_log import (
    ORIGIN,
    OTHER_KEY,
    OTHER_WITNESS,
    TRUST,
    WITNESS,
    WITNESS_KEY,
    MadeUpLog,
)
from tests.witness.tile_server import CannedWitness, TileLog, shown

MOST = 700
SIZE_TYPE = "text/x.tlog.size"


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Connections of one test."""
    async with aiohttp.ClientSession() as http:
        yield http


async def test_messenger_finds_where_the_witness_stands(
    http: aiohttp.ClientSession, witness: Witness
) -> None:
    """From nothing, from another size, and the same again."""
    log = TileLog("true", MOST)
    key = witness.folder.public_key
    async with shown(log) as gateway, serving(witness, "127.0.0.1", 0) as url:
        for size in (1, 300, 300, 512, MOST):
            log.size = size
            note, found = await submit_latest(
                http, LogSource(http, gateway), url + "/", TRUST, [key]
            )
            assert [each.witness.vkey for each in found] == [key.vkey]
            assert verify_cosignatures(note, [key])
            assert parse_note(note).text.split("\n")[1] == str(size)


async def test_witness_of_a_rewritten_log_is_believed(
    http: aiohttp.ClientSession, witness: Witness
) -> None:
    """Other root, other past, fewer entries: one sentence, and nothing to keep."""
    true, false = TileLog("true", MOST), TileLog("rewritten", MOST)
    true.size = 300
    known = [witness.folder.public_key]
    async with (
        shown(true) as good,
        shown(false) as bad,
        serving(witness, "127.0.0.1", 0) as url,
    ):
        await submit_latest(http, LogSource(http, good), url, TRUST, known)
        for size, said in ((300, "another history"), (512, "another history"),
                           (256, "taken away")):  # fmt: skip
            false.size = size
            with pytest.raises(WitnessRefusedError, match=said):
                await submit_latest(http, LogSource(http, bad), url, TRUST, known)


def size(text: str, **more: str) -> web.Response:
    """An answer that names a size."""
    headers = {"Content-Type": SIZE_TYPE, **more}
    return web.Response(status=409, body=text.encode(), headers=headers)


@pytest.mark.parametrize(
    ("answers", "error", "said"),
    [
        ([size("300\n"), web.Response(status=500)], SourceFault, "status 500"),
        ([web.Response(status=429)], WitnessRefusedError, "status 429"),
        ([web.Response(status=404)], WitnessRefusedError, "status 404"),
        ([web.Response(status=302)], WitnessRefusedError, "status 302"),
        ([web.Response(status=409, text="no")], WitnessRefusedError, "history"),
        ([web.Response(status=422)], WitnessRefusedError, "history"),
        ([size("300")], SourceFault, "size that is none"),
        ([size("0300\n")], SourceFault, "size that is none"),
        ([size("+1\n")], SourceFault, "size that is none"),
        ([size("701\n")], WitnessRefusedError, "taken away"),
        ([size("1\n"), size("2\n"), size("3\n"), size("4\n")], SourceFault, "each"),
        ([web.Response(text="")], WitnessRefusedError, "no cosignature"),
        ([web.Response(text="thanks\n")], WitnessRefusedError, "no cosignature"),
        ([web.Response(body=b"\xff")], WitnessRefusedError, "no cosignature"),
        ([web.Response(body=bytes(300_000))], SourceFault, "more than it should"),
    ],
)
async def test_witness_that_does_not_countersign(
    http: aiohttp.ClientSession,
    answers: list[web.Response],
    error: type[Exception],
    said: str,
) -> None:
    """Refusals and failures are told apart; no answer is asked for ever."""
    witness = CannedWitness(*answers)
    async with shown(TileLog("true", MOST), witness.join) as url:
        with pytest.raises(error, match=said):
            await submit_latest(http, LogSource(http, url), url, TRUST, [WITNESS_KEY])
    assert witness.answers == []


async def test_cosignature_of_another_body_or_key_is_none(
    http: aiohttp.ClientSession,
) -> None:
    """What a witness sends back is verified before it is kept."""
    log = TileLog("true", MOST)
    note, other = log.note(), MadeUpLog().note(5)
    for line in (
        cosign(other, WITNESS_KEY.name, WITNESS, 7),
        cosign(note, OTHER_KEY.name, OTHER_WITNESS, 7),
    ):
        witness = CannedWitness(web.Response(text=line))
        async with shown(log, witness.join) as url:
            with pytest.raises(WitnessRefusedError, match="no cosignature"):
                await submit_latest(
                    http, LogSource(http, url), url, TRUST, [WITNESS_KEY]
                )


async def test_only_known_lines_are_kept(http: aiohttp.ClientSession) -> None:
    """A witness may send several lines; strangers' stay away from the note."""
    log = TileLog("true", MOST)
    own = cosign(log.note(), WITNESS_KEY.name, WITNESS, 7)
    strange = cosign(log.note(), OTHER_KEY.name, OTHER_WITNESS, 7)
    witness = CannedWitness(web.Response(text=strange + own))
    async with shown(log, witness.join) as url:
        note, _found = await submit_latest(
            http, LogSource(http, url), url, TRUST, [WITNESS_KEY]
        )

    assert note == log.note() + own
    assert witness.old_sizes == [0]


async def test_log_that_grew_meanwhile_is_asked_again(
    http: aiohttp.ClientSession,
) -> None:
    """A witness that is ahead of a checkpoint just fetched is no reason to worry."""
    log = TileLog("true", MOST)
    log.size = 300
    grown = TileLog("true", 512)
    line = cosign(grown.note(), WITNESS_KEY.name, WITNESS, 7)
    witness = CannedWitness(size("400\n"), web.Response(text=line))
    shows = iter((300, 512))

    async def next_size() -> None:
        log.size = next(shows)

    log.before_checkpoint = next_size
    async with shown(log, witness.join) as url:
        note, _found = await submit_latest(
            http, LogSource(http, url), url, TRUST, [WITNESS_KEY]
        )

    assert note == grown.note() + line
    assert witness.old_sizes == [0, 400]


async def test_checkpoint_that_cannot_be_believed_is_not_carried(
    http: aiohttp.ClientSession,
) -> None:
    """Of another log, or not signed by the one that is trusted."""
    witness = CannedWitness()
    stranger = Trust(ORIGIN, [TrustedKey(WITNESS.public, name="w")])
    async with shown(TileLog("true", MOST), witness.join) as url:
        with pytest.raises(SourceFault, match="MA-8201"):
            await submit_latest(
                http, LogSource(http, url), url, stranger, [WITNESS_KEY]
            )
    assert witness.old_sizes == []


NOTE = MadeUpLog().note(5)
FIRST = cosign(NOTE, WITNESS_KEY.name, WITNESS, 7)
LATER = cosign(NOTE, WITNESS_KEY.name, WITNESS, 8)
OTHER = cosign(NOTE, OTHER_KEY.name, OTHER_WITNESS, 7)


def test_lines_of_several_witnesses_are_collected(tmp_path: Path) -> None:
    """Below one checkpoint; of one witness the newest line."""
    path = tmp_path / "checkpoint"

    for line, expected in (
        (FIRST, NOTE + FIRST),
        (OTHER, NOTE + FIRST + OTHER),
        (LATER, NOTE + LATER + OTHER),
    ):
        assert store_note(path, NOTE + line) == expected
        assert path.read_text(encoding="utf-8") == expected


def test_stored_checkpoint_never_becomes_smaller(tmp_path: Path) -> None:
    """Of the same log; another log's takes its place, and so does a larger one."""
    path = tmp_path / "checkpoint"
    larger, other = MadeUpLog().note(9), MadeUpLog(origin="other.example").note(2)

    assert store_note(path, NOTE) == NOTE
    assert store_note(path, larger) == larger
    assert store_note(path, NOTE) == larger
    assert path.read_text(encoding="utf-8") == larger
    assert store_note(path, other) == other


@pytest.mark.parametrize("standing", [b"\xff", b"something else\n", b"{}"])
def test_what_is_no_checkpoint_is_not_replaced(tmp_path: Path, standing: bytes) -> None:
    """A slip in --out destroys nothing; an empty file holds nothing up."""
    path = tmp_path / "checkpoint"
    path.write_bytes(standing)

    with pytest.raises(InstallationFault, match="no checkpoint"):
        store_note(path, NOTE)
    assert path.read_bytes() == standing
    path.write_bytes(b"")
    assert store_note(path, NOTE) == NOTE


def test_stored_checkpoint_that_is_contradicted_stays(tmp_path: Path) -> None:
    """Both lie side by side: they are the proof."""
    path = tmp_path / "checkpoint"
    store_note(path, NOTE)
    false = MadeUpLog("rewritten").note(5)

    with pytest.raises(TwoHistoriesError, match="two histories"):
        store_note(path, false)
    assert path.read_text(encoding="utf-8") == NOTE
    assert (tmp_path / "checkpoint.other").read_text(encoding="utf-8") == false


def test_trimmed_note_has_each_known_line_once() -> None:
    """In the order of the note."""
    note = NOTE + OTHER + FIRST + FIRST + OTHER

    assert trimmed(note, [WITNESS_KEY]) == f"{parse_note(NOTE).text}\n{FIRST}"
    assert trimmed(note, [OTHER_KEY, WITNESS_KEY]).endswith(f"\n\n{OTHER}{FIRST}")
