import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.add_checkpoint import (
    BODY_BYTES_MAX,
    PROOF_LINES_MAX,
    AddCheckpoint,
    parse_add_checkpoint,
)
from crypto.encoding import b64
from crypto.errors import CryptoError, MalformedNoteError, MalformedProofError
from crypto.merkle import SIZE_MAX
from crypto.note import NOTE_BYTES_MAX
from tests.witness.made_up_log import MadeUpLog

LOG = MadeUpLog()
BODY = LOG.request(4, 7).to_body()
HASH = b64(bytes(32))


@given(st.integers(0, 9), st.integers(0, 9))
def test_request_comes_back(old: int, more: int) -> None:
    """Size, proof and note are read as they were written."""
    request = LOG.request(old, old + more)

    assert parse_add_checkpoint(request.to_body()) == request


def test_body_is_the_one_of_the_specification() -> None:
    """Older size, a hash a line, an empty line, the checkpoint."""
    path = [b64(each) for each in LOG.path(4, 7)]
    lines = ["old 4", *path, "", LOG.note(7)]

    assert "\n".join(lines).encode() == BODY


def test_longest_request_fits_the_limit() -> None:
    """No sound request is refused for its length."""
    request = AddCheckpoint(SIZE_MAX, (bytes(32),) * PROOF_LINES_MAX, "")

    assert len(request.to_body()) + NOTE_BYTES_MAX <= BODY_BYTES_MAX


#: What is no request, and the class that says so.
MALFORMED = {
    "nothing": (b"", MalformedNoteError),
    "no UTF-8": (b"\xff" + BODY, MalformedNoteError),
    "no empty line": (BODY.replace(b"\n\n", b"\n"), MalformedNoteError),
    "nothing after the empty line": (b"old 0\n\n", MalformedNoteError),
    "checkpoint alone": (LOG.note(7).encode(), MalformedProofError),
    "no size": (BODY.replace(b"old 4", b"old"), MalformedProofError),
    "size of letters": (BODY.replace(b"old 4", b"old four"), MalformedProofError),
    "size with a zero before": (BODY.replace(b"old 4", b"old 04"), MalformedProofError),
    "size with a sign": (BODY.replace(b"old 4", b"old +4"), MalformedProofError),
    "size below nothing": (BODY.replace(b"old 4", b"old -4"), MalformedProofError),
    "size in other digits": (
        BODY.replace(b"old 4", "old ٤".encode()),
        MalformedProofError,
    ),
    "size beyond all trees": (
        BODY.replace(b"old 4", f"old {SIZE_MAX + 1}".encode()),
        MalformedProofError,
    ),
    "space behind the size": (BODY.replace(b"old 4", b"old 4 "), MalformedProofError),
    "two spaces": (BODY.replace(b"old 4", b"old  4"), MalformedProofError),
    "another word": (BODY.replace(b"old 4", b"new 4"), MalformedProofError),
    "capital letters": (BODY.replace(b"old 4", b"OLD 4"), MalformedProofError),
    "empty line before": (b"\n\n" + BODY, MalformedProofError),
    "carriage returns": (BODY.replace(b"\n", b"\r\n"), MalformedNoteError),
    "hash too short": (
        BODY.replace(b"old 4\n", b"old 4\n" + b64(bytes(31)).encode() + b"\n"),
        MalformedProofError,
    ),
    "hash in hex": (
        BODY.replace(b"old 4\n", b"old 4\n" + bytes(32).hex().encode() + b"\n"),
        MalformedProofError,
    ),
    "hash without padding": (
        BODY.replace(b"old 4\n", b"old 4\n" + HASH.rstrip("=").encode() + b"\n"),
        MalformedProofError,
    ),
    "hash with a space": (
        BODY.replace(b"old 4\n", f"old 4\n {HASH}\n".encode()),
        MalformedProofError,
    ),
    "64 lines of proof": (
        f"old 4\n{(HASH + chr(10)) * 64}\n{LOG.note(7)}".encode(),
        MalformedProofError,
    ),
    "note without signature": (
        BODY[: BODY.rindex(b"\n\n") + 1],
        MalformedNoteError,
    ),
    "note without last newline": (BODY[:-1], MalformedNoteError),
    "text behind the note": (BODY + b"more\n", MalformedNoteError),
    "hyphen for the dash": (BODY.replace("—".encode(), b"-"), MalformedNoteError),
    "size of the tree in words": (
        BODY.replace(b"\n7\n", b"\nseven\n"),
        MalformedNoteError,
    ),
    "size of the tree below nothing": (
        BODY.replace(b"\n7\n", b"\n-7\n"),
        MalformedNoteError,
    ),
    "root too short": (
        BODY.replace(
            b64(LOG.edge(7).root).encode(), b64(LOG.edge(7).root[:31]).encode()
        ),
        MalformedNoteError,
    ),
    "no root": (
        BODY.replace(b64(LOG.edge(7).root).encode() + b"\n", b""),
        MalformedNoteError,
    ),
    "control character": (BODY.replace(b"\n7\n", b"\n7\x00\n"), MalformedNoteError),
    "JSON": (b'{"old": 4}', MalformedNoteError),
    "note too long": (
        BODY + f"— x {b64(bytes(68))}\n".encode() * 1000,
        MalformedNoteError,
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_request_is_rejected(name: str) -> None:
    """By a class with a stable code, never by a crash."""
    body, error = MALFORMED[name]

    with pytest.raises(error):
        parse_add_checkpoint(body)


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_rejected(body: bytes) -> None:
    """No bytes make the parser raise anything else."""
    try:
        parse_add_checkpoint(body)
    except CryptoError:
        return
    pytest.fail("400 random bytes were taken for a request")


@given(st.data())
def test_any_changed_byte_is_read_or_rejected(data: st.DataObject) -> None:
    """And what is read is written back as it came."""
    position = data.draw(st.integers(0, len(BODY) - 1))
    changed = BODY[:position] + data.draw(st.binary(max_size=2)) + BODY[position + 1 :]
    try:
        request = parse_add_checkpoint(changed)
    except CryptoError:
        return
    assert request.to_body() == changed
