"""Every way in which a start can fail ends in one sentence that says what to do.

A table over the real program: the fault, what the sentence must name, and that
nothing of a password or key is in it.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.endings import MAY_PASS, NEEDS_REPAIR
from tests.acceptance.gateway_process import PROJECT, environment
from tests.gateway.test_serve import line, serving
from tests.security.conftest import execute
from tests.support.small_disk import fill, is_root, small_disk

PASSWORD = "pw-Tr0ub4dor"
WITHIN_S = 60
_MODULE = (sys.executable, "-m", "gateway.cli.main")


def run(
    *arguments: str, stdout: int | None = subprocess.PIPE, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; a hang is a failure."""
    return subprocess.run(
        [*_MODULE, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=WITHIN_S,
        env=environment() | variables,
        cwd=PROJECT,
    )


def assert_one_sentence(
    done: subprocess.CompletedProcess[str],
    *parts: str,
    usage: bool = False,
    status: int | None = None,
) -> None:
    """Non-zero; one line on stderr that names the parts; no traceback, no password.

    `usage`: a wrong use of an option, to which the command's synopsis belongs.
    `status`: by it a service manager tells what to start again.
    """
    said = done.stderr
    assert done.returncode != 0, (done.stdout, said)
    assert status in (None, done.returncode), (done.returncode, said)
    assert "Traceback" not in said
    assert PASSWORD not in said + (done.stdout or "")
    assert "ready " not in (done.stdout or "")
    lines = [each for each in said.splitlines() if each]
    if usage:
        lines = [each for each in lines if not each.startswith(("Usage: ", "Try "))]
    assert len(lines) == 1, said
    assert lines[0].startswith("Error: "), said
    assert 30 < len(lines[0]) < 2_000, said
    for part in parts:
        assert part in lines[0], (part, said)


#: By one worker and by two in turn: some faults are met by workers alone.
_workers = itertools.cycle(("1", "2"))


def serve(place: list[str], *options: str) -> Callable[..., None]:
    """Start the gateway whenever it is called; the start must fail and say this."""

    def must_say(*parts: str, status: int | None = None) -> None:
        done = run(
            *("serve", *place, "--port", "0", *options), MEDAID_WORKERS=next(_workers)
        )
        assert_one_sentence(done, *parts, status=status)

    return must_say


SETTINGS = {
    "not TOML": ('port = "x', "not TOML"),
    "binary": ("\x00\x01", "not TOML"),
    "unknown": ("colour = 1", "no setting 'colour'"),
    "section": ("[serve]\nport = 1", "no setting 'serve'"),
    "wrong type": ('drain_s = "soon"', "'drain_s'"),
    "list": ("host = [1]", "'host'"),
    "fraction": ("drain_s = 1.5", "'drain_s'"),
    "below": ("max_body_bytes = 0", "'max_body_bytes'"),
    "above": ("session_hours = 13", "'session_hours'"),
    "negative": ("drain_s = -1", "'drain_s'"),
    "huge": ("drain_s = 99999999999999999999", "'drain_s'"),
    "no such host": ('host = "a b"\nbehind_proxy = true', "is not known"),
    "host too long": (f'host = "{"a" * 300}"\nbehind_proxy = true', "is not known"),
    "host of dots": ('host = "中文..中"\nbehind_proxy = true', "is not known"),
    "open to all": ('host = "0.0.0.0"', "loopback only"),
    "half of TLS": ('tls_cert = "cert.pem"', "go together"),
    "log level": ('log_level = "loud"', "'log_level'"),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_wrong_settings(place: list[str], tmp_path: Path, name: str) -> None:
    """Each kind of wrong settings file."""
    text, part = SETTINGS[name]
    config = tmp_path / "gateway.toml"
    config.write_text(text, encoding="utf-8")

    done = run("serve", *place, "--port", "0", "--config", str(config))

    # A host may be known once the network is up.
    status = MAY_PASS if part == "is not known" else NEEDS_REPAIR
    assert_one_sentence(done, part, status=status)


def test_settings_that_cannot_be_read(place: list[str], tmp_path: Path) -> None:
    """Not there, a folder, and an option out of its range."""
    for config in (tmp_path / "gone.toml", tmp_path):
        done = run("serve", *place, "--config", str(config))
        assert_one_sentence(done, str(config), usage=True, status=NEEDS_REPAIR)
    assert_one_sentence(
        run("serve", *place, "--port", "65536"),
        "--port",
        usage=True,
        status=NEEDS_REPAIR,
    )
    assert_one_sentence(
        run("serve", *place, MEDAID_PORT="x"), "'port'", status=NEEDS_REPAIR
    )


def addresses(dsn: str) -> dict[str, tuple[str, str]]:
    """Databases that cannot be used, and what the sentence says."""
    other = dsn.replace("/test_", "/no_such_")
    return {
        "port refused": (
            f"postgresql://u:{PASSWORD}@127.0.0.1:1/x", "PostgreSQL lets nobody in",
        ),
        "host unknown": (
            f"postgresql://u:{PASSWORD}@no-such.invalid/x", "PostgreSQL lets nobody in",
        ),
        "no such database": (other, "does not exist"),
        "no such user": (dsn.replace("medaid@", f"ghost:{PASSWORD}@"), "ghost"),
        "port is a word": (f"postgresql://u:{PASSWORD}@h:{PASSWORD}/x", "malformed"),
        "two at signs": (f"postgresql://u:a@{PASSWORD}@h:p/x", "malformed"),
        "another scheme": (f"mysql://u:{PASSWORD}@h/x", "postgresql"),
        "no address": ("somewhere", "postgresql"),
        "bad option": (f"{dsn}&sslmode=perhaps", "sslmode"),
    }  # fmt: skip


@pytest.mark.parametrize("command", ["serve", "init", "check-books", "party list"])
def test_database_that_lets_nobody_in(place: list[str], command: str) -> None:
    """The address is wrong in each of these ways; its password is never said."""
    dsn = place[-1]
    assert "no_such" not in dsn
    for address, part in addresses(dsn).values():
        done = run(
            *command.split(),
            *place[:2],
            MEDAID_DSN=address,
            MEDAID_WORKERS=next(_workers),
        )
        assert_one_sentence(done, part, status=MAY_PASS)


def test_server_that_could_lose_a_settlement(place: list[str]) -> None:
    """The user's own settings may not switch durability off."""
    execute(
        place[-1],
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off',"
        " current_database()); END $$",
    )

    serve(place)("synchronous_commit", "settling needs on", status=MAY_PASS)


def as_file(content: bytes) -> Callable[[Path], object]:
    """Put this in the place of a key."""
    return lambda path: path.write_bytes(content)


DAMAGED_KEYS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "empty": ("record-sign.json", as_file(b""), "cannot be used"),
    "empty secret": ("token.key", as_file(b""), "32 bytes in base64"),
    "cut": ("bureau-seal.json", as_file(b'{"key_id": "bs-'), "cannot be used"),
    "binary": ("checkpoint-sign.json", as_file(b"\xff\x00" * 99_999), "cannot be used"),
    "short": ("party-secret.key", as_file(b"AAAA\n"), "32 bytes in base64"),
    "missing": ("token.key", Path.exists, "medaid init"),
    "link": ("token.key", lambda path: path.symlink_to("elsewhere"), "plain file"),
    "pipe": ("record-sign.json", lambda path: os.mkfifo(path, 0o600), "plain file"),
    "folder": ("party-secret.key", lambda path: path.mkdir(), "plain file"),
}


@pytest.mark.parametrize("name", DAMAGED_KEYS)
def test_damaged_key(place: list[str], data_dir: Path, name: str) -> None:
    """Each way in which a key can be wrong; the sentence names the file."""
    file, damage, part = DAMAGED_KEYS[name]
    path = data_dir / "keys" / file
    path.unlink()
    damage(path)
    if path.is_file() and not path.is_symlink():
        path.chmod(0o600)

    serve(place)(file, part, status=NEEDS_REPAIR)


def test_keys_open_to_others(place: list[str], data_dir: Path) -> None:
    """The file's mode, the folder's mode, another role's key, another user's."""
    keys = data_dir / "keys"
    must_say = serve(place)
    for mode in (0o640, 0o602):
        (keys / "record-sign.json").chmod(mode)
        must_say("record-sign.json", "can be read by others")
    (keys / "record-sign.json").chmod(0o600)
    for mode in (0o750, 0o701):
        keys.chmod(mode)
        must_say(str(keys), "open to others")
        assert_one_sentence(run("init", *place), str(keys), "open to others")
    keys.chmod(0o700)
    sound = (keys / "record-sign.json").read_bytes()
    shutil.copy2(keys / "checkpoint-sign.json", keys / "record-sign.json")
    must_say("record-sign.json", "not a record-sign key")
    (keys / "record-sign.json").write_bytes(sound)
    if os.geteuid() == 0:
        os.chown(keys / "token.key", 65_534, 65_534)
        must_say("token.key", "belongs to another user")


def test_installation_and_trust(place: list[str], data_dir: Path) -> None:
    """Damaged, of another installation, not there, no file."""
    must_say = serve(place)
    trust, installation = data_dir / "trust.json", data_dir / "installation.json"
    sound, members = trust.read_bytes(), json.loads(installation.read_bytes())
    for damaged in (
        b"",
        b"{}",
        b"x",
        sound[:-20],
        b"[]",
        sound.replace(b"cs-", b"rs-"),
    ):
        trust.write_bytes(damaged)
        must_say("trust.json", status=NEEDS_REPAIR)
    trust.write_bytes(sound.replace(b"medaid/sandbox", b"medaid/another"))
    must_say("trust.json", "medaid/another")
    document = json.loads(sound)
    document["keys"] = document["keys"][:1]
    trust.write_text(json.dumps(document), encoding="utf-8")
    must_say("trust.json", "does not name the key", "medaid init")
    trust.unlink()
    must_say("trust.json", "medaid init")
    trust.write_bytes(sound)
    for text in ("", "[]", json.dumps({"sandbox": members["sandbox"]})):
        installation.write_text(text, encoding="utf-8")
        must_say("installation.json", "cannot be read")
    installation.unlink()
    must_say("medaid init", status=NEEDS_REPAIR)


def test_data_folder(place: list[str], data_dir: Path, tmp_path: Path) -> None:
    """Nothing there, a file in its place, a file where a folder has to be."""
    gone = ["--data-dir", str(tmp_path / "gone"), *place[2:]]
    serve(gone)("medaid init", str(tmp_path / "gone"))
    file = tmp_path / "file"
    file.touch()
    below = ["--data-dir", str(file / "x"), *place[2:]]
    serve(below)("Not a directory")
    assert_one_sentence(run("init", "--sandbox", *below), "Not a directory")
    on_it = ["--data-dir", str(file), *place[2:]]
    assert_one_sentence(run("serve", *on_it), str(file), usage=True)
    cache, mark = data_dir / "cache", data_dir / "checkpoint"
    shutil.rmtree(cache, ignore_errors=True)
    cache.touch()
    serve(place)(str(cache), "cannot be used")
    cache.unlink()
    mark.unlink(missing_ok=True)
    mark.mkdir()
    serve(place)("checkpoint", "Is a directory")


def test_mark_that_is_damaged(place: list[str], data_dir: Path) -> None:
    """The file that notices a database that went back must itself be sound."""
    mark = data_dir / "checkpoint"
    for text in ("", "medaid/x\n1\n****\n"):
        mark.write_text(text, encoding="utf-8")
        serve(place)("checkpoint", "damaged")


SCHEMAS = {
    "from the future": (
        "INSERT INTO schema_migration (number) VALUES (9999)",
        ("9999", "newer than this program"),
        ("9999", "newer than this program"),
    ),
    "not made": (
        "DROP TABLE schema_migration",
        ("medaid init",),
        ("schema", "cannot be brought to 1"),
    ),
    "half made": (
        "DELETE FROM schema_migration WHERE number > 2",
        ("medaid init",),
        ("schema", "cannot be brought to 3"),
    ),
    "a table lost": ("DROP TABLE session", ("lost its table session",), ()),
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema(place: list[str], name: str) -> None:
    """What is not this program's schema is neither served nor patched over."""
    change, served, made = SCHEMAS[name]
    execute(place[-1], change)

    serve(place)(*served)
    assert_one_sentence(run("check-books", *place), *served)
    if made:
        assert_one_sentence(run("init", *place), *made)


def test_user_without_rights(place: list[str]) -> None:
    """A database user who may look at nothing."""
    dsn = place[-1]
    role = f"ghost_{os.getpid()}"
    execute(dsn, f"CREATE ROLE {role} LOGIN")
    try:
        done = run(
            *("serve", *place[:2], "--port", "0"),
            MEDAID_DSN=dsn.replace("medaid@", f"{role}@"),
        )
        assert_one_sentence(done, "insufficient privilege")
    finally:
        execute(dsn, f"DROP ROLE {role}")


@pytest.mark.parametrize("option", ["--port", "--metrics-port"])
def test_busy_port(place: list[str], option: str) -> None:
    """The main listener's and the metrics listener's."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        serve(place, option, port)(port, "is in use", status=MAY_PASS)


async def test_second_gateway(place: list[str]) -> None:
    """On the same data folder, whatever its port."""
    async with serving(*place, "--port", "0") as process:
        await line(process, "ready ")
        assert_one_sentence(
            run("serve", *place, "--port", "0"),
            place[1],
            "another gateway",
            status=MAY_PASS,
        )
    # The lock goes with the process, however it ended.
    async with serving(*place, "--port", "0") as process:
        assert await line(process, "ready ")


@is_root
def test_disk_full_at_start(place: list[str], data_dir: Path, tmp_path: Path) -> None:
    """No room for lock, cache or metrics: said, and served once there is room."""
    with small_disk(tmp_path / "disk", "4m") as disk:
        moved = ["--data-dir", str(disk / "var"), *place[2:]]
        shutil.copytree(data_dir, disk / "var", ignore=lambda *_: {"cache", "run"})
        filler = disk / "filler"
        fill(filler)
        serve(moved)("No space left on device", status=MAY_PASS)


@is_root
def test_init_on_a_full_disk_can_be_finished(empty_dsn: str, tmp_path: Path) -> None:
    """Wherever it broke off, the next `init` completes it and nothing half stands."""
    with small_disk(tmp_path / "disk", "64k") as disk:
        place = ["--data-dir", str(disk / "var"), "--dsn", empty_dsn]
        (disk / "var").mkdir()
        for room in (0, 1, 2, 4, 6, 9):
            filler = disk / "filler"
            fill(filler)
            with filler.open("r+b") as file:
                file.truncate(max(0, filler.stat().st_size - room * 4_096))
            done = run("init", "--sandbox", *place)
            if done.returncode != 0:
                assert_one_sentence(done, "No space left on device")
            filler.unlink()
        done = run("init", "--sandbox", *place)
        assert done.returncode == 0, done.stderr
        assert not [path for path in (disk / "var").rglob(".*") if path.is_file()]


def test_streams_and_surroundings(place: list[str], data_dir: Path) -> None:
    """A full or closed output, no home, a plain locale."""
    with Path("/dev/full").open("wb") as full:
        done = run("serve", *place, "--port", "0", stdout=full.fileno())
        assert_one_sentence(done, "No space left on device")
    (data_dir / "keys" / "token.key").unlink()
    bare = {"PATH": os.environ["PATH"], "LC_ALL": "C", "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(
        [*_MODULE, "serve", *place, "--port", "0"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=WITHIN_S,
        env=bare,
        cwd=PROJECT,
    )
    assert_one_sentence(done, "token.key")
    closed = subprocess.run(
        [
            "/bin/sh",
            "-c",
            'exec "$@" <&- >&-',
            "sh",
            *_MODULE,
            "serve",
            *place,
            "--port",
            "0",
        ],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=WITHIN_S,
        env=environment(),
        cwd=PROJECT,
    )
    assert_one_sentence(closed, "token.key")


def test_roster_that_cannot_be_read(place: list[str], tmp_path: Path) -> None:
    """Not there, no manifest, without its data."""
    for name, text in (("gone.json", None), ("junk.json", "junk"), ("list.json", "[]")):
        manifest = tmp_path / name
        if text is not None:
            manifest.write_text(text, encoding="utf-8")
        done = run("roster", "import", str(manifest), *place)
        assert_one_sentence(done, usage=text is None)
