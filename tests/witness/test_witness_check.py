import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from crypto.cosignature import cosign, witnesses_of
from crypto.histories import TwoHistories
from crypto.keys import Role
from crypto.trust import Trust, TrustedKey, parse_trust_file, trust_file
from gateway.cli.main import main
from tests.witness.made_up_log import (
    ORIGIN,
    OTHER_KEY,
    OTHER_WITNESS,
    TRUST,
    WITNESS,
    WITNESS_KEY,
    MadeUpLog,
    signing_key,
)

TRUE, FALSE = MadeUpLog(), MadeUpLog("rewritten")
NOTE = TRUE.note(9)
COSIGNED = NOTE + cosign(NOTE, WITNESS_KEY.name, WITNESS, 1_767_578_400)
FORGED = NOTE.replace("\n9\n", "\n10\n")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Make a folder with a trust file that names no witness."""
    (tmp_path / "trust.json").write_bytes(trust_file(TRUST))
    return tmp_path


def run(place: Path, *arguments: str) -> Result:
    """`medaid witness ARGUMENTS` with the trust file of the place."""
    trust = str(place / "trust.json")
    return CliRunner().invoke(main, ["witness", *arguments, "--trust", trust])


def write(place: Path, name: str, content: str | bytes) -> str:
    """Write a file; its path."""
    octets = content if isinstance(content, bytes) else content.encode()
    (place / name).write_bytes(octets)
    return str(place / name)


def checked(place: Path, note: str | bytes, *options: str) -> dict[str, Any]:
    """What `check --json` says; status 1 exactly when something is found."""
    result = run(place, "check", write(place, "note", note), "--json", *options)
    document: dict[str, Any] = json.loads(result.stdout)

    assert result.exit_code == (1 if document["findings"] else 0), result.output
    assert document["ok"] == (not document["findings"])
    return document


def codes(document: dict[str, Any]) -> list[str]:
    """Of the findings."""
    return [finding["code"] for finding in document["findings"]]


def test_countersigned_checkpoint_is_told_with_its_time(place: Path) -> None:
    """By whom and when; with a named witness, or one of the trust file."""
    named = ("--witness", WITNESS_KEY.vkey)

    document = checked(place, COSIGNED, *named)
    assert codes(document) == []
    assert (document["size"], document["origin"]) == (9, ORIGIN)
    assert document["cosignatures"] == [
        {"witness": "witness.example/w1", "time": 1_767_578_400}
    ]
    result = run(place, "check", str(place / "note"), *named)
    assert "countersigned by witness.example/w1 at 2026-01-05T02:00:00.000Z" in (
        result.stdout
    )
    assert run(place, "trust", WITNESS_KEY.vkey).exit_code == 0
    assert checked(place, COSIGNED)["cosignatures"]


def test_time_beyond_all_calendars_is_told_as_it_is(place: Path) -> None:
    """A witness may say what it likes; the command does not fall over it."""
    far = NOTE + cosign(NOTE, WITNESS_KEY.name, WITNESS, 2**63 - 1)
    note = write(place, "note", far)

    result = run(place, "check", note, "--witness", WITNESS_KEY.vkey)

    assert result.exit_code == 0
    assert f"second {2**63 - 1}" in result.stdout


def test_missing_witness_is_found(place: Path) -> None:
    """Each that is named must have signed; of the trust file's, one."""
    both = ("--witness", WITNESS_KEY.vkey, "--witness", OTHER_KEY.vkey)

    document = checked(place, COSIGNED, *both)
    assert codes(document) == ["MA-8201"]
    assert (
        "witness.example/w2 did not countersign" in document["findings"][0]["sentence"]
    )
    assert codes(checked(place, NOTE, *both)) == ["MA-8201"]
    two = COSIGNED + cosign(NOTE, OTHER_KEY.name, OTHER_WITNESS, 1)
    assert codes(checked(place, two, *both)) == []
    run(place, "trust", WITNESS_KEY.vkey)
    run(place, "trust", OTHER_KEY.vkey)
    assert codes(checked(place, COSIGNED)) == []
    assert codes(checked(place, NOTE)) == ["MA-8201"]


def test_without_any_witness_it_is_said_what_was_not_checked(place: Path) -> None:
    """The log's own signature proves nothing about its past."""
    result = run(place, "check", write(place, "note", COSIGNED))

    assert result.exit_code == 0
    assert "not checked: cosignatures" in result.stdout


@pytest.mark.parametrize(
    ("note", "code"),
    [
        (b"", "MA-8303"),
        (b"\xff\xfe", "MA-8303"),
        (FORGED, "MA-8103"),
        (MadeUpLog(key=signing_key(Role.CHECKPOINT_SIGN, "x")).note(9), "MA-8201"),
        (MadeUpLog(origin="other.example/log").note(9), "MA-8201"),
        (COSIGNED.replace("AAAABpWxsg", "AAAABpWxsh"), "MA-8103"),
        ("{}", "MA-8301"),
        ("{", "MA-8301"),
    ],
)
def test_what_does_not_verify_is_found(
    place: Path, note: str | bytes, code: str
) -> None:
    """Not the log's, not a note, a cosignature that fails."""
    assert codes(checked(place, note, "--witness", WITNESS_KEY.vkey)) == [code]


