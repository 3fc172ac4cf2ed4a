"""`medaid witness cosign` as a process, beside a made-up log that can do anything."""

import asyncio
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web

from crypto.checkpoint import verify_checkpoint
from crypto.cosignature import WitnessKey, verify_cosignatures
from crypto.trust import trust_file
from gateway.witness.folder import Seen, WitnessFolder, WitnessState
from tests.acceptance.gateway_process import PROJECT, environment
from tests.witness.made_up_log import ORIGIN, TRUST, MadeUpLog
from tests.witness.tile_server import TileLog, shown

MOST = 700


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command printed, and its status."""

    status: int
    out: str
    err: str


@pytest.fixture
def trust(tmp_path: Path) -> str:
    """Write the log's trust file; its path."""
    path = tmp_path / "trust.json"
    path.write_bytes(trust_file(TRUST))
    return str(path)


async def begun(
    arguments: tuple[str, ...], program: str = "gateway.cli.main"
) -> asyncio.subprocess.Process:
    """Start `medaid witness ARGUMENTS`."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", program, "witness", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(),
        cwd=PROJECT,
    )


async def run(*arguments: str, program: str = "gateway.cli.main") -> Ended:
    """`medaid witness ARGUMENTS` to its end."""
    process = await begun(arguments, program)
    out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


async def test_cosigned_note_is_printed_where_no_file_is_named(
    witness_dir: Path, witness_key: WitnessKey, trust: str
) -> None:
    """Nothing else stands on standard output."""
    async with shown(TileLog("true", 300)) as url:
        done = await run(
            "cosign", "--dir", str(witness_dir), "--gateway", url, "--trust", trust
        )

    assert (done.status, done.err) == (0, "")
    assert verify_checkpoint(done.out, TRUST).size == 300
    assert verify_cosignatures(done.out, [witness_key])


async def test_death_before_the_note_is_written_is_made_up_for(
    witness_dir: Path, trust: str, tmp_path: Path
) -> None:
    """What was kept is countersigned again by the next look."""
    out = tmp_path / "checkpoint"
    options = ("--dir", str(witness_dir), "--trust", trust, "--out", str(out))
    async with shown(TileLog("true", 300)) as url:
        died = await run(
            *("cosign", "--gateway", url, *options),
            program="tests.witness.dies_after_keeping",
        )
        assert died.status == -signal.SIGKILL
        assert not out.exists()
        seen = WitnessFolder(witness_dir).seen(ORIGIN)
        assert seen is not None
        assert seen.checkpoint.size == 300
        assert (await run("cosign", "--gateway", url, *options)).status == 0
    assert verify_checkpoint(out.read_text(encoding="utf-8"), TRUST).size == 300


async def test_follower_ends_where_the_past_was_rewritten(
    witness_dir: Path, trust: str, tmp_path: Path
) -> None:
    """It goes on through failures and growth; two histories end it with status 1."""
    true, false = TileLog("true", 300), TileLog("rewritten", MOST)
    true.answers["checkpoint"] = web.Response(status=503)
    out = tmp_path / "checkpoint"
    async with shown(true) as url:
        process = await begun(
            (
                *("cosign", "--dir", str(witness_dir), "--gateway", url),
                *("--trust", trust, "--out", str(out), "--follow", "1"),
            )
        )
        assert process.stdout is not None
        assert process.stderr is not None
        assert b"status 503; trying again in 1 s" in await process.stderr.readline()
        del true.answers["checkpoint"]
        assert b"countersigned 300 entries" in await process.stdout.readline()
        true.becomes(false)
        _out, err = await asyncio.wait_for(process.communicate(), 60)

    assert process.returncode == 1
    assert b"rewritten its past" in err
    assert verify_checkpoint(out.read_text(encoding="utf-8"), TRUST).size == 300


async def test_statuses_of_a_look(
    witness_dir: Path, trust: str, tmp_path: Path
) -> None:
    """1 for what may pass or does not hold, 2 for what somebody must mend."""
    log = TileLog("true", 300)
    occupied = tmp_path / "occupied"
    occupied.write_text("my thesis\n")
    async with shown(log) as url:
        base = ("cosign", "--gateway", url, "--trust", trust)
        here = (*base, "--dir", str(witness_dir))
        assert (await run(*here, "--out", str(occupied))).status == 2
        assert occupied.read_text() == "my thesis\n"
        nowhere = await run(*base, "--dir", str(tmp_path / "nowhere"))
        log.answers["checkpoint"] = web.Response(status=503)
        away = await run(*here)
        (witness_dir / "state.json").unlink()
        forgotten = await run(*here)

    assert (nowhere.status, away.status, forgotten.status) == (2, 1, 2)
    assert "holds no witness" in nowhere.err
    assert "status 503" in away.err
    assert "forgotten" in forgotten.err
    for ended in (nowhere, away, forgotten):
        assert (ended.out, ended.err.count("\n")) == ("", 1)


def test_what_was_seen_is_flushed_before_it_counts(
    witness_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file, then its name, then the folder: a power cut forgets nothing signed."""
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def flushed(descriptor: int) -> None:
        done.append("flush " + Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    def renamed(path: Path, target: Path) -> Path:
        done.append(f"rename {path.name} {target.name}")
        return replace(path, target)

    with WitnessFolder(witness_dir).locked() as state:
        monkeypatch.setattr(os, "fsync", flushed)
        monkeypatch.setattr(Path, "replace", renamed)
        WitnessState.keep(state, Seen.of(MadeUpLog().note(5)))

    assert done == [
        "flush .state.json.new",
        "rename .state.json.new state.json",
        "flush witness",
    ]
