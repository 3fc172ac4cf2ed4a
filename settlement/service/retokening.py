"""Renew the database's tokens: the same persons, under tokens of another epoch.

Nobody's number is needed for it, and nobody becomes somebody else: history, running
totals, visits, idempotency keys and cases go on as they were. Records are not touched;
in them tokens are named as in the first epoch, sealed to the bureau.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from crypto.tokens import EpochCipher, Retokening, Tokenizer
from eligibility_cache.store import key_check
from settlement.domain.errors import FatalError
from settlement.domain.watch.changes import subject_digest
from settlement.domain.watch.signal import Subject, SubjectKind
from settlement.service.request import (
    bill_with_tokens,
    canonical,
    reversal_with_tokens,
    visit_identity,
)
from settlement.store import retokening as store

if TYPE_CHECKING:
    from settlement.store.database import Database, Session

Progress = Callable[[str, int, int], None]
"""Step, rows done, rows in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """From which epoch to which, who has asked for it, and when."""

    key: bytes
    before: EpochCipher | None
    """`None`: from the first epoch."""
    after: EpochCipher
    epoch: int
    """That begins."""
    at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class Renewed:
    """What was turned."""

    epoch: int
    tokens: int
    answers: int


async def renew_tokens(
    database: Database, renewal: Renewal, progress: Progress
) -> Renewed:
    """Turn every token, or none. The pool must have but one connection.

    Raises `store.NotAloneError`, `FatalError` where the keys are not the database's or
    the books disagree with themselves, and as `committed`; all but
    `CommitUnknownError` mean that nothing was changed.
    """
    turn = Retokening(renewal.before, renewal.after)
    async with store.alone(database) as session:
        await _require_keys(session, renewal)
        total = await store.rows_of(session)
        done = 0

        def told(rows: int) -> None:
            nonlocal done
            done += rows
            progress("renewing", done, max(done, total))

        answers = 0
        async for month, found in store.stored_answers(session):
            made = [_renewed(each, turn) for each in found]
            await store.write_answers(session, month, made)
            answers += len(found)
            told(len(found))
        tokens = await store.renew_columns(session, turn.all, told)
        await _renew_subjects(session)
        after = Tokenizer(renewal.key, renewal.after)
        progress("committing", done, done)
        await store.begin_epoch(
            session,
            renewal.epoch,
            key_check(after),
            tokens=tokens,
            at=renewal.at,
            by=renewal.by,
        )
    return Renewed(renewal.epoch, tokens, answers)


async def _require_keys(session: Session, renewal: Renewal) -> None:
    epoch, check = await store.epoch_and_check(session)
    if epoch != renewal.epoch - 1:
        raise FatalError(f"the database's tokens are of epoch {epoch} by now")
    if check not in (b"", key_check(Tokenizer(renewal.key, renewal.before))):
        raise FatalError(
            "the token key of this data folder is not the one that wrote the roster"
        )


def _renewed(answer: store.AnswerInBooks, turn: Retokening) -> store.AnswerRenewed:
    values: list[Any] = orjson.loads(answer.request or b"[]")
    if not values:
        return store.AnswerRenewed(answer.id, answer.request, None, None)
    if not answer.is_settlement:
        request = canonical(reversal_with_tokens(values, turn.all))
        return store.AnswerRenewed(answer.id, request, None, None)
    renewed = bill_with_tokens(values, turn.all)
    identity = None
    if answer.visit_identity is not None:
        facility, person = answer.facility_id or 0, answer.person or b""
        if visit_identity(facility, person, values) != answer.visit_identity:
            raise FatalError(
                "a visit in the books is not the one that was asked for; run medaid"
                " check-books first"
            )
        (person_after,) = turn.all([person])
        identity = visit_identity(facility, person_after or b"", renewed)
    return store.AnswerRenewed(
        answer.id, canonical(renewed), answer.visit_identity, identity
    )


async def _renew_subjects(session: Session) -> None:
    """After the columns: what alerts are about is a digest of the token."""
    renewed = []
    for found in await store.case_subjects(session):
        kind = SubjectKind.HOUSEHOLD if found.person is None else SubjectKind.PERSON
        subject = Subject(kind, token=found.person or found.household)
        renewed.append((found.digest, subject_digest(subject)))
    await store.write_subjects(session, renewed)
