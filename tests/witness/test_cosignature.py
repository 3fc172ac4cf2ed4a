import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from crypto.checkpoint import verify_checkpoint
from crypto.cosignature import (
    TIME_MAX,
    WitnessKey,
    cosign,
    parse_witness_vkey,
    verify_cosignatures,
    witnesses_of,
)
from crypto.encoding import b64
from crypto.errors import (
    BadSignatureError,
    CryptoError,
    MalformedKeyError,
    MalformedNoteError,
    SuiteMismatchError,
    UnknownKeyError,
    WeakKeyError,
    WrongRoleError,
)
from crypto.keys import Role
from crypto.note import parse_note, parse_vkey, sign_note, signature_line
from crypto.trust import Trust, TrustedKey, parse_trust_file, trust_file
from tests.witness.made_up_log import (
    LOG_KEY,
    ORIGIN,
    OTHER_KEY,
    OTHER_WITNESS,
    TRUST,
    WITNESS,
    WITNESS_KEY,
    MadeUpLog,
    signing_key,
)

#: A checkpoint of a public log as public witnesses cosigned it.
ARCHE = """\
arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

— arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6\
hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=
— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwh\
UkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
— transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/K\
YTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==
— witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH\
+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==
— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIo\
bWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
— witness.stagemole.eu Z/euoAAAAABqEiEgw0i+7g2ENfDAWHmtRzCfKTHSDwYDJA2NmKeGi9Y8FtEyOUvV\
r+AJmIY/2TUFucgKi7lI7cUiOvKFYe/TmN9DAg==
"""
REKOR = """\
log2025-1.rekor.sigstore.dev
139911860
EliTHtnx44DhEBH+5qIXBtQsSpc54Avam7mIYEvxnTA=

— log2025-1.rekor.sigstore.dev zxGZFcOra4Y7QpuiQen+CmnUvDZbxSXfBOXJzL+HKIeR9aC58QTfao58\
ABqkhVyBhQDseS+TZdDNpcnZhoRxkh7IbQ0=
— witness.stagemole.eu Z/euoAAAAABqxF18wrJCADsJ1G5Lc2JaRjZqqBwjpNqH24yQse4iJ4rKS6b5MtvH\
P+IbKYXwaWuWokdGA+BubLFi+TrwK7xpKr6XBw==
"""
STAGEMOLE = "witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv"
REMORA = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
LITTLE_GARDEN = (
    "transparency.dev/DEV:witness-little-garden+d8042a87"
    "+BCtusOxINQNUTN5Oj8HObRkh2yHf/MwYaGX4CPdiVEPM"
)
ARCHE_LOG = (
    "arche2025h1.staging.ct.transparency.dev+ba2f06c0"
    "+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f"
)

NOTE = MadeUpLog().note(5)
LINE = cosign(NOTE, WITNESS_KEY.name, WITNESS, 1_767_578_400)
COSIGNED = NOTE + LINE


@pytest.mark.parametrize(
    ("note", "vkey", "time"),
    [
        (ARCHE, STAGEMOLE, 1_779_573_024),
        (ARCHE, REMORA, 1_779_573_024),
        (ARCHE, LITTLE_GARDEN, 1_779_573_024),
        (REKOR, STAGEMOLE, 1_791_253_884),
    ],
    ids=["arche-stagemole", "arche-remora", "arche-little-garden", "rekor-stagemole"],
)
def test_cosignatures_of_public_witnesses_verify(
    note: str, vkey: str, time: int
) -> None:
    """Keys and cosignatures that others published; a changed body fails."""
    witness = parse_witness_vkey(vkey)

    (found,) = verify_cosignatures(note, [witness])

    assert (found.witness, found.time) == (witness, time)
    assert witness.vkey == vkey
    size = note.split("\n")[1]
    with pytest.raises(BadSignatureError):
        verify_cosignatures(note.replace(size, f"1{size}", 1), [witness])


def test_logs_signature_holds_beside_lines_of_types_that_we_do_not_know() -> None:
    """Note parsing ignores cosignatures and other types, also under the same name."""
    log = parse_vkey(ARCHE_LOG, Role.CHECKPOINT_SIGN)
    trust = Trust(log.name, [TrustedKey(log.key)])

    assert verify_checkpoint(ARCHE, trust).size == 1_432_088_532


