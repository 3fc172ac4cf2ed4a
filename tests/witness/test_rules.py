from http import HTTPStatus
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.add_checkpoint import AddCheckpoint
from crypto.checkpoint import CheckpointSigner, verify_checkpoint
from crypto.cosignature import verify_cosignatures
from crypto.histories import verify_two_histories
from crypto.keys import Role
from crypto.note import signature_line
from gateway.installation import InstallationFault
from gateway.keyfiles import KeyFileFault
from gateway.witness.folder import WitnessFolder, WitnessFolderFault, make_witness
from gateway.witness.rules import Cosigned, Refused, Witness
from tests.witness.conftest import NOW
from tests.witness.made_up_log import (
    LOG_KEY,
    ORIGIN,
    TRUST,
    MadeUpLog,
    random_bytes,
    signing_key,
)

TRUE, FALSE = MadeUpLog(), MadeUpLog("rewritten")


def signed(done: Cosigned | Refused) -> Cosigned:
    """The cosignature, which has to be there."""
    assert isinstance(done, Cosigned), done
    return done


def refused(done: Cosigned | Refused) -> Refused:
    """The refusal, which has to be there."""
    assert isinstance(done, Refused), done
    return done


def seen_size(witness: Witness) -> int:
    """The size that the witness remembers; below 0 without any."""
    seen = witness.folder.seen(ORIGIN)
    return -1 if seen is None else seen.checkpoint.size


def test_log_that_grows_is_countersigned_step_by_step(witness: Witness) -> None:
    """From nothing, over sizes with and without a hash left out of the proof."""
    size = 0
    for newer in (0, 1, 2, 4, 5, 8, 8, 13, 16, 20):
        done = signed(witness.add(TRUE.request(size, newer)))
        size = newer

        found = verify_cosignatures(done.note, [witness.folder.public_key])
        assert [each.time for each in found] == [NOW]
        assert verify_checkpoint(done.note, TRUST).size == newer
        assert done.note.endswith(done.line)
        assert seen_size(witness) == newer


@given(sizes=st.lists(st.integers(0, 24), max_size=6), data=st.data())
@settings(max_examples=60)
def test_no_two_cosignatures_contradict_each_other(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], data: st.DataObject
) -> None:
    """Whatever is asked of a witness, what it signs is one history that grows."""
    folder = tmp_path_factory.mktemp("witness")
    make_witness(folder, "w", random_bytes)
    witness = Witness(WitnessFolder(folder), {ORIGIN: TRUST}, lambda: NOW)
    told: set[str] = set()
    last = 0
    for newer in sizes:
        log = data.draw(st.sampled_from([TRUE, FALSE]))
        older = data.draw(st.sampled_from([last, min(last, newer), 0]))
        path = log.path(older, newer) if older <= newer else ()
        done = witness.add(AddCheckpoint(older, path, log.note(newer)))
        if isinstance(done, Cosigned):
            assert newer >= last
            last = newer
            told |= {log.history} if newer > 3 else set()
        assert seen_size(witness) in (last, -1)
    assert len(told) <= 1


def test_another_size_is_answered_with_the_one_that_was_seen(witness: Witness) -> None:
    """So that a caller who knows nothing, or too much, can begin again."""
    signed(witness.add(TRUE.request(0, 5)))

    for older, newer in ((0, 5), (4, 9), (6, 9), (0, 9)):
        answer = refused(witness.add(TRUE.request(older, newer)))
        assert (answer.status, answer.seen_size) == (HTTPStatus.CONFLICT, 5)
    assert seen_size(witness) == 5


def test_smaller_tree_is_never_countersigned_after_a_larger_one(
    witness: Witness,
) -> None:
    """Also not with the right older size."""
    signed(witness.add(TRUE.request(0, 9)))

    answer = refused(witness.add(AddCheckpoint(9, (), TRUE.note(5))))

    assert answer.status == HTTPStatus.BAD_REQUEST
    assert seen_size(witness) == 9


