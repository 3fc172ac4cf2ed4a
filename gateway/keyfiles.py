"""Keys of the gateway on disk, `<data-dir>/keys`: read, written, modes checked.

Private files have mode 0600 in a folder of mode 0700 and belong to the user who
runs the program (or root); anything laxer is refused, not repaired, because then
nobody knows who has read them. In the gateway's own folder they are plain files: a
link leads to where these checks see nothing of the folder.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from crypto.errors import CryptoError
from crypto.key_files import (
    PrivateKey,
    parse_private_key_file,
    parse_public_key_file,
    private_key_file,
    public_key_file,
)
from crypto.keys import KEY_BYTES, OpeningKey, Role, SealingKey, SigningKey
from crypto.tokens import EpochCipher, Tokenizer
from settlement.domain.roster import FIRST_TOKEN_EPOCH

RandomBytes = Callable[[int], bytes]

_RECORD = "record-sign.json"
_CHECKPOINT = "checkpoint-sign.json"
_FOR_CARDS = "token.key"
#: Of the second epoch of tokens and those behind it; the first has none.
_OF_EPOCH = "token-epoch-{}.key"
_EPOCH_OF = re.compile(r"token-epoch-([1-9][0-9]{0,3})\.key\Z")
_FOR_PARTIES = "party-secret.key"
_BUREAU_SEAL = "bureau-seal.json"
#: Many times the longest key file; what is longer is none.
_MOST_BYTES = 64 * 1024
_OTHERS_MAY = 0o077
BUREAU_KEY = "bureau-key.json"
ROSTER_KEY = "roster-key.json"


class KeyFileFault(Exception):
    """A key file is missing, malformed or open to others; the text is one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayKeys:
    """Everything secret that a gateway process holds, and the bureau's public key."""

    record_sign: SigningKey
    checkpoint_sign: SigningKey
    token_key: bytes
    """Makes tokens of cards and persons; 32 bytes."""
    party_secret_key: bytes
    """Seals the parties' HMAC secrets in the database; 32 bytes."""
    bureau_seal: SealingKey
    epochs: Mapping[int, EpochCipher] = field(default_factory=dict)
    """Of the second epoch of tokens and those behind it, as many as stand here."""

    def tokenizer(self, epoch: int) -> Tokenizer:
        """What makes the tokens of an epoch; raises `KeyFileFault` without its key."""
        if epoch == FIRST_TOKEN_EPOCH:
            return Tokenizer(self.token_key)
        if epoch not in self.epochs:
            raise KeyFileFault(
                f"the database's tokens are of epoch {epoch}, and"
                f" keys/{_OF_EPOCH.format(epoch)} is not here; copy it from the machine"
                " on which medaid roster retoken was run"
            )
        return Tokenizer(self.token_key, self.epochs[epoch])


def make_missing_keys(
    data_dir: Path, random: RandomBytes, bureau_seal: SealingKey
) -> list[str]:
    """Write every key file that does not stand yet; the names written.

    Existing keys are never replaced. Raises `KeyFileFault` where the bureau's key
    is another than the one that stands: records are sealed to that one.
    """
    folder = _private_folder(data_dir / "keys")
    contents = {
        _RECORD: private_key_file(SigningKey.generate(Role.RECORD_SIGN, random)),
        _CHECKPOINT: private_key_file(
            SigningKey.generate(Role.CHECKPOINT_SIGN, random)
        ),
        _FOR_CARDS: _key_text(random(KEY_BYTES)),
        _FOR_PARTIES: _key_text(random(KEY_BYTES)),
        _BUREAU_SEAL: public_key_file(bureau_seal),
    }
    made = [name for name, text in contents.items() if write_new(folder / name, text)]
    standing = _sealing_key(folder / _BUREAU_SEAL)
    if standing.kid != bureau_seal.kid:
        raise KeyFileFault(
            f"records are sealed to the bureau's key {standing.kid} already; a change"
            " of that key is a rotation, not a new init"
        )
    return made


def has_keys(data_dir: Path) -> bool:
    """Whether `make_missing_keys` has completed here before."""
    return (data_dir / "keys" / _BUREAU_SEAL).exists()


def load_keys(data_dir: Path) -> GatewayKeys:
    """Every key of the gateway; raises `KeyFileFault`."""
    folder = data_dir / "keys"
    _check_folder(folder)
    for name in (_RECORD, _CHECKPOINT, _FOR_CARDS, _FOR_PARTIES, _BUREAU_SEAL):
        _check_plain(folder / name)
    return GatewayKeys(
        record_sign=_signing_key(folder / _RECORD, Role.RECORD_SIGN),
        checkpoint_sign=_signing_key(folder / _CHECKPOINT, Role.CHECKPOINT_SIGN),
        token_key=_raw_key(folder / _FOR_CARDS),
        party_secret_key=load_party_secret_key(data_dir),
        bureau_seal=_sealing_key(folder / _BUREAU_SEAL),
        epochs=_load_epochs(folder),
    )


def epoch_key_path(data_dir: Path, epoch: int) -> Path:
    """Where the key of an epoch stands, or would."""
    return data_dir / "keys" / _OF_EPOCH.format(epoch)


def make_epoch_key(data_dir: Path, epoch: int, random: RandomBytes) -> bool:
    """Write the key of an epoch unless it stands already; whether it was written.

    Durable when this returns. Raises `KeyFileFault`.
    """
    folder = _private_folder(data_dir / "keys")
    path = epoch_key_path(data_dir, epoch)
    made = write_new(path, _key_text(random(KEY_BYTES)))
    _raw_key(path)
    # A key that a power cut takes back would leave tokens that nobody can make again.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return made


