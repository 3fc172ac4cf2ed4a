import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from crypto.cosignature import cosign
from crypto.merkle import RightEdge
from crypto.note import signature_line
from crypto.trust import trust_file
from gateway.cli.main import main
from tests.crypto.fixed import CHECKPOINTS, TRUST, receipt
from tests.crypto.month import Month
from tests.witness.made_up_log import OTHER_KEY, WITNESS, WITNESS_KEY


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Make a folder with the log's trust file."""
    (tmp_path / "trust.json").write_bytes(trust_file(TRUST))
    return tmp_path


def found(place: Path, name: str, *options: str) -> list[str]:
    """Codes of what `medaid verify` finds; status 1 exactly when there are any."""
    trust = ("--trust", str(place / "trust.json"))
    result = CliRunner().invoke(
        main, ["verify", str(place / name), *trust, "--json", *options]
    )
    findings = json.loads(result.stdout)["findings"]

    assert result.exit_code == (1 if findings else 0)
    return [each["code"] for each in findings]


def cosigned(note: str) -> str:
    """The note with lines of a witness and of a type that nobody knows."""
    line = cosign(note, WITNESS_KEY.name, WITNESS, 1_767_578_400)
    return note + line + signature_line(OTHER_KEY.name, b"\x06abc", bytes(2428))


def test_receipt_and_proof_with_a_cosigned_checkpoint_verify(place: Path) -> None:
    """`medaid verify` knows the log's key alone, and ignores other lines."""
    month = Month()
    document = receipt(month.records[0])
    document["checkpoint"] = cosigned(document["checkpoint"])
    (place / "receipt").write_text(json.dumps(document))
    (place / "record").write_bytes(month.records[0])
    proof = month.proofs[0].replace(month.note, cosigned(month.note))
    (place / "proof").write_text(proof)

    assert found(place, "receipt") == []
    assert found(place, "record", "--proof", str(place / "proof")) == []
    document["checkpoint"] = document["checkpoint"].replace("\n7\n", "\n8\n")
    (place / "receipt").write_text(json.dumps(document))
    assert found(place, "receipt") == ["MA-8103"]


def test_month_verifies_after_its_checkpoint_was_countersigned(place: Path) -> None:
    """The witness's lines are added to the folder's checkpoint alone, or to all."""
    month = Month()
    folder = month.write(place / "month")
    (folder / "checkpoint").write_text(cosigned(month.note))

    assert found(place, "month") == []
    for sid, proof in zip(month.sids, month.proofs, strict=True):
        path = folder / "proofs" / f"{sid}.tlog-proof"
        path.write_text(proof.replace(month.note, cosigned(month.note)))
    assert found(place, "month") == []
    (folder / "checkpoint").write_text(month.note)
    # Each proof, and that the records which the manifest counts are not there.
    assert found(place, "month") == ["MA-8602"] * 4


def test_proof_beside_a_cosigned_checkpoint_is_still_exact(place: Path) -> None:
    """Cut short, unsigned, or of another tree: no part of the month."""
    month = Month()
    other = CHECKPOINTS.sign(3, RightEdge().extend([bytes(32)] * 3).root)
    folder = month.write(place / "month")
    (folder / "checkpoint").write_text(cosigned(month.note))
    path = folder / "proofs" / f"{month.sids[0]}.tlog-proof"
    head = month.proofs[0].removesuffix(month.note)

    text = month.note.split("\n\n")[0]
    for note, code in (
        (month.note[:-1], "MA-8303"),
        (month.note[:-9], "MA-8303"),
        (f"{text}\n\n", "MA-8303"),
        (f"{text}\n", "MA-8303"),
        ("", "MA-8303"),
        (cosigned(month.note)[:-9], "MA-8303"),
        (other, "MA-8602"),
        (month.note.replace(text, text + "\nmore"), "MA-8602"),
    ):
        path.write_text(head + note)
        assert found(place, "month") == [code, "MA-8602"], note
