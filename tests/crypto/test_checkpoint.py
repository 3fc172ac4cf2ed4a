import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.checkpoint import (
    Checkpoint,
    CheckpointSigner,
    parse_checkpoint,
    verify_checkpoint,
)
from crypto.encoding import b64
from crypto.errors import (
    BadSignatureError,
    CryptoError,
    MalformedNoteError,
    UnknownKeyError,
    WeakKeyError,
    WrongOriginError,
    WrongRoleError,
)
from crypto.keys import Role, SigningKey
from crypto.merkle import EMPTY_ROOT, RightEdge
from crypto.note import (
    NOTE_BYTES_MAX,
    NoteKey,
    parse_note,
    parse_vkey,
    sign_note,
    verify_note,
)
from crypto.tiles import parse_entry_bundle, parse_tile, parse_tile_path
from crypto.trust import Trust, TrustedKey
from tests.crypto.fixed import (
    CHECKPOINT_KEY,
    CHECKPOINTS,
    ORIGIN,
    RECORD_KEY,
    STRANGER,
    TRUST,
    secret,
)

ROOT = hashlib.sha256(b"root").digest()
NOTE = CHECKPOINTS.sign(42, ROOT)
WITNESS = SigningKey(secret("witness"), Role.CHECKPOINT_SIGN)
TESSERA = (
    "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
)
NUMBERS = (
    b"one two three four five six seven eit nain ten ileven twelf threeten fourten "
    b"fivten"
).split()


def signature_line(note: str) -> str:
    """The last line of a note."""
    return note.rsplit("\n", 2)[1] + "\n"


def test_a_checkpoint_verifies_with_size_and_root() -> None:
    """What was signed is what is read."""
    assert verify_checkpoint(NOTE, TRUST) == Checkpoint(ORIGIN, 42, ROOT)
    assert parse_checkpoint(NOTE) == Checkpoint(ORIGIN, 42, ROOT)
    assert NOTE.startswith(f"{ORIGIN}\n42\n{b64(ROOT)}\n\n— {ORIGIN} ")
    assert verify_checkpoint(CHECKPOINTS.sign(0, EMPTY_ROOT), TRUST).size == 0


@given(st.data())
def test_any_changed_character_is_rejected(data: st.DataObject) -> None:
    """No character of a checkpoint can be exchanged for another."""
    position = data.draw(st.integers(0, len(NOTE) - 1))
    character = data.draw(st.characters(max_codepoint=0x2100))
    changed = NOTE[:position] + character + NOTE[position + 1 :]
    if changed == NOTE:
        return

    with pytest.raises(CryptoError):
        verify_checkpoint(changed, TRUST)


@given(st.integers(0, len(NOTE) - 1))
def test_any_truncated_checkpoint_is_rejected(cut: int) -> None:
    """A checkpoint ends where it ends."""
    for changed in (NOTE[:cut], NOTE[cut + 1 :], NOTE + "\n", NOTE + NOTE):
        with pytest.raises(CryptoError):
            verify_checkpoint(changed, TRUST)


def test_signatures_of_strangers_are_ignored() -> None:
    """Witnesses and old keys may sign beside the log's key, before or after it."""
    text = Checkpoint(ORIGIN, 42, ROOT).to_text()
    witness = signature_line(sign_note(text, "witness.example", WITNESS))
    body, own = NOTE.rsplit("\n\n", 1)

    for note in (NOTE + witness, f"{body}\n\n{witness}{own}", NOTE + witness * 20):
        assert verify_checkpoint(note, TRUST).size == 42
    with pytest.raises(UnknownKeyError):
        verify_checkpoint(f"{body}\n\n{witness}", TRUST)


