"""Key files: made once, closed to others, refused when they are not."""

import os
from pathlib import Path

import pytest

from crypto.key_files import private_key_file, public_key_file
from crypto.keys import OpeningKey, Role, SigningKey
from gateway.keyfiles import (
    KeyFileFault,
    load_keys,
    make_bureau_keys,
    make_missing_keys,
    read_private,
    read_sealing_key,
    write_new,
)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A data folder with all keys."""
    opening, _ = make_bureau_keys(tmp_path, os.urandom)
    make_missing_keys(tmp_path, os.urandom, opening.public)
    return tmp_path


def test_keys_are_made_once_and_closed(made: Path) -> None:
    """A second run changes nothing; every file is its owner's alone."""
    before = load_keys(made)
    opening, _ = make_bureau_keys(made, os.urandom)

    again = make_missing_keys(made, os.urandom, opening.public)

    assert again == []
    assert load_keys(made).record_sign.kid == before.record_sign.kid
    assert load_keys(made).token_key == before.token_key
    for folder in ("keys", "bureau"):
        assert (made / folder).stat().st_mode & 0o777 == 0o700
        assert all(
            path.stat().st_mode & 0o777 == 0o600 for path in (made / folder).iterdir()
        )


def test_missing_key_is_made_again_without_touching_others(made: Path) -> None:
    """Init that was interrupted is completed by the next."""
    before = load_keys(made)
    (made / "keys" / "record-sign.json").unlink()

    again = make_missing_keys(made, os.urandom, before.bureau_seal)

    assert again == ["record-sign.json"]
    assert load_keys(made).checkpoint_sign.kid == before.checkpoint_sign.kid


def test_another_bureau_key_is_refused(made: Path) -> None:
    """Init never changes to whom records are sealed."""
    other = OpeningKey.generate(os.urandom)

    with pytest.raises(KeyFileFault, match="rotation"):
        make_missing_keys(made, os.urandom, other.public)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_key_that_others_can_read_is_refused(made: Path, mode: int) -> None:
    """A laxer mode is not repaired: nobody knows who has read the key."""
    (made / "keys" / "record-sign.json").chmod(mode)

    with pytest.raises(KeyFileFault, match="can be read by others"):
        load_keys(made)


@pytest.mark.parametrize("name", ["record-sign.json", "token.key", "bureau-seal.json"])
def test_missing_or_damaged_key_is_one_sentence(made: Path, name: str) -> None:
    """The sentence names the file, and init where that would help."""
    path = made / "keys" / name
    path.write_bytes(b"{}")
    with pytest.raises(KeyFileFault, match=name) as damaged:
        load_keys(made)
    path.unlink()
    with pytest.raises(KeyFileFault, match="medaid init") as missing:
        load_keys(made)

    assert "\n" not in str(damaged.value) + str(missing.value)


def test_keys_of_other_roles_are_refused(made: Path, tmp_path: Path) -> None:
    """A checkpoint key signs no records, and nothing is sealed to a signing key."""
    checkpoint = (made / "keys" / "checkpoint-sign.json").read_bytes()
    (made / "keys" / "record-sign.json").write_bytes(checkpoint)
    signing = tmp_path / "signing.json"
    signing.write_bytes(
        public_key_file(SigningKey.generate(Role.PARTY, os.urandom).public)
    )

    with pytest.raises(KeyFileFault, match="not a record-sign key"):
        load_keys(made)
    with pytest.raises(KeyFileFault, match="x25519"):
        read_sealing_key(signing)


def test_file_is_never_overwritten(tmp_path: Path) -> None:
    """The first writer wins, and no draft is left."""
    path = tmp_path / "a.json"
    key = private_key_file(SigningKey.generate(Role.PARTY, os.urandom))

    assert write_new(path, key)
    assert not write_new(path, b"other")
    assert read_private(path) == key
    assert list(tmp_path.iterdir()) == [path]
