import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from crypto.key_files import private_key_file
from crypto.trust import Trust, trust_file
from gateway import offline_verify
from gateway.cli.verify import verify
from tests.crypto.fixed import BUREAU_KEY, ORIGIN, RECORD_KEY, TRUST, claims, receipt
from tests.crypto.month import REVERSE, Month


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a trust file and the bureau's key."""
    (tmp_path / "trust.json").write_bytes(trust_file(TRUST))
    key = tmp_path / "bureau.json"
    key.touch(mode=0o600)
    key.write_bytes(private_key_file(BUREAU_KEY))
    return tmp_path


def run(place: Path, path: Path, *more: str) -> Result:
    """`medaid verify PATH` with the trust file of the place."""
    return CliRunner().invoke(
        verify, [str(path), "--trust", str(place / "trust.json"), *more]
    )


def findings(place: Path, path: Path, *more: str) -> list[dict[str, str]]:
    """What `--json` finds wrong; status 1 exactly when there is something."""
    result = run(place, path, "--json", *more)
    document = json.loads(result.stdout)
    found: list[dict[str, str]] = document["findings"]

    assert document["ok"] == (not found)
    assert result.exit_code == (1 if found else 0)
    return found


def write(path: Path, document: object) -> Path:
    """Write JSON, text or octets, and return the path."""
    if isinstance(document, bytes):
        path.write_bytes(document)
    else:
        path.write_text(json.dumps(document))
    return path


def test_a_month_verifies_and_tells_what_was_checked(place: Path) -> None:
    """Counts by operation, the aid sum net of reversals, and contents opened."""
    folder = Month().write(place / "month")
    result = run(place, folder, "--bureau-key", str(place / "bureau.json"))

    assert result.exit_code == 0, result.output
    assert "verified 3 records of 2026-01" in result.stdout
    assert "50.40 CNY" in result.stdout
    assert "3 contents opened" in result.stdout
    document = json.loads(run(place, folder, "--json").stdout)
    assert (document["settlements"], document["reversals"]) == (2, 1)
    assert (document["checked"], document["aid_fen"], document["opened"]) == (
        3,
        5040,
        0,
    )


def test_a_receipt_and_an_answer_verify(place: Path) -> None:
    """A bare receipt, and the whole answer that it came in."""
    month = Month()
    sound = receipt(month.records[0])
    answer = {
        "decision": "approved",
        "settlement_id": "a" * 32,
        "aid_fen": 5040,
        "patient_pays_fen": 3960,
        "receipt": sound,
    }
    undone = {"reversal_id": "b" * 32, "settlement_id": "a" * 32, "aid_fen": 5040}
    back = {**undone, "receipt": receipt(month.records[1])}

    for name, document in (("r", sound), ("a", answer), ("b", back)):
        assert findings(place, write(place / name, document)) == []
    key = str(place / "bureau.json")
    result = run(place, place / "a", "--bureau-key", key)
    assert "in log gateway.example/demo" in result.stdout
    assert "repeats the clear claims" in result.stdout
    assert '"patient_pays_fen": 3960' in result.stdout
    assert json.loads(run(place, place / "b", "--json").stdout)["aid_fen"] == -5040


@pytest.mark.parametrize(
    "changes",
    [
        {"settlement_id": "f" * 32},
        {"aid_fen": 5041},
        {"patient_pays_fen": 0},
        {"receipt": None},
    ],
)
def test_an_answer_that_says_something_else_than_its_receipt_is_found(
    place: Path, changes: dict[str, object]
) -> None:
    """The numbers on the slip must be the signed ones."""
    answer = {
        "settlement_id": "a" * 32,
        "aid_fen": 5040,
        "patient_pays_fen": 3960,
        "receipt": receipt(Month().records[0]),
        **changes,
    }

    assert len(findings(place, write(place / "answer.json", answer))) == 1


def test_a_bare_record_verifies_and_says_what_was_not_checked(place: Path) -> None:
    """Its place in the log needs the proof."""
    month = Month()
    record = write(place / "record", month.records[2])
    proof = write(place / "proof", month.proofs[2].encode())
    wrong = write(place / "wrong", month.proofs[1].encode())

    assert "not checked: that it is in the log" in run(place, record).stdout
    assert "in log" in run(place, record, "--proof", str(proof)).stdout
    assert findings(place, record, "--proof", str(wrong))[0]["code"] == "MA-8302"


def test_a_sandbox_record_is_called_one(place: Path) -> None:
    """Nobody takes practice for money."""
    month = Month([claims(sandbox=True)])
    record = write(place / "record", month.records[0])
    folder = month.write(place / "month")

    assert "a sandbox's record" in run(place, record).stdout
    assert json.loads(run(place, folder, "--json").stdout)["sandbox"] == 1
    assert json.loads(run(place, record, "--json").stdout)["sandbox"] == 1


