import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.checkpoint import parse_checkpoint
from crypto.encoding import b64_decode
from crypto.errors import (
    BadSignatureError,
    CryptoError,
    MalformedProofError,
    MalformedRecordError,
    ProofMismatchError,
    UnknownKeyError,
    WrongOriginError,
)
from crypto.proof import LogProof, parse_proof, verify_proof
from crypto.receipt import Receipt, parse_receipt, verify_receipt
from crypto.record import record_hash
from crypto.trust import Trust
from tests.crypto.fixed import CHECKPOINTS, ORIGIN, TRUST, receipt, seal

RECORD = seal()
RECEIPT = receipt(RECORD)
PATH = tuple(b64_decode(each, what="path") for each in RECEIPT["path"])
PROOF = LogProof(3, PATH, RECEIPT["checkpoint"])


def test_a_receipt_verifies_alone() -> None:
    """As JSON text, as an object, and as made by the gateway."""
    text = json.dumps(RECEIPT).encode()
    made = Receipt(RECORD, ORIGIN, 3, 7, PATH, RECEIPT["checkpoint"])

    for form in (text, RECEIPT, made):
        assert verify_receipt(form, TRUST).record == RECORD
    assert made.to_document() == RECEIPT
    assert parse_receipt(text) == made


@given(st.integers(1, 40), st.data())
def test_every_place_in_every_tree_has_its_receipt(
    size: int, data: st.DataObject
) -> None:
    """First, last, lonely: the path holds."""
    index = data.draw(st.integers(0, size - 1))

    verify_receipt(receipt(RECORD, index=index, size=size), TRUST)


def change(**changes: Any) -> dict[str, Any]:
    """The sound receipt with changes; `...` takes a member away."""
    changed = {**RECEIPT, **changes}
    return {name: value for name, value in changed.items() if value is not ...}


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        (change(record=seal(day="2026-01-06").decode()), ProofMismatchError),
        (change(record=RECORD.decode() + "A"), CryptoError),
        (change(record="é"), MalformedProofError),
        (change(record=""), MalformedRecordError),
        (change(record=None), MalformedProofError),
        (change(origin="other.example/log"), WrongOriginError),
        (change(index=2), ProofMismatchError),
        (change(index=7), MalformedProofError),
        (change(index=-1), MalformedProofError),
        (change(index=True), MalformedProofError),
        (change(index="3"), MalformedProofError),
        (change(tree_size=8), ProofMismatchError),
        (change(path=RECEIPT["path"][::-1]), ProofMismatchError),
        (change(path=RECEIPT["path"][:-1]), MalformedProofError),
        (change(path=[*RECEIPT["path"], RECEIPT["path"][0]]), MalformedProofError),
        (change(path=["AAAA", *RECEIPT["path"][1:]]), MalformedProofError),
        (change(path=[5]), MalformedProofError),
        (change(path=None), MalformedProofError),
        (change(checkpoint=CHECKPOINTS.sign(7, bytes(32))), ProofMismatchError),
        (change(checkpoint=CHECKPOINTS.sign(8, bytes(32))), ProofMismatchError),
        (change(checkpoint=...), MalformedProofError),
        (change(public_key="AAAA"), MalformedProofError),
    ],
)
def test_a_changed_receipt_is_rejected(
    changed: dict[str, Any], error: type[CryptoError]
) -> None:
    """Each part has to be what it is, and nothing may be added."""
    with pytest.raises(error):
        verify_receipt(changed, TRUST)


def test_the_receipt_of_a_log_that_is_not_trusted_is_rejected() -> None:
    """Keys are taken from the trust file alone, by id and role."""
    without_checkpoints = Trust(
        ORIGIN, [key for key in TRUST.keys if not key.kid.startswith("cs-")]
    )
    with pytest.raises(UnknownKeyError):
        verify_receipt(RECEIPT, without_checkpoints)
    with pytest.raises(UnknownKeyError):
        verify_receipt(RECEIPT, Trust(ORIGIN, []))


def test_a_proof_comes_back_and_verifies() -> None:
    """The text is that of c2sp.org/tlog-proof, with or without extra octets."""
    text = PROOF.to_text()
    with_extra = LogProof(3, PATH, PROOF.checkpoint, b"extra octets")
    lonely = receipt(RECORD, index=0, size=1)

    assert text.startswith("c2sp.org/tlog-proof@v1\nindex 3\n")
    assert parse_proof(text) == PROOF
    assert parse_proof(with_extra.to_text()) == with_extra
    assert parse_proof(LogProof(0, (), lonely["checkpoint"]).to_text()).path == ()
    checkpoint = verify_proof(PROOF, record_hash(RECORD), TRUST)
    assert checkpoint == parse_checkpoint(PROOF.checkpoint)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("@v1", "@v2"),
        ("index 3", "index 03"),
        ("index 3", "index -3"),
        ("index 3", "index 9999999999999999999"),
        ("index 3\n", ""),
        ("index 3", "extra ?\nindex 3"),
        ("index 3", "index 3\nAAAA"),
        ("index 3\n", "index 3\n" + ("A" * 43 + "=\n") * 64),
        ("\n\n", "\n"),
        ("\nindex 3\n", "\n\nindex 3\n"),
        (PROOF.to_text(), ""),
    ],
)
def test_a_proof_of_another_form_is_rejected(old: str, new: str) -> None:
    """Version, index, hashes, empty line: each in its form."""
    with pytest.raises(MalformedProofError):
        parse_proof(PROOF.to_text().replace(old, new))


def test_a_proof_of_something_else_is_rejected() -> None:
    """Another entry, another index, a forged checkpoint."""
    entry = record_hash(RECORD)
    forged = PROOF.checkpoint.replace("\n7\n", "\n8\n")
    for proof, of, error in (
        (PROOF, bytes(32), ProofMismatchError),
        (LogProof(2, PATH, PROOF.checkpoint), entry, ProofMismatchError),
        (LogProof(3, PATH, forged), entry, BadSignatureError),
    ):
        with pytest.raises(error):
            verify_proof(proof, of, TRUST)