def test_a_failing_signature_of_a_known_key_condemns_the_note() -> None:
    """Even where another known key's signature holds."""
    text = Checkpoint(ORIGIN, 42, ROOT).to_text()
    second = NoteKey(ORIGIN, WITNESS.public)
    trust = Trust(ORIGIN, [*TRUST.keys, TrustedKey(WITNESS.public)])
    forged = f"— {ORIGIN} {b64(second.key_id + bytes(64))}\n"

    good = NOTE + signature_line(sign_note(text, ORIGIN, WITNESS))
    assert verify_checkpoint(good, trust).size == 42
    with pytest.raises(BadSignatureError):
        verify_checkpoint(NOTE + forged, trust)


def test_only_checkpoint_keys_vouch_for_checkpoints() -> None:
    """A record key's signature over a checkpoint text is a stranger's."""
    text = Checkpoint(ORIGIN, 42, ROOT).to_text()
    with pytest.raises(UnknownKeyError):
        verify_checkpoint(sign_note(text, ORIGIN, RECORD_KEY), TRUST)
    with pytest.raises(UnknownKeyError):
        verify_checkpoint(sign_note(text, ORIGIN, STRANGER), TRUST)
    with pytest.raises(WrongRoleError):
        CheckpointSigner(ORIGIN, RECORD_KEY)


def test_the_same_key_does_not_vouch_for_another_origin() -> None:
    """The origin in the text and the key's name must be the trusted ones."""
    other = CheckpointSigner("other.example/log", CHECKPOINT_KEY).sign(42, ROOT)
    with pytest.raises(UnknownKeyError):
        verify_checkpoint(other, TRUST)
    text = Checkpoint("other.example/log", 42, ROOT).to_text()
    with pytest.raises(WrongOriginError):
        verify_checkpoint(sign_note(text, ORIGIN, CHECKPOINT_KEY), TRUST)


@pytest.mark.parametrize(
    "text",
    [
        f"{ORIGIN}\n42\n",
        f"{ORIGIN}\n042\n{b64(ROOT)}\n",
        f"{ORIGIN}\n-1\n{b64(ROOT)}\n",
        f"{ORIGIN}\n4２\n{b64(ROOT)}\n",
        f"{ORIGIN}\n9999999999999999999\n{b64(ROOT)}\n",
        f"{ORIGIN}\n42\n{b64(ROOT[:-1])}\n",
        f"{ORIGIN}\n42\n{b64(ROOT)[:-1]}\n",
        f"\n42\n{b64(ROOT)}\n",
        f"{ORIGIN}\n42\n{b64(ROOT)}\n\nmore\n",
    ],
)
def test_a_text_that_is_no_checkpoint_is_refused_although_signed(text: str) -> None:
    """Size and root have one spelling."""
    with pytest.raises(MalformedNoteError):
        verify_checkpoint(sign_note(text, ORIGIN, CHECKPOINT_KEY), TRUST)


def test_extension_lines_are_permitted() -> None:
    """The format allows them; our own checkpoints have none."""
    text = Checkpoint(ORIGIN, 42, ROOT).to_text() + "extension\n"
    note = sign_note(text, ORIGIN, CHECKPOINT_KEY)

    assert verify_checkpoint(note, TRUST) == Checkpoint(ORIGIN, 42, ROOT)


def test_a_checkpoint_that_nobody_could_read_is_not_signed() -> None:
    """Sizes and roots out of range never get a signature."""
    for size, root in ((-1, ROOT), (2**63, ROOT), (1, b"short")):
        with pytest.raises(MalformedNoteError):
            CHECKPOINTS.sign(size, root)


@pytest.mark.parametrize(
    "note",
    [
        "",
        "text\n",
        "text\n\n",
        "text\n\n— name AAAAAAA=",
        "text\n\nname AAAAAAA=\n",
        "text\n\n— name\n",
        "text\n\n— na+me AAAAAAA=\n",
        "text\n\n—  AAAAAAA=\n",
        "text\n\n— name AAAAAAA\n",
        "text\n\n— name AAAAAA==\n",
        "te\txt\n\n— name AAAAAAA=\n",
        "te\ud800xt\n\n— name AAAAAAA=\n",
        "\n\n— name AAAAAAA=\n",
        "x" * NOTE_BYTES_MAX + "\n\n— name AAAAAAA=\n",
    ],
)
def test_a_note_of_another_form_is_refused(note: str) -> None:
    """Text, empty line, signature lines, each in its exact form."""
    with pytest.raises(MalformedNoteError):
        parse_note(note)


