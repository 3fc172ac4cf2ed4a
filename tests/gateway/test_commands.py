"""`medaid init`, `party`, `facility` and `keys`, as an operator runs them."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from crypto.key_files import (
    parse_private_key_file,
    private_key_file,
    public_key_file,
)
from crypto.keys import OpeningKey, Role, SharedSecret, SigningKey, make_possession
from crypto.trust import parse_trust_file
from gateway.cli.main import main
from gateway.keyfiles import load_keys


class Operator:
    """Runs commands on one data folder and one database."""

    def __init__(self, data_dir: Path, dsn: str) -> None:
        self.data_dir = data_dir
        self._place = ["--data-dir", str(data_dir), "--dsn", dsn]

    def run(self, *arguments: str | Path) -> Result:
        """The outcome of one command, whatever it was."""
        words = [*map(str, arguments), *self._place]
        return CliRunner().invoke(main, words, catch_exceptions=False)

    def ok(self, *arguments: str | Path) -> str:
        """What a command that must succeed printed."""
        result = self.run(*arguments)
        assert result.exit_code == 0, result.output
        return result.output

    def refused(self, *arguments: str | Path) -> str:
        """The one sentence of a command that must fail."""
        result = self.run(*arguments)
        assert result.exit_code != 0
        assert result.output.startswith("Error: ")
        assert result.output.count("\n") == 1
        return result.output


@pytest.fixture
def operator(data_dir: Path, database_dsn: str) -> Operator:
    """Somebody with a fresh database and an empty folder."""
    return Operator(data_dir, database_dsn)


@pytest.fixture
def sandbox(operator: Operator) -> Operator:
    """The same, after `medaid init --sandbox`."""
    operator.ok("init", "--sandbox")
    return operator


def test_init_is_safe_to_run_again(sandbox: Operator) -> None:
    """Keys, trust file and log name stay what they are."""
    keys = load_keys(sandbox.data_dir)
    trust = (sandbox.data_dir / "trust.json").read_bytes()

    again = sandbox.ok("init", "--sandbox")
    plain = sandbox.ok("init")

    assert "keys made: none" in again
    assert "waits for officers" not in again
    assert plain.startswith("sandbox ready")
    assert load_keys(sandbox.data_dir).record_sign.kid == keys.record_sign.kid
    assert (sandbox.data_dir / "trust.json").read_bytes() == trust


def test_trust_file_of_a_sandbox_has_every_role(sandbox: Operator) -> None:
    """A verifier needs nothing else; sandbox keys are valid on any day."""
    trust = parse_trust_file((sandbox.data_dir / "trust.json").read_bytes())

    assert [key.role for key in trust.keys] == [
        Role.RECORD_SIGN,
        Role.CHECKPOINT_SIGN,
        Role.BUREAU_SEAL,
        Role.BUREAU_ROSTER,
    ]
    assert all(key.not_before is None for key in trust.keys)
    assert trust.origin.endswith(trust.keys[1].kid)


def test_real_gateway_needs_the_bureau_key(operator: Operator, tmp_path: Path) -> None:
    """Without it nothing is made; with it no private bureau key stands here."""
    assert "--bureau-public-key" in operator.refused("init")

    bureau = tmp_path / "bureau.json"
    opening = OpeningKey.generate(os.urandom)
    bureau.write_bytes(public_key_file(opening.public))
    operator.ok("init", "--bureau-public-key", bureau)

    assert load_keys(operator.data_dir).bureau_seal.kid == opening.kid
    assert not (operator.data_dir / "bureau").exists()
    trust = parse_trust_file((operator.data_dir / "trust.json").read_bytes())
    assert all(key.not_before is not None for key in trust.keys)
    assert "cannot become a sandbox" in operator.refused("init", "--sandbox")


def test_private_key_in_place_of_the_public_one_is_refused(
    operator: Operator, tmp_path: Path
) -> None:
    """The bureau's secret must not come here, and is not taken."""
    secret = tmp_path / "secret.json"
    secret.write_bytes(private_key_file(OpeningKey.generate(os.urandom)))

    assert "cannot be used" in operator.refused("init", "--bureau-public-key", secret)


def test_facility_gets_a_key_file_of_its_own(sandbox: Operator, tmp_path: Path) -> None:
    """JSON with key_id, alg and secret, closed to others, never overwritten."""
    path = tmp_path / "H001.key.json"
    arguments = (
        *("facility", "add", "H001", "--name", "第一医院", "--level", "2"),
        *("--subdistrict", "110101001", "--key-out", path),
    )

    sandbox.ok(*arguments)
    file = json.loads(path.read_bytes())

    assert set(file) == {"key_id", "alg", "secret"}
    assert file["alg"] == "hmac-sha256"
    assert isinstance(parse_private_key_file(path.read_bytes()), SharedSecret)
    assert path.stat().st_mode & 0o777 == 0o600
    assert "never overwritten" in sandbox.refused(*arguments)
    listed = json.loads(sandbox.ok("party", "list", "--json"))
    hospital = next(party for party in listed if party["code"] == "H001")
    assert (hospital["level"], hospital["subdistrict"]) == (2, "110101001")
    assert [key["key_id"] for key in hospital["keys"]] == [file["key_id"]]