def test_signed_message_is_the_one_of_the_specification() -> None:
    """Two lines and the whole body, verified here by the library alone."""
    octets = parse_note(COSIGNED).signatures[-1].signature
    time, signature = octets[:8], octets[8:]

    Ed25519PublicKey.from_public_bytes(WITNESS.public.public_bytes).verify(
        signature, b"cosignature/v1\ntime 1767578400\n" + NOTE.split("\n\n")[0].encode()
        + b"\n",
    )  # fmt: skip
    assert int.from_bytes(time, "big") == 1_767_578_400


def test_extension_lines_are_cosigned_too() -> None:
    """A line below the root is part of what the witness signs."""
    text = parse_note(NOTE).text + "an extension\n"
    extended = sign_note(text, ORIGIN, LOG_KEY)
    cosigned = extended + cosign(extended, WITNESS_KEY.name, WITNESS, 7)

    assert verify_cosignatures(cosigned, [WITNESS_KEY])[0].time == 7
    with pytest.raises(BadSignatureError):
        verify_cosignatures(cosigned.replace("an extension", "no"), [WITNESS_KEY])


@given(st.integers(1, TIME_MAX))
def test_any_time_comes_back(time: int) -> None:
    """Up to the largest that the specification has."""
    line = cosign(NOTE, WITNESS_KEY.name, WITNESS, time)

    assert verify_cosignatures(NOTE + line, [WITNESS_KEY])[0].time == time


@pytest.mark.parametrize("time", [0, -1, TIME_MAX + 1])
def test_no_cosignature_without_a_time(time: int) -> None:
    """Zero would say nothing; beyond the last nobody reads it."""
    with pytest.raises(MalformedNoteError):
        cosign(NOTE, WITNESS_KEY.name, WITNESS, time)


@given(st.data())
def test_changed_character_is_rejected(data: st.DataObject) -> None:
    """Wherever it stands; in another signature's line it belongs to a stranger."""
    own = COSIGNED.index(LINE)
    positions = [*range(NOTE.index("\n\n")), *range(own, len(COSIGNED))]
    position = data.draw(st.sampled_from(positions))
    character = data.draw(st.characters(max_codepoint=0x2100))
    changed = COSIGNED[:position] + character + COSIGNED[position + 1 :]
    if changed == COSIGNED:
        return

    with pytest.raises(CryptoError):
        verify_cosignatures(changed, [WITNESS_KEY])


def test_time_is_part_of_what_is_signed() -> None:
    """A later time under an older signature fails."""
    octets = parse_note(COSIGNED).signatures[-1].signature
    later = (int.from_bytes(octets[:8], "big") + 1).to_bytes(8, "big") + octets[8:]
    line = signature_line(WITNESS_KEY.name, WITNESS_KEY.key_id, later)

    with pytest.raises(BadSignatureError):
        verify_cosignatures(NOTE + line, [WITNESS_KEY])


@pytest.mark.parametrize("length", [1, 8, 64, 71, 73])
def test_cosignature_of_another_length_is_rejected(length: int) -> None:
    """Eight bytes of time and 64 of signature, no more and no less."""
    line = signature_line(WITNESS_KEY.name, WITNESS_KEY.key_id, b"\1" * length)

    with pytest.raises(MalformedNoteError):
        verify_cosignatures(NOTE + line, [WITNESS_KEY])


def test_time_beyond_the_last_is_rejected() -> None:
    """As it is not signed, so it is not read."""
    line = signature_line(WITNESS_KEY.name, WITNESS_KEY.key_id, b"\xff" * 72)

    with pytest.raises(MalformedNoteError):
        verify_cosignatures(NOTE + line, [WITNESS_KEY])


def test_every_known_witness_is_found_and_strangers_are_ignored() -> None:
    """Two witnesses, one of them twice; the log's line and strangers count nothing."""
    other = cosign(NOTE, OTHER_KEY.name, OTHER_WITNESS, 8)
    note = COSIGNED + other + cosign(NOTE, WITNESS_KEY.name, WITNESS, 9)

    both = verify_cosignatures(note, [OTHER_KEY, WITNESS_KEY])
    one = verify_cosignatures(note, [OTHER_KEY])

    assert [each.time for each in both] == [1_767_578_400, 8, 9]
    assert [each.witness for each in one] == [OTHER_KEY]
    with pytest.raises(UnknownKeyError):
        verify_cosignatures(NOTE, [WITNESS_KEY])
    with pytest.raises(UnknownKeyError):
        verify_cosignatures(COSIGNED, [WitnessKey("other", WITNESS.public)])


