import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from crypto.encoding import b64
from crypto.errors import (
    BadSignatureError,
    CryptoError,
    MalformedNoteError,
    MalformedProofError,
    ProofMismatchError,
    UnknownKeyError,
)
from crypto.histories import TwoHistories, parse_two_histories, verify_two_histories
from crypto.keys import Role
from crypto.merkle import EMPTY_ROOT
from tests.witness.made_up_log import TRUST, MadeUpLog, signing_key

TRUE, FALSE = MadeUpLog(), MadeUpLog("rewritten")


def evidence(old: int, new: int, newer: MadeUpLog = FALSE) -> TwoHistories:
    """What a witness that saw the true log writes down of the newer one."""
    return TwoHistories(
        TRUE.note(old), newer.note(new), newer.edge(old).root, newer.path(old, new)
    )


PROOF = evidence(5, 9)


@given(st.integers(4, 20), st.integers(0, 20))
def test_rewritten_history_is_proved_at_any_sizes(old: int, more: int) -> None:
    """Also at one size, and at powers of two, where the path leaves out the root."""
    shown = verify_two_histories(evidence(old, old + more), TRUST)

    assert [each.size for each in shown] == [old, old + more]


@given(st.integers(0, 20), st.integers(0, 20))
def test_history_that_only_grew_is_no_proof(old: int, more: int) -> None:
    """However the evidence is put together, an honest log is not accused."""
    with pytest.raises(ProofMismatchError):
        verify_two_histories(evidence(old, old + more, TRUE), TRUST)


@given(st.integers(0, 12), st.integers(0, 12), st.data())
def test_nobody_can_make_up_a_proof_against_an_honest_log(
    old: int, more: int, data: st.DataObject
) -> None:
    """Any other root and any other path lead elsewhere than to the signed root."""
    hashes = st.sampled_from([TRUE.node(0, n) for n in range(6)] + [FALSE.node(0, 5)])
    root = data.draw(hashes | st.just(EMPTY_ROOT))
    path = tuple(data.draw(st.lists(hashes, max_size=5)))
    new = old + more
    made_up = TwoHistories(TRUE.note(old), TRUE.note(new), root, path)

    with pytest.raises((MalformedProofError, ProofMismatchError)):
        verify_two_histories(made_up, TRUST)


def test_proof_needs_both_signatures_of_the_log() -> None:
    """What somebody else signed proves nothing of the log."""
    stranger = MadeUpLog("rewritten", key=signing_key(Role.CHECKPOINT_SIGN, "x"))
    forged = FALSE.note(9).replace("\n9\n", "\n10\n")

    for newer, error in (
        (stranger.note(9), UnknownKeyError),
        (forged, BadSignatureError),
        (MadeUpLog(origin="other.example/log").note(9), UnknownKeyError),
        ("", MalformedNoteError),
    ):
        with pytest.raises(error):
            verify_two_histories(
                TwoHistories(PROOF.older, newer, PROOF.prefix_root, PROOF.path), TRUST
            )


def test_older_and_newer_are_not_to_be_exchanged() -> None:
    """A tree does not shrink into another."""
    turned = TwoHistories(PROOF.newer, PROOF.older, PROOF.prefix_root, PROOF.path)

    with pytest.raises(MalformedProofError):
        verify_two_histories(turned, TRUST)


def test_smaller_log_alone_proves_nothing() -> None:
    """Both notes are kept, but they may be of one history."""
    kept = TwoHistories(TRUE.note(3), TRUE.note(9), None)

    assert parse_two_histories(kept.to_file()) == kept
    with pytest.raises(ProofMismatchError):
        verify_two_histories(kept, TRUST)


@given(st.integers(4, 20), st.integers(0, 20))
def test_evidence_comes_back(old: int, more: int) -> None:
    """As it was written."""
    proof = evidence(old, old + more)

    assert parse_two_histories(proof.to_file()) == proof


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "medaid-two-histories/2"},
        {"older": None},
        {"newer": 7},
        {"prefix_root": 7},
        {"prefix_root": "!"},
        {"path": None},
        {"path": [7]},
        {"path": ["!"]},
        {"path": ...},
        {"note": "more"},
    ],
)
def test_malformed_evidence_is_rejected(changes: dict[str, object]) -> None:
    """A member that lacks, is of another type, or that nobody knows."""
    document = json.loads(PROOF.to_file()) | changes
    text = json.dumps({k: v for k, v in document.items() if v is not ...})

    with pytest.raises(MalformedProofError):
        parse_two_histories(text.encode())


@given(st.data())
def test_changed_byte_is_no_proof_or_the_same_one(data: st.DataObject) -> None:
    """Nothing raises but errors with codes."""
    text = PROOF.to_file()
    position = data.draw(st.integers(0, len(text) - 1))
    changed = text[:position] + data.draw(st.binary(max_size=2)) + text[position + 1 :]
    try:
        read = parse_two_histories(changed)
    except CryptoError:
        return
    assume(read != PROOF)
    with pytest.raises(CryptoError):
        verify_two_histories(read, TRUST)


def test_root_of_the_prefix_is_what_the_path_shows() -> None:
    """Without it nobody could tell the older root from the true one."""
    other = TwoHistories(PROOF.older, PROOF.newer, TRUE.edge(5).root, PROOF.path)

    with pytest.raises(ProofMismatchError):
        verify_two_histories(other, TRUST)
    assert b64(FALSE.edge(5).root).encode() in PROOF.to_file()