def test_keys_inside_the_input_are_never_trusted(place: Path) -> None:
    """Without the key in the trust file nothing helps."""
    path = write(place / "r.json", receipt(Month().records[0]))
    keys = [key for key in TRUST.keys if key.kid != RECORD_KEY.kid]
    (place / "trust.json").write_bytes(trust_file(Trust(ORIGIN, keys)))

    assert findings(place, path)[0]["code"] == "MA-8201"
    result = run(place, path)
    assert result.exit_code == 1
    assert "r.json: MA-8201" in result.stderr
    assert "NOT verified" in result.stderr


def test_every_fault_of_a_month_is_found(place: Path) -> None:
    """Changed, missing, added, renamed, without proof, without record."""
    folder = Month().write(place / "month")
    records, proofs = folder / "records", folder / "proofs"
    changed = records / f"{'a' * 32}.masr"
    changed.write_bytes(changed.read_bytes()[:-1])
    (proofs / f"{'b' * 32}.tlog-proof").rename(proofs / f"{'d' * 32}.tlog-proof")
    (records / "notes.txt").write_text("hello")
    (proofs / "notes.txt").write_text("hello")

    where = {finding["where"]: finding["code"] for finding in findings(place, folder)}
    assert where == {
        "records/notes.txt": "MA-8601",
        "proofs/notes.txt": "MA-8601",
        f"proofs/{'d' * 32}.tlog-proof": "MA-8602",
        f"records/{'a' * 32}.masr": "MA-8101",
        f"records/{'b' * 32}.masr": "MA-8601",
        "manifest.json": "MA-8602",
    }


def test_a_folder_that_is_no_export_is_said_to_be_none(place: Path) -> None:
    """Empty, or with a manifest that is none."""
    folder = place / "empty"
    folder.mkdir()
    assert findings(place, folder)[0]["where"] == "."
    write(folder / "manifest.json", {"origin": ORIGIN})
    assert findings(place, folder)[0]["code"] == "MA-8601"


def test_a_month_without_records_verifies(place: Path) -> None:
    """Nothing was settled; the checkpoint still holds."""
    folder = Month(()).write(place / "month")

    assert "verified 0 records" in run(place, folder).stdout


def test_a_file_that_is_far_too_long_is_not_read(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receipt is short; a disk image is not tried."""
    path = write(place / "r.json", receipt(Month().records[0]))
    monkeypatch.setattr(offline_verify, "FILE_BYTES_MAX", 10)

    assert findings(place, path)[0]["code"] == "MA-8601"


def test_many_records_are_checked_by_several_processes(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same counts, same findings, the bureau's key included."""
    monkeypatch.setattr(offline_verify, "_PROCESSES_FROM", 4)
    monkeypatch.setattr(offline_verify, "_CHUNK", 3)
    month = Month([claims(sid=f"{n:032x}") for n in range(10)] + [REVERSE])
    folder = month.write(place / "month")
    key = str(place / "bureau.json")
    bad = folder / "records" / f"{5:032x}.masr"
    result = json.loads(run(place, folder, "--json", "--bureau-key", key).stdout)

    assert (result["ok"], result["checked"], result["opened"]) == (True, 11, 11)
    bad.write_bytes(bad.read_bytes().replace(b".", b"", 1))
    assert [each["code"] for each in findings(place, folder)] == ["MA-8101", "MA-8602"]


def test_many_findings_are_cut_short_for_people(place: Path) -> None:
    """Fifty are shown, the rest counted; --json has all."""
    folder = Month([claims(sid=f"{n:032x}") for n in range(60)]).write(place / "month")
    for path in (folder / "proofs").iterdir():
        path.unlink()
    result = run(place, folder)

    assert "and 11 more" in result.stderr
    assert len(findings(place, folder)) == 61


@pytest.mark.parametrize("trust", [b"{}", None])
def test_an_unusable_trust_file_is_one_clear_sentence(
    place: Path, trust: bytes | None
) -> None:
    """Missing or malformed, with what to do."""
    path = write(place / "r.json", receipt(Month().records[0]))
    (place / "trust.json").unlink()
    if trust is not None:
        (place / "trust.json").write_bytes(trust)
    result = CliRunner().invoke(verify, [str(path), "--data-dir", str(place)])

    assert result.exit_code == 1
    assert "trust file" in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_unusable_bureau_key_is_one_clear_sentence(place: Path) -> None:
    """A key that others can read, or one that opens nothing."""
    path = write(place / "r.json", receipt(Month().records[0]))
    key = place / "bureau.json"
    key.write_bytes(private_key_file(RECORD_KEY))
    result = run(place, path, "--bureau-key", str(key))
    assert (result.exit_code, "opens records" in result.stderr) == (1, True)
    key.chmod(0o644)
    result = run(place, path, "--bureau-key", str(key))
    assert (result.exit_code, "read by others" in result.stderr) == (1, True)