def test_further_key_for_the_same_party(sandbox: Operator, tmp_path: Path) -> None:
    """Two keys overlap during a change; another role under the code is refused."""
    sandbox.ok("facility", "add", "H001", "--key-out", tmp_path / "a.json")
    sandbox.ok("facility", "add", "H001", "--key-out", tmp_path / "b.json")

    listed = json.loads(sandbox.ok("party", "list", "--json"))

    assert len(next(p for p in listed if p["code"] == "H001")["keys"]) == 2
    assert "registered already" in sandbox.refused(
        "party", "add", "H001", "--role", "auditor", "--name", "x",
        "--key-out", tmp_path / "c.json",
    )  # fmt: skip
    assert not (tmp_path / "c.json").exists()


def test_public_key_needs_proof_for_this_very_party(
    sandbox: Operator, tmp_path: Path
) -> None:
    """No proof, or another party's, is refused; the right one is taken."""
    key = SigningKey.generate(Role.PARTY, os.urandom)
    path = tmp_path / "key.json"
    arguments = ("party", "add", "aud-1", "--role", "auditor", "--name", "Auditor",
                 "--public-key", path)  # fmt: skip

    path.write_bytes(public_key_file(key.public))
    assert "no proof of possession" in sandbox.refused(*arguments)
    path.write_bytes(public_key_file(key.public, make_possession(key, "aud-2")))
    assert "was not made with this key" in sandbox.refused(*arguments)
    path.write_bytes(public_key_file(key.public, make_possession(key, "aud-1")))
    assert key.kid in sandbox.ok(*arguments)


def test_small_order_key_is_refused(sandbox: Operator, tmp_path: Path) -> None:
    """Under a point of small order anything verifies (RFC 8032 has eight of them)."""
    sound = json.loads(
        public_key_file(SigningKey.generate(Role.PARTY, os.urandom).public)
    )
    path = tmp_path / "weak.json"
    for weak in ("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
                 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
                 "7P///////////////////////////////////////38="):  # fmt: skip
        path.write_text(json.dumps(sound | {"public_key": weak}), encoding="utf-8")

        sandbox.refused("party", "add", "weak", "--role", "auditor", "--name", "x",
                        "--public-key", path)  # fmt: skip


def test_roster_key_of_a_bureau_joins_the_trust_file(
    sandbox: Operator, tmp_path: Path
) -> None:
    """A roster key belongs to a bureau alone, and verifiers learn of it."""
    key = SigningKey.generate(Role.BUREAU_ROSTER, os.urandom)
    path = tmp_path / "roster.json"
    path.write_bytes(public_key_file(key.public, make_possession(key, "east")))

    assert "belongs to a bureau" in sandbox.refused(
        "party", "add", "east", "--role", "auditor", "--name", "x", "--public-key", path
    )
    sandbox.ok("party", "add", "east", "--role", "bureau", "--name", "East",
               "--public-key", path)  # fmt: skip

    trust = parse_trust_file((sandbox.data_dir / "trust.json").read_bytes())
    assert trust.key(key.kid, Role.BUREAU_ROSTER).kid == key.kid


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("party", "add", "a b", "--role", "auditor", "--name", "x"), "letters,"),
        (("facility", "add", "H", "--subdistrict", "11"), "nine digits"),
        (("party", "add", "A", "--role", "auditor", "--name", "x", "--level", "1"),
         "level"),
    ],
)  # fmt: skip
def test_impossible_party_is_one_sentence(
    sandbox: Operator, tmp_path: Path, arguments: tuple[str, ...], part: str
) -> None:
    """Nothing is registered, and no key file is left."""
    path = tmp_path / "key.json"

    assert part in sandbox.refused(*arguments, "--key-out", path)
    assert not path.exists()


def test_key_is_made_or_brought_not_both(sandbox: Operator, tmp_path: Path) -> None:
    """Exactly one of the two options."""
    assert "either --key-out" in sandbox.refused("facility", "add", "H001")


def test_revoked_key_is_shown_as_such(sandbox: Operator, tmp_path: Path) -> None:
    """Revoking names the party; an unknown key is refused."""
    path = tmp_path / "a.json"
    sandbox.ok("facility", "add", "H001", "--key-out", path)
    key_id = json.loads(path.read_bytes())["key_id"]

    assert "of H001 is revoked" in sandbox.ok("party", "revoke-key", key_id)
    assert "revoked" in sandbox.ok("party", "list")
    assert "there is no key" in sandbox.refused("party", "revoke-key", "pt-0")


def test_keys_are_listed_and_exported(sandbox: Operator, tmp_path: Path) -> None:
    """The exported file is the trust file, byte for byte."""
    out = tmp_path / "trust.json"

    sandbox.ok("keys", "export-trust", "--out", out)

    assert out.read_bytes() == (sandbox.data_dir / "trust.json").read_bytes()
    assert sandbox.ok("keys", "export-trust") == out.read_text(encoding="utf-8")
    assert "checkpoint-sign" in sandbox.ok("keys", "list")
    assert json.loads(sandbox.ok("keys", "list", "--json"))["origin"]


@pytest.mark.parametrize(
    "arguments", [("keys", "list"), ("party", "list"), ("serve", "--port", "0")]
)
def test_without_init_commands_say_what_to_do(
    data_dir: Path, empty_dsn: str, arguments: tuple[str, ...]
) -> None:
    """One sentence that names init."""
    assert "medaid init" in Operator(data_dir, empty_dsn).refused(*arguments)
