"""Units, proxies and database settings: checked by the programs that read them."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from gateway.config import ServeSettings, read_settings
from gateway.endings import NEEDS_REPAIR
from settlement.store.database import REQUIRED_SETTINGS, Database
from tests.operations.certificates import write_certificate
from tests.support.sources import PROJECT

DEPLOY = PROJECT / "deploy"
_NGINX_FOLDERS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def _program(name: str) -> str:
    program = shutil.which(name, path=f"{_path()}:/usr/sbin:/sbin")
    if program is None:
        pytest.skip(f"no {name} here: its file was not checked")
    return program


def _path() -> str:
    return os.environ.get("PATH", "")


def _passes(*command: str) -> None:
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Make a folder with a certificate and its key, as the proxies name them."""
    return write_certificate(tmp_path)


def _with_paths(name: str, folder: Path) -> Path:
    text = (DEPLOY / "proxy" / name).read_text(encoding="utf-8")
    text = text.replace("/etc/medaid/tls/", f"{folder}/")
    text = text.replace("/var/log/nginx/", f"{folder}/")
    text = text.replace("/run/nginx.pid", f"{folder}/nginx.pid")
    # Where nginx is not installed for good, its own folders are not there.
    places = [f"{kind}_temp_path {folder}/{kind};" for kind in _NGINX_FOLDERS]
    text = text.replace("http {", "http {\n" + "\n".join(places))
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_nginx_takes_its_configuration(certificate: Path) -> None:
    """`nginx -t`, with a certificate of the test's own."""
    path = _with_paths("nginx.conf", certificate)

    _passes(_program("nginx"), "-t", "-q", "-c", str(path))


def test_haproxy_takes_its_configuration(certificate: Path) -> None:
    """`haproxy -c`, likewise."""
    path = _with_paths("haproxy.cfg", certificate)

    _passes(_program("haproxy"), "-c", "-f", str(path))


def test_proxies_wait_as_long_as_the_gateway() -> None:
    """A proxy that gives up before the gateway hides an outcome."""
    settings = ServeSettings()
    nginx = (DEPLOY / "proxy" / "nginx.conf").read_text(encoding="utf-8")
    haproxy = (DEPLOY / "proxy" / "haproxy.cfg").read_text(encoding="utf-8")

    for text in (
        f"client_header_timeout {settings.head_s}s;",
        f"client_body_timeout {settings.body_s}s;",
        f"keepalive_timeout {settings.idle_s}s;",
        "proxy_next_upstream off;",
    ):
        assert text in nginx
    for text in (
        f"timeout http-request {settings.head_s}s",
        f"timeout http-keep-alive {settings.idle_s}s",
        "retries 0",
    ):
        assert text in haproxy
    # The resolving of an unknown commit takes 30 s at most, the deadline 10 s.
    assert "proxy_read_timeout 90s;" in nginx
    assert "timeout server 90s" in haproxy


def test_nginx_writes_nothing_of_a_request() -> None:
    """No request line in the error log; bodies and answers only in memory."""
    text = (DEPLOY / "proxy" / "nginx.conf").read_text(encoding="utf-8")
    given = dict(re.findall(r"^\s*(\w+) ([^;\n]+);", text, re.MULTILINE))
    taken, kept = given["client_max_body_size"], given["client_body_buffer_size"]

    assert given["error_log"].endswith(" crit")
    assert given["proxy_max_temp_file_size"] == "0"
    assert taken == kept
    # Room for chunks' own lengths, and for the gateway to say what is too large.
    assert int(kept.removesuffix("k")) * 1024 >= 2 * ServeSettings().max_body_bytes


@pytest.mark.parametrize(
    "name",
    [
        "medaid.service",
        "medaid-check-books.service",
        "medaid-outliers.service",
        "medaid-roster-sweep.service",
    ],
)
def test_systemd_takes_the_units(name: str, tmp_path: Path) -> None:
    """`systemd-analyze verify`, with a program that exists in place of ours."""
    program = _program("systemd-analyze")
    text = (DEPLOY / "systemd" / name).read_text(encoding="utf-8")
    begun = "ExecStart=/opt/medaid/.venv/bin/medaid"
    assert begun in text
    unit = tmp_path / name
    unit.write_text(text.replace(begun, "ExecStart=/bin/true"), encoding="utf-8")
    for timer in (DEPLOY / "systemd").glob("*.timer"):
        shutil.copy(timer, tmp_path / timer.name)

    done = subprocess.run(
        [program, "verify", "--man=no", str(unit)],
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip

    said = done.stdout + done.stderr
    assert "medaid" not in said, said


def test_service_stops_later_than_the_drain() -> None:
    """systemd must not kill what is still answering."""
    text = (DEPLOY / "systemd" / "medaid.service").read_text(encoding="utf-8")
    stop_s = int(re.findall(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)[0])

    assert stop_s > ServeSettings().drain_s + 15
    for line in ("LimitCORE=0", "NoNewPrivileges=true", "ProtectSystem=strict",
                 "KillMode=mixed"):  # fmt: skip
        assert f"\n{line}\n" in text


def test_service_comes_back_unless_somebody_must_mend_it() -> None:
    """After each fault that may pass, however often; the statuses are the gateway's."""
    text = (DEPLOY / "systemd" / "medaid.service").read_text(encoding="utf-8")
    given = dict(
        re.findall(r"^(\w*(?:Restart|StartLimit)\w*)=(.*)$", text, re.MULTILINE)
    )

    assert given == {
        "Restart": "always",
        "RestartSec": "5",
        "StartLimitIntervalSec": "0",
        "RestartPreventExitStatus": str(NEEDS_REPAIR),
    }


def test_example_of_settings_is_accepted() -> None:
    """`serve.toml` by the gateway's own reader."""
    path = DEPLOY / "systemd" / "serve.toml"

    settings = read_settings({}, {}, path)

    given = tomllib.loads(path.read_text(encoding="utf-8"))
    assert {name: getattr(settings, name) for name in given} == given


async def test_postgresql_knows_every_setting(database: Database) -> None:
    """Names and values as PostgreSQL 18 has them; those that settling needs are on."""
    text = (DEPLOY / "postgresql" / "medaid.conf").read_text(encoding="utf-8")
    given = dict(re.findall(r"^(\w+) = '?([^'#\n]*?)'? *(?:#.*)?$", text, re.MULTILINE))
    async with database.pool.acquire() as connection:
        rows = await connection.fetch(
            "SELECT name, vartype, enumvals, unit FROM pg_settings"
            " WHERE name = ANY($1)",
            list(given),
        )

    assert {row["name"] for row in rows} == set(given)
    for row in rows:
        value = given[row["name"]]
        if row["vartype"] == "enum":
            assert value in row["enumvals"], row["name"]
        elif row["vartype"] == "bool":
            assert value in ("on", "off"), row["name"]
        elif row["vartype"] == "integer":
            pattern = r"\d+(?:kB|MB|GB|ms|s|min|h)?" if row["unit"] else r"\d+"
            assert re.fullmatch(pattern, value), row["name"]
    for name, accepted in REQUIRED_SETTINGS.items():
        assert given.get(name, accepted[0]) in accepted
    assert {"fsync", "full_page_writes", "synchronous_commit"} <= set(given)
