"""From a draft to a pack in use: two officers, then activation, with real commands."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import date, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from crypto.key_files import public_key_file
from crypto.keys import OpeningKey
from gateway.cli.main import main
from settlement import policies
from settlement.domain.calendar import SHANGHAI
from settlement.service.policy_shelf import PolicyShelf
from settlement.store.database import Database
from settlement.store.policies import read_packs
from tests.gateway.test_commands import Operator

NAME = "beijing@2023.1"


class Office:
    """An installation that is no sandbox, with officers and their keys."""

    def __init__(self, operator: Operator, folder: Path) -> None:
        self.operator = operator
        self.folder = folder
        self.pack = folder / "beijing.yaml"
        self.pack.write_bytes(policies.read("beijing-2023.yaml"))

    def officer(self, code: str, role: str = "officer", key: str = "") -> Path:
        """Register somebody with an ed25519 key of their own."""
        path = self.folder / f"{key or code}.key.json"
        self.operator.ok(
            *("party", "add", code, "--role", role, "--name", code),
            *("--alg", "ed25519", "--key-out", path),
        )
        return path

    def approve(self, key: Path) -> str:
        """Approve the pack with a key."""
        return self.operator.ok("policy", "approve", self.pack, "--key", key)

    def activate(self, *options: str) -> str:
        """Bring the pack into use."""
        return self.operator.ok("policy", "activate", NAME, *options)

    def refused(self, *options: str) -> str:
        """The sentence of an activation that must fail."""
        return self.operator.refused("policy", "activate", NAME, *options)


@pytest.fixture
def office(data_dir: Path, database_dsn: str, tmp_path: Path) -> Office:
    """A real installation without any pack."""
    operator = Operator(data_dir, database_dsn)
    seal = tmp_path / "seal.json"
    seal.write_bytes(public_key_file(OpeningKey.generate(os.urandom).public))
    operator.ok("init", "--bureau-public-key", seal)
    return Office(operator, tmp_path)


def test_two_officers_bring_a_pack_into_use(office: Office) -> None:
    """The first signature waits for a second person's; then it can be activated."""
    first = office.approve(office.officer("li"))
    assert "one more officer" in first
    assert "1 valid approval of 2" in office.refused("--accept-unconfirmed")

    second = office.approve(office.officer("wang"))
    assert "li、wang" in second
    activated = json.loads(office.activate("--accept-unconfirmed", "--json"))

    assert activated["officers"] == ["li", "wang"]
    assert activated["retroactive"] is True
    assert "active since" in office.refused("--accept-unconfirmed")


def test_one_person_with_two_keys_is_one_person(office: Office) -> None:
    """A second key of the same officer is no second officer."""
    office.approve(office.officer("li"))
    again = office.approve(office.officer("li", key="li-2"))

    assert "signed before" in again
    assert "1 valid approval of 2" in office.refused("--accept-unconfirmed")


def test_the_key_may_stay_on_the_officers_machine(
    office: Office, tmp_path: Path
) -> None:
    """Signed where no database is; the gateway keeps the signature only if it holds."""
    signed = tmp_path / "li.approval.json"
    key = office.officer("li")
    words = ["policy", "approve", str(office.pack)]
    alone = CliRunner().invoke(main, [*words, "--key", str(key), "--out", str(signed)])
    assert alone.exit_code == 0, alone.output

    kept = office.operator.ok("policy", "approve", office.pack, "--signed", signed)
    assert "li" in kept

    other = tmp_path / "other.yaml"
    other.write_bytes(office.pack.read_bytes() + b"# one line more\n")
    refused = office.operator.refused("policy", "approve", other, "--signed", signed)
    assert "does not hold for this pack" in refused
    again = CliRunner().invoke(main, [*words, "--key", str(key), "--out", str(signed)])
    assert "never overwritten" in again.output
    assert "give --key to sign" in office.operator.refused(*words)


