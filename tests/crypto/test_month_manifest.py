from dataclasses import replace

import pytest

from crypto.checkpoint import verify_checkpoint
from crypto.errors import (
    BadSignatureError,
    CryptoError,
    MalformedNoteError,
    UnknownKeyError,
    WrongOriginError,
    WrongRoleError,
)
from crypto.month_manifest import (
    MonthManifest,
    sign_month_manifest,
    verify_month_manifest,
)
from crypto.note import sign_note
from crypto.trust import Trust
from tests.crypto.fixed import CHECKPOINT_KEY, CHECKPOINTS, ORIGIN, RECORD_KEY, TRUST

MANIFEST = MonthManifest(
    origin=ORIGIN,
    month="2026-01",
    tree_size=7,
    members_sha256="a" * 64,
    members_size=1234,
)


def test_a_manifest_is_signed_and_read() -> None:
    """What the log's key signed is what is read."""
    note = sign_month_manifest(MANIFEST, CHECKPOINT_KEY)

    assert note.startswith("medaid month package v1\n")
    assert verify_month_manifest(note, TRUST) == MANIFEST


def test_manifest_and_checkpoint_are_never_taken_for_each_other() -> None:
    """The same key signs both, under two names and with two first lines."""
    manifest = sign_month_manifest(MANIFEST, CHECKPOINT_KEY)
    checkpoint = CHECKPOINTS.sign(7, bytes(32))

    with pytest.raises(UnknownKeyError):
        verify_checkpoint(manifest, TRUST)
    with pytest.raises(UnknownKeyError):
        verify_month_manifest(checkpoint, TRUST)
    text = MANIFEST.to_text()
    with pytest.raises(MalformedNoteError):
        verify_checkpoint(sign_note(text, ORIGIN, CHECKPOINT_KEY), TRUST)


def test_only_the_logs_key_signs_a_manifest() -> None:
    """A key for records does not."""
    with pytest.raises(WrongRoleError):
        sign_month_manifest(MANIFEST, RECORD_KEY)


def test_a_manifest_of_another_log_is_refused() -> None:
    """By its signature's name, and by the origin within."""
    note = sign_month_manifest(MANIFEST, CHECKPOINT_KEY)
    with pytest.raises(UnknownKeyError):
        verify_month_manifest(note, Trust("other.example", TRUST.keys))
    other = replace(MANIFEST, origin="other.example").to_text()
    with pytest.raises(WrongOriginError):
        verify_month_manifest(
            sign_note(other, f"{ORIGIN}/month-package", CHECKPOINT_KEY), TRUST
        )


@pytest.mark.parametrize(
    "text",
    [
        MANIFEST.to_text().replace("v1", "v2"),
        MANIFEST.to_text() + "more\n",
        replace(MANIFEST, month="2026-13").to_text(),
        replace(MANIFEST, members_sha256="A" * 64).to_text(),
        replace(MANIFEST, tree_size=-1).to_text(),
        MANIFEST.to_text().replace("1234", "01234"),
    ],
)
def test_a_manifest_of_another_form_is_refused(text: str) -> None:
    """Signed or not."""
    note = sign_note(text, f"{ORIGIN}/month-package", CHECKPOINT_KEY)
    with pytest.raises(MalformedNoteError):
        verify_month_manifest(note, TRUST)


def test_any_altered_character_of_a_manifest_is_refused() -> None:
    """Text and signature alike."""
    note = sign_month_manifest(MANIFEST, CHECKPOINT_KEY)
    for at, character in enumerate(note):
        changed = note[:at] + ("x" if character != "x" else "y") + note[at + 1 :]
        with pytest.raises(CryptoError):
            verify_month_manifest(changed, TRUST)
    with pytest.raises(BadSignatureError):
        verify_month_manifest(note.replace("1234", "1235"), TRUST)
