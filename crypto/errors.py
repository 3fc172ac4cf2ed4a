"""Everything that can be wrong with bytes that claim to prove something.

Each class has a stable `code` of the 8xxx range. Messages name the part at fault
and never carry a personal value, a key or a whole record.
"""

from __future__ import annotations

from typing import ClassVar


class CryptoError(Exception):
    """Something that was to be checked did not hold."""

    code: ClassVar[str] = "MA-8000"


class EncodingError(CryptoError):
    """Base64 or JSON is not in its one canonical or permitted form."""

    code: ClassVar[str] = "MA-8001"


class MalformedRecordError(CryptoError):
    """The record does not have the form of a MASR/1 record."""

    code: ClassVar[str] = "MA-8101"


class BadClaimsError(CryptoError):
    """A clear claim is missing, unknown, of the wrong type or impossible."""

    code: ClassVar[str] = "MA-8102"


class BadSignatureError(CryptoError):
    """The signature was not made by the named key over these bytes."""

    code: ClassVar[str] = "MA-8103"


class SuiteMismatchError(CryptoError):
    """The algorithm named in the message is not the one its key is bound to."""

    code: ClassVar[str] = "MA-8104"


class NotAuthenticError(CryptoError):
    """The sealed content does not open under this key."""

    code: ClassVar[str] = "MA-8105"


class SealedMismatchError(CryptoError):
    """The sealed content says something else than the clear claims."""

    code: ClassVar[str] = "MA-8106"


class UnknownKeyError(CryptoError):
    """No trusted key has this key id."""

    code: ClassVar[str] = "MA-8201"


class WrongRoleError(CryptoError):
    """The key is trusted, but not for this use."""

    code: ClassVar[str] = "MA-8202"


class KeyNotValidError(CryptoError):
    """The key was not valid on the day in question."""

    code: ClassVar[str] = "MA-8203"


class MalformedKeyError(CryptoError):
    """A key, key file or trust file does not have its form."""

    code: ClassVar[str] = "MA-8204"


class WeakKeyError(CryptoError):
    """The public key is no point of the curve, or one under which all verifies."""

    code: ClassVar[str] = "MA-8205"


class PossessionError(CryptoError):
    """Whoever presents the public key did not show that they hold the private one."""

    code: ClassVar[str] = "MA-8206"


class MalformedProofError(CryptoError):
    """A proof, tile or receipt does not have its form or its length."""

    code: ClassVar[str] = "MA-8301"


class ProofMismatchError(CryptoError):
    """The proof has the right form and leads to another root."""

    code: ClassVar[str] = "MA-8302"


class MalformedNoteError(CryptoError):
    """A signed note or checkpoint does not have its form."""

    code: ClassVar[str] = "MA-8303"


class WrongOriginError(CryptoError):
    """The checkpoint or receipt is of another log than the trusted one."""

    code: ClassVar[str] = "MA-8304"


class TwoHistoriesError(CryptoError):
    """The log signed two checkpoints that cannot belong to one history."""

    code: ClassVar[str] = "MA-8305"


class MalformedManifestError(CryptoError):
    """A roster manifest does not have its form."""

    code: ClassVar[str] = "MA-8401"


class MalformedApprovalError(CryptoError):
    """The file with an officer's signature cannot be read."""

    code: ClassVar[str] = "MA-8402"


class MalformedHttpSignatureError(CryptoError):
    """A signed request lacks a component or parameter, or has one too many."""

    code: ClassVar[str] = "MA-8501"


class DigestMismatchError(CryptoError):
    """The body is not the one that the request's digest was made of."""

    code: ClassVar[str] = "MA-8502"


class StaleSignatureError(CryptoError):
    """The request was signed outside of the window around now."""

    code: ClassVar[str] = "MA-8503"


class MalformedPackageError(CryptoError):
    """An exported folder lacks a part, or a part does not have its form."""

    code: ClassVar[str] = "MA-8601"


class PackageMismatchError(CryptoError):
    """A part of an exported folder does not belong to it, or one is missing."""

    code: ClassVar[str] = "MA-8602"