def test_a_shared_secret_approves_nothing(office: Office, tmp_path: Path) -> None:
    """What the gateway knows too is nobody's signature."""
    path = tmp_path / "shared.key.json"
    office.operator.ok(
        *("party", "add", "chen", "--role", "officer", "--name", "chen"),
        *("--key-out", path),
    )
    key_id = json.loads(path.read_bytes())["key_id"]
    forged = tmp_path / "forged.json"
    forged.write_text(
        json.dumps({"key_id": key_id, "sha256": "00", "signature": "AA=="})
    )

    sentence = office.operator.refused(
        "policy", "approve", office.pack, "--signed", forged
    )

    assert "shared secret" in sentence


def test_unconfirmed_readings_must_be_accepted(office: Office) -> None:
    """What no decree says is named, and applied on somebody's word only."""
    office.approve(office.officer("li"))
    office.approve(office.officer("wang"))

    sentence = office.refused()

    assert "no decree confirms" in sentence
    assert "emergency" in sentence


@pytest.mark.parametrize("role", ["bureau", "auditor"])
def test_nobody_but_officers_approves(office: Office, role: str) -> None:
    """Other parties' keys sign requests, not packs."""
    key = office.officer("somebody", role)

    sentence = office.operator.refused("policy", "approve", office.pack, "--key", key)

    assert "who is no officer" in sentence


def test_a_revoked_or_unknown_key_approves_nothing(
    office: Office, tmp_path: Path
) -> None:
    """The key must be registered, and still be the officer's."""
    key = office.officer("li")
    office.operator.ok("party", "revoke-key", json.loads(key.read_bytes())["key_id"])
    assert "revoked" in office.operator.refused(
        "policy", "approve", office.pack, "--key", key
    )

    shared = tmp_path / "shared.key.json"
    office.operator.ok(
        *("party", "add", "chen", "--role", "officer", "--name", "chen"),
        *("--key-out", shared),
    )
    assert "not an officer's ed25519 key" in office.operator.refused(
        "policy", "approve", office.pack, "--key", shared
    )


def test_a_fictional_pack_never_counts_outside_a_sandbox(
    office: Office, tmp_path: Path
) -> None:
    """Two signatures do not make an invented number real."""
    demo = tmp_path / "demo.yaml"
    demo.write_bytes(policies.read("demo-district.yaml"))
    for name in ("li", "wang"):
        key = office.officer(name)
        office.operator.ok("policy", "approve", demo, "--key", key)

    sentence = office.operator.refused("policy", "activate", "demo-district@2000.1")

    assert "fictional" in sentence


def test_a_pack_given_at_init_waits_for_officers(office: Office) -> None:
    """`init --policy` brings a pack; it does not put it into use."""
    said = office.operator.ok("init", "--policy", office.pack)

    assert f"{NAME} waits for officers" in said
    assert "0 valid approvals of 2" in office.refused("--accept-unconfirmed")


def test_another_document_under_a_taken_version_is_refused(office: Office) -> None:
    """A correction needs a new version."""
    key = office.officer("li")
    office.approve(key)
    office.pack.write_bytes(office.pack.read_bytes() + b"# changed\n")

    sentence = office.operator.refused("policy", "approve", office.pack, "--key", key)

    assert "a correction needs a new version" in sentence


def test_a_correction_for_the_same_day_decides_over_what_it_corrects(
    office: Office, database_dsn: str
) -> None:
    """Both begin at one midnight; the one activated last is the later known."""
    keys = [office.officer("li"), office.officer("wang")]
    corrected = office.folder / "corrected.yaml"
    text = office.pack.read_text(encoding="utf-8")
    corrected.write_text(
        text.replace("version: '2023.1'", "version: '2023.1.1'"), encoding="utf-8"
    )
    # The correction lies here before the first one is activated.
    for pack in (corrected, office.pack):
        for key in keys:
            office.operator.ok("policy", "approve", pack, "--key", key)

    for name in (NAME, "beijing@2023.1.1"):
        office.operator.ok(
            *("policy", "activate", name, "--from", "2100-01-01"),
            "--accept-unconfirmed",
        )

    async def decider() -> str:
        database = await Database.open(database_dsn, max_size=1)
        try:
            shelf = PolicyShelf(await read_packs(database), sandbox=False)
            at = datetime(2100, 1, 1, 12, tzinfo=SHANGHAI)
            return shelf.in_force_on(date(2100, 1, 1), at).pack.ref.version
        finally:
            await database.close()

    assert asyncio.run(decider()) == "2023.1.1"