def _load_epochs(folder: Path) -> dict[int, EpochCipher]:
    """By number; which of them the database's tokens are of says the database."""
    found = {}
    for path in folder.glob(_OF_EPOCH.format("*")):
        number = _EPOCH_OF.match(path.name)
        if number is None or int(number[1]) <= FIRST_TOKEN_EPOCH:
            raise KeyFileFault(f"the key file {path} names no epoch of tokens")
        _check_plain(path)
        found[int(number[1])] = EpochCipher(_raw_key(path))
    return found


def load_party_secret_key(data_dir: Path) -> bytes:
    """The key under which parties' secrets are sealed; raises `KeyFileFault`."""
    return _raw_key(data_dir / "keys" / _FOR_PARTIES)


def load_bureau_seal(data_dir: Path) -> SealingKey:
    """The bureau's public key that stands here; raises `KeyFileFault`."""
    return _sealing_key(data_dir / "keys" / _BUREAU_SEAL)


def make_bureau_keys(
    data_dir: Path, random: RandomBytes
) -> tuple[OpeningKey, SigningKey]:
    """The sandbox's bureau: its opening key and its roster key, made once.

    Elsewhere the bureau makes its keys itself and hands over the public half.
    """
    folder = _private_folder(data_dir / "bureau")
    write_new(folder / BUREAU_KEY, private_key_file(OpeningKey.generate(random)))
    write_new(
        folder / ROSTER_KEY,
        private_key_file(SigningKey.generate(Role.BUREAU_ROSTER, random)),
    )
    opening = read_private_key(folder / BUREAU_KEY)
    roster = read_private_key(folder / ROSTER_KEY)
    if not isinstance(opening, OpeningKey) or not isinstance(roster, SigningKey):
        raise KeyFileFault(f"the files in {folder} are not the bureau's two keys")
    return opening, roster


def read_private_key(path: Path) -> PrivateKey:
    """The key in a private file; raises `KeyFileFault`."""
    try:
        return parse_private_key_file(read_private(path))
    except CryptoError as error:
        raise KeyFileFault(f"the key file {path} cannot be used: {error}") from None


def read_sealing_key(path: Path) -> SealingKey:
    """A bureau's public key as it was handed over; raises `KeyFileFault`."""
    return _sealing_key(path)


def _signing_key(path: Path, role: Role) -> SigningKey:
    key = read_private_key(path)
    if not isinstance(key, SigningKey) or key.public.role is not role:
        raise KeyFileFault(f"the key file {path} is not a {role} key")
    return key


def _sealing_key(path: Path) -> SealingKey:
    try:
        key = parse_public_key_file(_read(path)).key
    except CryptoError as error:
        raise KeyFileFault(f"the key file {path} cannot be used: {error}") from None
    if not isinstance(key, SealingKey):
        raise KeyFileFault(
            f"{path} is a signing key; records are sealed to an x25519 public key"
        )
    return key


def _key_text(key: bytes) -> bytes:
    return base64.b64encode(key) + b"\n"


def _raw_key(path: Path) -> bytes:
    try:
        key = base64.b64decode(read_private(path).strip(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise KeyFileFault(f"the key file {path} is not {KEY_BYTES} bytes in base64")
    return key


def _private_folder(folder: Path) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    _check_folder(folder)
    return folder


def _check_folder(folder: Path) -> None:
    """Refuse a folder in which others could look, or put another file."""
    try:
        status = folder.stat()
    except OSError as error:
        raise KeyFileFault(
            f"the key folder {folder} cannot be read ({error.strerror}); run medaid"
            " init with the same --data-dir"
        ) from error
    if stat.S_IMODE(status.st_mode) & _OTHERS_MAY:
        raise KeyFileFault(
            f"the key folder {folder} is open to others; if nobody has read the keys,"
            " chmod 700 it, else replace them"
        )
    if status.st_uid not in {0, os.geteuid()}:
        raise KeyFileFault(f"the key folder {folder} belongs to another user")


def _check_plain(path: Path) -> None:
    """Refuse a link, and what would wait for a writer when it is opened."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return  # Said where it is read.
    except OSError as error:
        raise KeyFileFault(
            f"the key file {path} cannot be read ({error.strerror})"
        ) from error
    if not stat.S_ISREG(status.st_mode):
        raise KeyFileFault(
            f"the key file {path} is no plain file; put the key itself there"
        )


def write_new(path: Path, content: bytes) -> bool:
    """Write a file that its owner alone reads; false where one stands already."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # A link fails where the name is taken, so two writers cannot both win.
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink(missing_ok=True)
    return True


def read_private(path: Path) -> bytes:
    """A file that nobody else may read; raises `KeyFileFault` where others may."""
    return _read(path, is_private=True)


def _read(path: Path, *, is_private: bool = False) -> bytes:
    try:
        with path.open("rb") as file:
            if is_private:
                # The open file is checked, so that no other can be put in its place.
                _check_private(path, os.fstat(file.fileno()))
            return file.read(_MOST_BYTES)
    except FileNotFoundError:
        raise KeyFileFault(
            f"the key file {path} is missing; run medaid init with the same --data-dir"
        ) from None
    except OSError as error:
        raise KeyFileFault(
            f"the key file {path} cannot be read ({error.strerror})"
        ) from error


def _check_private(path: Path, status: os.stat_result) -> None:
    if stat.S_IMODE(status.st_mode) & _OTHERS_MAY:
        raise KeyFileFault(
            f"the key file {path} can be read by others; if nobody has, chmod 600 it,"
            " else replace the key"
        )
    if status.st_uid not in {0, os.geteuid()}:
        raise KeyFileFault(f"the key file {path} belongs to another user")
