"""A witness in a folder of its own, for tests that need no gateway."""

from pathlib import Path

import pytest

from crypto.cosignature import WitnessKey
from gateway.witness.folder import WitnessFolder, make_witness
from gateway.witness.rules import Witness
from tests.witness.made_up_log import ORIGIN, TRUST, random_bytes

#: What the clock of these witnesses says.
NOW = 1_767_578_400


@pytest.fixture
def witness_dir(tmp_path: Path) -> Path:
    """Make a witness with a fixed key."""
    folder = tmp_path / "witness"
    make_witness(folder, "witness.example/w1", random_bytes)
    return folder


@pytest.fixture
def witness_key(witness_dir: Path) -> WitnessKey:
    """Give the witness's public key."""
    return WitnessFolder(witness_dir).public_key


@pytest.fixture
def witness(witness_dir: Path) -> Witness:
    """Give a witness that follows the made-up log."""
    return Witness(WitnessFolder(witness_dir), {ORIGIN: TRUST}, lambda: NOW)