def test_two_notes_of_one_size_prove_two_histories(place: Path) -> None:
    """Status 1, and the sentence says what it is; from whomever the notes are."""
    other = write(place, "other", FALSE.note(9))

    for note in (NOTE, COSIGNED):
        document = checked(place, note, "--against", other)
        assert codes(document) == ["MA-8305"]
        assert document["two_histories"]
    result = run(place, "check", str(place / "note"), "--against", other)
    assert "proof of two histories" in result.stderr


def test_notes_that_agree_or_cannot_be_compared(place: Path) -> None:
    """The same root is the same history; over two sizes notes alone tell nothing."""
    same = write(place, "same", NOTE)
    older, newer = (
        write(place, "older", TRUE.note(5)),
        write(place, "newer", FALSE.note(12)),
    )

    document = checked(
        place, COSIGNED, "--against", same, "--against", older, "--against", newer
    )
    assert codes(document) == []
    assert (document["agreeing"], document["not_compared"]) == (
        ["same"],
        ["older", "newer"],
    )
    assert not document["two_histories"]
    result = run(place, "check", str(place / "note"), "--against", older)
    assert "only the log can show" in result.stdout
    assert "older: 5 entries" in result.stdout


def test_unsigned_note_accuses_nobody(place: Path) -> None:
    """What the log did not sign is no second history."""
    forged = write(place, "forged", FALSE.note(9).replace("\n9\n", "\n8\n"))

    document = checked(place, NOTE, "--against", forged)

    assert codes(document) == ["MA-8103"]
    assert not document["two_histories"]


def evidence(newer: MadeUpLog, old: int, new: int) -> bytes:
    """What a witness wrote down of the newer log."""
    root, path = newer.edge(old).root, newer.path(old, new)
    return TwoHistories(TRUE.note(old), newer.note(new), root, path).to_file()


def test_evidence_is_checked_by_anybody(place: Path) -> None:
    """Also over two sizes, where the notes alone would tell nothing."""
    document = checked(place, evidence(FALSE, 9, 12))
    assert codes(document) == ["MA-8305"]
    assert document["two_histories"]
    assert "first 9 entries" in document["findings"][0]["sentence"]

    for harmless in (
        evidence(TRUE, 9, 12),
        TwoHistories(TRUE.note(9), TRUE.note(12), None).to_file(),
    ):
        document = checked(place, harmless)
        assert codes(document) == ["MA-8302"]
        assert not document["two_histories"]


def test_witness_is_added_to_a_trust_file_once(place: Path) -> None:
    """The other keys stay; the same key under another name is refused."""
    path = place / "trust.json"
    before = parse_trust_file(path.read_bytes())

    first = run(place, "trust", WITNESS_KEY.vkey)
    again = run(place, "trust", WITNESS_KEY.vkey)
    trust = parse_trust_file(path.read_bytes())

    assert (first.exit_code, again.exit_code) == (0, 0)
    assert "now names" in first.stdout
    assert "names already" in again.stdout
    assert [each.vkey for each in witnesses_of(trust)] == [WITNESS_KEY.vkey]
    assert [key.kid for key in trust.keys][:-1] == [key.kid for key in before.keys]
    renamed = type(WITNESS_KEY)("another.name", WITNESS.public)
    refused = run(place, "trust", renamed.vkey)
    assert (refused.exit_code, path.read_bytes()) == (2, trust_file(trust))
    assert "never share a key" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("check", "note", "--witness", "nonsense"), "MA-8303"),
        (("trust", "nonsense"), "MA-8303"),
        (("trust", "log.example+00000000+AQ=="), "MA-8303"),
    ],
)
def test_wrong_key_on_the_command_line_is_status_2(
    place: Path, arguments: tuple[str, ...], said: str
) -> None:
    """One sentence with a code."""
    write(place, "note", NOTE)
    given = [str(place / "note") if each == "note" else each for each in arguments]

    result = run(place, *given)

    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert said in result.stderr


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff"])
def test_trust_file_that_cannot_be_used_is_status_2(
    place: Path, content: bytes | None
) -> None:
    """Missing or damaged: somebody has to mend it."""
    note = write(place, "note", NOTE)
    path = place / "trust.json"
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)

    for arguments in (
        ("check", note),
        ("trust", WITNESS_KEY.vkey),
        ("submit", "--gateway", "http://x", "--to", "http://x", "--out", note),
        ("cosign", "--gateway", "http://x", "--dir", str(place)),
    ):
        result = run(place, *arguments)
        assert result.exit_code == 2, result.output
        assert "trust file" in result.stderr


def test_submit_wants_to_know_the_witness(place: Path) -> None:
    """A cosignature of nobody in particular is worth nothing."""
    result = run(
        place, "submit", "--gateway", "http://x", "--to", "http://x", "--out", "x"
    )

    assert result.exit_code == 2
    assert "--witness" in result.stderr


def test_trust_without_the_logs_key_is_no_log_to_follow(place: Path) -> None:
    """The rest of the keys signs no checkpoints."""
    (place / "trust.json").write_bytes(
        trust_file(Trust(ORIGIN, [TrustedKey(WITNESS.public, name="w")]))
    )

    assert codes(checked(place, NOTE)) == ["MA-8201"]