def test_one_failing_cosignature_of_a_known_witness_condemns_the_note() -> None:
    """Also where another one holds."""
    forged = signature_line(OTHER_KEY.name, OTHER_KEY.key_id, bytes(7) + b"\1" * 65)

    assert verify_cosignatures(COSIGNED + forged, [WITNESS_KEY])
    with pytest.raises(BadSignatureError):
        verify_cosignatures(COSIGNED + forged, [WITNESS_KEY, OTHER_KEY])


def test_cosignature_is_no_signature_of_the_log_and_the_other_way_round() -> None:
    """Type and role keep them apart, whoever has both keys."""
    as_log = Trust(ORIGIN, [TrustedKey(WITNESS.public, name="witness.example/w1")])
    with pytest.raises(UnknownKeyError):
        verify_checkpoint(COSIGNED, as_log)
    with pytest.raises(WrongRoleError):
        WitnessKey("w", LOG_KEY.public)
    plain = sign_note(parse_note(NOTE).text, WITNESS_KEY.name, WITNESS)
    with pytest.raises(UnknownKeyError):
        verify_cosignatures(plain, [WITNESS_KEY])


def test_other_suite_does_not_cosign(monkeypatch: pytest.MonkeyPatch) -> None:
    """The specification knows Ed25519 here and nothing of ours."""
    key = signing_key(Role.WITNESS_COSIGN, "of another suite").public
    monkeypatch.setattr(key, "suite", "GM1")

    with pytest.raises(SuiteMismatchError):
        WitnessKey("w", key)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb"])
def test_name_that_no_note_can_carry_is_no_witness(name: str) -> None:
    """In a vkey, in a note, in a trust file."""
    with pytest.raises(MalformedNoteError):
        WitnessKey(name, WITNESS.public)
    with pytest.raises(MalformedKeyError):
        TrustedKey(WITNESS.public, name=name)


@pytest.mark.parametrize(
    ("vkey", "error"),
    [
        ("", MalformedNoteError),
        ("name+67f7aea0", MalformedNoteError),
        (STAGEMOLE.replace("67f7aea0", "67f7aea1"), MalformedNoteError),
        (STAGEMOLE.replace("+BEq", "+AUq"), MalformedNoteError),
        (STAGEMOLE[:-4], MalformedKeyError),
        (STAGEMOLE[:-1] + "=", MalformedNoteError),
        (f"w+00000000+{b64(bytes([4]) + bytes(32))}", WeakKeyError),
    ],
)
def test_malformed_vkey_is_rejected(vkey: str, error: type[CryptoError]) -> None:
    """Another type, another id, a shorter or a weak key."""
    with pytest.raises(error):
        parse_witness_vkey(vkey)


def test_trust_file_names_witnesses() -> None:
    """Read as they were written, found as witnesses and as nothing else."""
    named = TrustedKey(WITNESS.public, name=WITNESS_KEY.name)
    trust = parse_trust_file(trust_file(Trust(ORIGIN, [*TRUST.keys, named])))

    assert [each.vkey for each in witnesses_of(trust)] == [WITNESS_KEY.vkey]
    assert verify_cosignatures(COSIGNED, witnesses_of(trust))
    assert verify_checkpoint(COSIGNED, trust).size == 5
    assert witnesses_of(TRUST) == ()


@pytest.mark.parametrize(
    ("index", "changes"),
    [
        (0, {"name": "log.example"}),
        (1, {"name": ...}),
        (1, {"name": None}),
        (1, {"name": "a b"}),
        (1, {"nickname": "w"}),
    ],
)
def test_name_belongs_to_witnesses_alone(index: int, changes: dict[str, Any]) -> None:
    """A witness without one could not be told; another key has none."""
    named = TrustedKey(WITNESS.public, name=WITNESS_KEY.name)
    document = json.loads(trust_file(Trust(ORIGIN, [*TRUST.keys, named])))
    entry = document["keys"][index] | changes
    document["keys"][index] = {k: v for k, v in entry.items() if v is not ...}

    with pytest.raises(MalformedKeyError):
        parse_trust_file(json.dumps(document).encode())
