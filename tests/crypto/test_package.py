import json
from dataclasses import replace
from typing import Any

import pytest

from crypto.errors import (
    BadSignatureError,
    CryptoError,
    MalformedPackageError,
    MalformedProofError,
    PackageMismatchError,
    ProofMismatchError,
    SealedMismatchError,
    UnknownKeyError,
    WrongOriginError,
)
from crypto.package import (
    PackageEntry,
    PackageVerifier,
    package_findings,
    parse_package_manifest,
)
from tests.crypto.fixed import (
    BUREAU_KEY,
    CHECKPOINTS,
    OTHER_BUREAU_KEY,
    TRUST,
)
from tests.crypto.month import OTHER, REVERSE, SETTLE, Month

MONTH = Month()


def entries(month: Month = MONTH) -> list[PackageEntry]:
    """Every record of a month, each verified and opened."""
    verifier = PackageVerifier(month.manifest, month.note, TRUST, BUREAU_KEY)
    return [
        verifier.verify(sid, record, proof)
        for sid, record, proof in zip(
            month.sids, month.records, month.proofs, strict=True
        )
    ]


def test_a_month_verifies_and_adds_up() -> None:
    """Every record holds; a reversal takes its settlement's aid off again."""
    found = entries()

    assert package_findings(MONTH.manifest, found) == []
    assert [each.index for each in found] == [0, 1, 2]
    assert sum(each.net_aid_fen for each in found) == OTHER["aid_fen"]


def test_a_manifest_comes_back() -> None:
    """With and without a facility."""
    one = replace(MONTH.manifest, facility="H001")

    assert parse_package_manifest(MONTH.manifest.to_bytes()) == MONTH.manifest
    assert parse_package_manifest(one.to_bytes()) == one


@pytest.mark.parametrize(
    "change",
    [
        {"origin": 1},
        {"month": "2026-13"},
        {"month": 202601},
        {"facility": 5},
        {"count": -1},
        {"count": True},
        {"tree_size": "7"},
        {"keys": []},
        {"count": ...},
    ],
)
def test_a_manifest_of_another_form_is_refused(change: dict[str, Any]) -> None:
    """Exactly the five members, each of its type."""
    document = {**json.loads(MONTH.manifest.to_bytes()), **change}
    kept = {name: value for name, value in document.items() if value is not ...}
    with pytest.raises(MalformedPackageError):
        parse_package_manifest(json.dumps(kept).encode())


def test_manifest_and_checkpoint_belong_together_and_to_the_trusted_log() -> None:
    """Another log, another size, a checkpoint that was changed."""
    for manifest, note, error in (
        (replace(MONTH.manifest, origin="other"), MONTH.note, WrongOriginError),
        (replace(MONTH.manifest, tree_size=4), MONTH.note, PackageMismatchError),
        (MONTH.manifest, MONTH.note.replace("\n3\n", "\n4\n"), BadSignatureError),
    ):
        with pytest.raises(error):
            PackageVerifier(manifest, note, TRUST)


@pytest.mark.parametrize(
    ("manifest", "sid", "record", "proof", "error"),
    [
        ({}, "d" * 32, MONTH.records[0], MONTH.proofs[0], PackageMismatchError),
        ({"month": "2026-02"}, 0, 0, 0, PackageMismatchError),
        ({"facility": "H002"}, 0, 0, 0, PackageMismatchError),
        ({}, 0, 0, MONTH.proofs[1], ProofMismatchError),
        ({}, 0, 0, MONTH.proofs[0].replace("index 0", "index 9"), MalformedProofError),
        ({}, 0, MONTH.records[0][:-1], 0, CryptoError),
        (
            {},
            0,
            0,
            MONTH.proofs[0].split("\n\n")[0] + "\n\n" + CHECKPOINTS.sign(3, bytes(32)),
            PackageMismatchError,
        ),
    ],
)
def test_a_record_that_does_not_belong_is_rejected(
    manifest: dict[str, Any],
    sid: str | int,
    record: bytes | int,
    proof: str | int,
    error: type[CryptoError],
) -> None:
    """Name, month, facility, place in the log and checkpoint must all fit."""
    verifier = PackageVerifier(replace(MONTH.manifest, **manifest), MONTH.note, TRUST)
    with pytest.raises(error):
        verifier.verify(
            MONTH.sids[sid] if isinstance(sid, int) else sid,
            MONTH.records[record] if isinstance(record, int) else record,
            MONTH.proofs[proof] if isinstance(proof, int) else proof,
        )


def test_the_bureaus_key_finds_content_that_differs() -> None:
    """Content sealed with other amounts, and a key that does not open."""
    month = Month(content=lambda _claims: b'{"claims":{}}')
    with pytest.raises(SealedMismatchError):
        entries(month)
    verifier = PackageVerifier(MONTH.manifest, MONTH.note, TRUST, OTHER_BUREAU_KEY)
    with pytest.raises(UnknownKeyError):
        verifier.verify(MONTH.sids[0], MONTH.records[0], MONTH.proofs[0])


def sentences(found: list[PackageEntry], count: int = 3) -> list[str]:
    """What is wrong with these entries as a whole."""
    manifest = replace(MONTH.manifest, count=count)
    return [str(finding) for finding in package_findings(manifest, found)]


def test_a_missing_or_added_record_is_found() -> None:
    """The manifest's count is the number of records that hold."""
    assert sentences(entries()[:2]) == [
        "manifest.json counts 3 records; 2 are here and hold"
    ]
    assert len(sentences(entries(), count=2)) == 1


def test_one_index_for_two_records_is_found() -> None:
    """An entry of the log is one record."""
    one, two, three = entries()

    assert sentences([one, two, replace(three, index=0)]) == [
        "index 0 of the log stands for 2 records"
    ]


def test_a_reversal_that_does_not_fit_its_settlement_is_found() -> None:
    """Other amounts, another facility, a reversal of a reversal, and a second one."""
    for reversal in (
        {**REVERSE, "aid_fen": 5000, "patient_pays_fen": 4000},
        {**REVERSE, "facility": "H002"},
    ):
        found = sentences(entries(Month((SETTLE, reversal, OTHER))))
        assert found == [
            f"reversal {'b' * 32} does not repeat the settlement it undoes"
        ]
    chain = {**OTHER, "op": "reverse", "ref": "b" * 32, "facility": "H001"}
    assert len(sentences(entries(Month((SETTLE, REVERSE, chain))))) == 1
    second = {**REVERSE, "sid": "d" * 32}
    assert sentences(entries(Month((SETTLE, REVERSE, second)))) == [
        f"settlement {'a' * 32} is reversed twice"
    ]


def test_a_settlement_of_an_earlier_month_may_be_missing() -> None:
    """Its own month's folder has it."""
    assert sentences(entries(Month((REVERSE, OTHER))), count=2) == []
