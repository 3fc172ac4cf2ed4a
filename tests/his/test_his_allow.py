"""`medaid his allow`, `list`, `revoke`, as an operator types them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from crypto import sm2
from tests.security.certificates import Authority
from tests.support import postgres
from tests.support.sources import PROJECT


def medaid(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command."""
    return subprocess.run(
        [sys.executable, "-m", "gateway.cli.main", *arguments],
        capture_output=True, check=False, cwd=PROJECT, text=True, timeout=120,
    )  # fmt: skip


@pytest.fixture(scope="module")
def data_dir() -> Iterator[str]:
    """A sandbox with one hospital."""
    folder = postgres.make_folder()
    at = ("--data-dir", f"{folder}/var")
    try:
        made = medaid("init", "--sandbox", *at)
        assert made.returncode == 0, made.stderr
        added = medaid(
            "facility", "add", "H001", "--key-out", f"{folder}/key.json", *at
        )
        assert added.returncode == 0, added.stderr
        yield f"{folder}/var"
    finally:
        postgres.remove_folder(Path(folder))


def allow(data_dir: str, *options: str) -> subprocess.CompletedProcess[str]:
    """`his allow H001`."""
    return medaid(
        "his", "allow", "H001", "--fixmedins-code", "H99010000001", *options,
        "--data-dir", data_dir,
    )  # fmt: skip


def test_weak_ones_are_asked_for_by_name(data_dir: str) -> None:
    """And told what is weak about them."""
    refused = allow(data_dir, "--profile", "x-tif")
    assert refused.returncode == 1
    assert "--weak" in refused.stderr
    told = json.loads(allow(data_dir, "--profile", "x-tif", "--weak", "--json").stdout)
    assert told["weak"] is True
    assert len(told["secret"]) >= 40
    signed = allow(data_dir, "--profile", "x-tif", "--sign-requests", "--json")
    assert json.loads(signed.stdout)["weak"] is False


def test_secret_goes_into_a_file_for_its_owner(data_dir: str, tmp_path: Path) -> None:
    """Then not to the screen, and never into the list."""
    file = tmp_path / "account.json"
    made = allow(data_dir, "--profile", "x-tif", "--weak", "--secret-out", str(file))
    assert made.returncode == 0, made.stderr
    account = json.loads(file.read_bytes())
    assert file.stat().st_mode & 0o077 == 0
    assert account["secret"] not in made.stdout
    again = allow(data_dir, "--profile", "x-tif", "--weak", "--secret-out", str(file))
    assert again.returncode == 1
    listed = medaid("his", "list", "--json", "--data-dir", data_dir).stdout
    assert account["paasid"] in listed
    assert account["secret"] not in listed
    ended = medaid("his", "revoke", account["paasid"], "--data-dir", data_dir)
    assert ended.returncode == 0, ended.stderr
    twice = medaid("his", "revoke", account["paasid"], "--data-dir", data_dir)
    assert twice.returncode == 1
    listed = medaid("his", "list", "--json", "--data-dir", data_dir).stdout
    assert account["paasid"] not in listed
    kept = medaid("his", "list", "--all", "--json", "--data-dir", data_dir).stdout
    assert account["paasid"] in kept


def test_certificate_and_session(data_dir: str, tmp_path: Path) -> None:
    """Both are no weak ones; each is allowed once."""
    file = tmp_path / "hospital.pem"
    file.write_bytes(Authority.new().certificate.public_bytes(Encoding.PEM))
    options = "--profile", "mutual-tls", "--certificate", str(file), "--json"
    told = json.loads(allow(data_dir, *options).stdout)
    assert told["weak"] is False
    assert told["fingerprint"].startswith("sha256:")
    assert "allowed already" in allow(data_dir, *options).stderr
    assert allow(data_dir, "--profile", "sign-in").returncode == 0
    shown = medaid("his", "list", "--data-dir", data_dir)
    assert "mutual-tls" in shown.stdout


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--profile", "mutual-tls"), "--certificate"),
        (("--profile", "encdata", "--weak"), "--sm2-public-key"),
        (("--profile", "sign-in", "--network", "10.0.0.1/8"), "--network"),
    ],
)
def test_what_lacks_is_told(data_dir: str, options: tuple[str, ...], says: str) -> None:
    """In one sentence."""
    refused = allow(data_dir, *options)
    assert refused.returncode == 1
    assert says in refused.stderr


@pytest.mark.skipif(not sm2.is_available(), reason="no wheel of gmssl-pyx")
def test_account_that_wraps(data_dir: str) -> None:
    """With the hospital's key, and the gateway's for it."""
    _, public = sm2.new_keys()
    options = "--profile", "encdata", "--weak", "--json"
    told = json.loads(
        allow(data_dir, *options, "--sm2-public-key", public.hex()).stdout
    )
    assert {"app_id", "secret", "gateway_public_key"} <= told.keys()
    assert len(told["app_id"]) >= 16
    odd = allow(data_dir, *options, "--sm2-public-key", "01" * 64)
    assert "curve" in odd.stderr
    other = allow(
        data_dir, *options, "--sm2-public-key", public.hex(), "--variant", "hex=odd"
    )
    assert "upper, lower" in other.stderr


def test_nobody_who_is_no_facility_here(data_dir: str) -> None:
    """It is registered first."""
    refused = medaid(
        "his", "allow", "H404", "--fixmedins-code", "H1", "--profile", "sign-in",
        "--data-dir", data_dir,
    )  # fmt: skip
    assert refused.returncode == 1
    assert "medaid facility add" in refused.stderr