def test_a_note_text_without_final_newline_is_not_signed() -> None:
    """Signing refuses what reading would refuse."""
    for text in ("text", "\n", "a\tb\n"):
        with pytest.raises(MalformedNoteError):
            sign_note(text, ORIGIN, CHECKPOINT_KEY)
    with pytest.raises(MalformedNoteError):
        sign_note("text\n", "two words", CHECKPOINT_KEY)


def test_a_verifier_key_has_a_text_form() -> None:
    """Other tools take the log's key as `name+id+key`."""
    known = parse_vkey(CHECKPOINTS.vkey, Role.CHECKPOINT_SIGN)

    assert known.name == ORIGIN
    assert known.key.kid == CHECKPOINT_KEY.kid
    assert known.vkey == CHECKPOINTS.vkey


@pytest.mark.parametrize(
    "vkey",
    [
        "name",
        "name+00000000",
        TESSERA.replace("33d7b496", "33d7b497"),
        TESSERA.replace("+AeHT", "+BeHT"),
        TESSERA + "=",
        TESSERA.replace("example.com", "example com"),
    ],
)
def test_a_verifier_key_that_contradicts_itself_is_refused(vkey: str) -> None:
    """Id, type and key belong together."""
    with pytest.raises(MalformedNoteError):
        parse_vkey(vkey, Role.CHECKPOINT_SIGN)


def test_a_weak_verifier_key_is_refused() -> None:
    """Small-order points are refused in every form that a key comes in."""
    weak = "name+00000000+" + b64(b"\1\1" + bytes(31))
    with pytest.raises(WeakKeyError):
        parse_vkey(weak, Role.CHECKPOINT_SIGN)


def test_the_worked_example_of_the_note_format_verifies() -> None:
    """The vkey and note that golang.org/x/mod/sumdb/note documents."""
    vkey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    text = "If you think cryptography is the answer to your problem,\n"
    text += "then you don't know what your problem is.\n"
    signature = (
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngot"
        "pRZb6KE6RyyBwJnAM="
    )
    known = parse_vkey(vkey, Role.CHECKPOINT_SIGN)
    parsed, signers = verify_note(f"{text}\n— PeterNeumann {signature}\n", [known])

    assert (parsed.text, signers) == (text, (known,))


def test_a_published_log_verifies_from_entries_to_checkpoint(
    shared_data: Path,
) -> None:
    """Sixteen sizes of a real log: tiles, entry bundles, roots and signatures."""
    log = shared_data / "vectors" / "tessera_log" / "testdata" / "log"
    known = parse_vkey(TESSERA, Role.CHECKPOINT_SIGN)
    trust = Trust(known.name, [TrustedKey(known.key)])
    for size in range(1, 16):
        checkpoint = verify_checkpoint((log / f"checkpoint.{size}").read_text(), trust)
        bundle = parse_entry_bundle((log / f"tile/entries/000.p/{size}").read_bytes())
        tile = parse_tile((log / f"tile/0/000.p/{size}").read_bytes())
        grown = RightEdge().extend(bundle)

        assert bundle == tuple(NUMBERS[:size])
        assert tuple(leaf for _, leaf in grown.complete_nodes(0)) == tile
        assert (checkpoint.size, checkpoint.root) == (size, grown.root)
        assert parse_tile_path(f"tile/0/000.p/{size}").is_in(size)
    empty = verify_checkpoint((log / "checkpoint.0").read_text(), trust)
    assert (empty.size, empty.root) == (0, EMPTY_ROOT)