def test_first_size_must_be_nothing(witness: Witness) -> None:
    """A witness that has seen nothing says so."""
    answer = refused(witness.add(TRUE.request(5, 9)))

    assert (answer.status, answer.seen_size) == (HTTPStatus.CONFLICT, 0)
    assert seen_size(witness) == -1


def test_proof_that_leads_elsewhere_is_refused(witness: Witness) -> None:
    """Too short, too long, of another history, or where none belongs."""
    signed(witness.add(TRUE.request(0, 5)))
    path = TRUE.path(5, 9)
    note, false = TRUE.note(9), FALSE.note(9)

    for request in (
        AddCheckpoint(5, (), note),
        AddCheckpoint(5, path[:-1], note),
        AddCheckpoint(5, (*path, bytes(32)), note),
        AddCheckpoint(5, path[::-1], note),
        AddCheckpoint(5, path, false),
        AddCheckpoint(5, FALSE.path(5, 9), false),
        AddCheckpoint(5, (bytes(32),), TRUE.note(5)),
    ):
        answer = refused(witness.add(request))
        assert answer.status == HTTPStatus.UNPROCESSABLE_ENTITY
    assert seen_size(witness) == 5


def test_empty_log_has_the_root_of_nothing(witness: Witness) -> None:
    """Another root of no entries is a slip that no proof could ever mend."""
    note = CheckpointSigner(ORIGIN, LOG_KEY).sign(0, bytes(32))

    answer = refused(witness.add(AddCheckpoint(0, (), note)))

    assert answer.status == HTTPStatus.UNPROCESSABLE_ENTITY
    assert seen_size(witness) == -1


def test_same_size_with_another_root_leaves_a_proof(witness: Witness) -> None:
    """Anybody with the log's public key can check it."""
    signed(witness.add(TRUE.request(0, 9)))

    answer = refused(witness.add(AddCheckpoint(9, (), FALSE.note(9))))

    assert (answer.status, answer.seen_size) == (HTTPStatus.CONFLICT, None)
    assert answer.evidence is not None
    assert [each.size for each in verify_two_histories(answer.evidence, TRUST)] == [
        9,
        9,
    ]


def test_log_that_is_not_followed_is_unknown(witness: Witness) -> None:
    """Whoever signed it."""
    other = MadeUpLog(origin="other.example/log")

    answer = refused(witness.add(other.request(0, 5)))

    assert answer.status == HTTPStatus.NOT_FOUND


def test_only_the_logs_own_signature_counts(witness: Witness) -> None:
    """A stranger's, one that fails, and the witness's own are none."""
    stranger = MadeUpLog(key=signing_key(Role.CHECKPOINT_SIGN, "stranger"))
    own = signed(witness.add(TRUE.request(0, 5)))
    text = own.note.split("\n\n")[0] + "\n\n"

    for note in (
        stranger.note(5),
        TRUE.note(5).replace("\n5\n", "\n6\n"),
        text + own.line,
    ):
        answer = refused(witness.add(AddCheckpoint(0, (), note)))
        assert answer.status == HTTPStatus.FORBIDDEN


def test_strangers_lines_are_neither_signed_nor_kept(witness: Witness) -> None:
    """A note of 60 kB does not swell the state, and the body is signed as it is."""
    lines = "".join(
        signature_line(f"stranger-{n}", bytes(4), bytes(64)) for n in range(400)
    )

    done = signed(witness.add(AddCheckpoint(0, (), TRUE.note(5) + lines)))

    assert done.note == TRUE.note(5) + done.line
    seen = witness.folder.seen(ORIGIN)
    assert seen is not None
    assert seen.note == done.note


def test_several_logs_are_remembered_side_by_side(witness_dir: Path) -> None:
    """One log's growth says nothing of another's."""
    other = MadeUpLog(origin="other.example/log")
    logs = {ORIGIN: TRUST, other.origin: type(TRUST)(other.origin, TRUST.keys)}
    witness = Witness(WitnessFolder(witness_dir), logs, lambda: NOW)

    signed(witness.add(TRUE.request(0, 9)))
    signed(witness.add(other.request(0, 5)))
    again = Witness(WitnessFolder(witness_dir), logs, lambda: NOW)

    assert seen_size(again) == 9
    signed(again.add(other.request(5, 6)))


def test_what_was_seen_outlives_the_process(witness: Witness) -> None:
    """Another object on the same folder knows it."""
    signed(witness.add(TRUE.request(0, 9)))
    folder = WitnessFolder(witness.folder._path)
    later = Witness(folder, {ORIGIN: TRUST}, lambda: NOW + 1)

    assert refused(later.add(FALSE.request(0, 12))).seen_size == 9
    signed(later.add(TRUE.request(9, 12)))


def test_witness_without_its_memory_does_not_sign(
    witness: Witness, witness_dir: Path
) -> None:
    """A state that was removed, or damaged, is no empty one."""
    signed(witness.add(TRUE.request(0, 9)))
    state = witness_dir / "state.json"
    sound = state.read_bytes()

    for damaged in (b"", b"{}", b"[]", b'{"logs":[]}', b'{"logs":{"x":7}}',
                    b'{"logs":{"x":"note"}}', sound[:-9],
                    sound.replace(b'{"log', b'{"more":1,"log')):  # fmt: skip
        state.write_bytes(damaged)
        with pytest.raises(WitnessFolderFault, match="older copy"):
            witness.add(FALSE.request(0, 9))
    moved = sound.replace(f'"{ORIGIN}"'.encode(), b'"other.example/log"')
    state.write_bytes(moved)
    with pytest.raises(WitnessFolderFault):
        witness.add(FALSE.request(0, 9))
    state.unlink()
    with pytest.raises(WitnessFolderFault, match="forgotten"):
        witness.add(FALSE.request(0, 9))
    with pytest.raises(WitnessFolderFault, match="forgotten"):
        make_witness(witness_dir, "witness.example/w1", random_bytes)
    assert not state.exists()


def test_folder_is_made_once(tmp_path: Path) -> None:
    """Again is the same key; an interrupted beginning goes on; a name is for ever."""
    folder = tmp_path / "new" / "witness"
    made = make_witness(folder, "w1", random_bytes)
    (folder / "witness.json").unlink()

    assert make_witness(folder, "w1", lambda size: bytes([7] * size)).vkey == made.vkey
    with pytest.raises(WitnessFolderFault, match="already"):
        make_witness(folder, "w2", random_bytes)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "witness-key.json").stat().st_mode & 0o777 == 0o600


def test_folder_that_is_none_is_said(tmp_path: Path, witness_dir: Path) -> None:
    """Missing, without a key, with a key that others read or that is another's."""
    with pytest.raises(InstallationFault, match="holds no witness"):
        WitnessFolder(tmp_path / "nowhere")
    key = witness_dir / "witness-key.json"
    key.chmod(0o644)
    with pytest.raises(KeyFileFault, match="by others"):
        WitnessFolder(witness_dir)
    key.unlink()
    with pytest.raises(WitnessFolderFault, match="missing"):
        WitnessFolder(witness_dir)
    for damaged in ("", "[]", "{}", '{"name":7}', '{"name":"w","more":1}'):
        (witness_dir / "witness.json").write_text(damaged)
        with pytest.raises(WitnessFolderFault, match="damaged"):
            WitnessFolder(witness_dir)


def test_state_that_cannot_be_written_signs_nothing(
    witness: Witness, witness_dir: Path
) -> None:
    """No cosignature leaves for something that would be forgotten."""
    signed(witness.add(TRUE.request(0, 5)))
    # A folder in the place of the draft: as good as a full disk, also for root.
    (witness_dir / ".state.json.new").mkdir()

    with pytest.raises(OSError, match=r"state\.json"):
        witness.add(TRUE.request(5, 9))
    (witness_dir / ".state.json.new").rmdir()

    assert seen_size(witness) == 5
    signed(witness.add(TRUE.request(5, 9)))
