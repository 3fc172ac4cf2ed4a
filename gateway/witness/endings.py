"""How a witness's commands end: one sentence, and the status as of a gateway."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from crypto.errors import CryptoError, TwoHistoriesError
from gateway.endings import FORESEEN, NEEDS_REPAIR, sentence_of, status_of
from gateway.last_words import sentence_of_bug
from gateway.witness.source import SourceFault
from gateway.witness.submission import WitnessRefusedError

#: Something does not hold, or cannot be told now; as `medaid verify` has it.
NOT_WELL = 1


@contextmanager
def saying_one_sentence() -> Iterator[None]:
    """Turn every fault that is foreseen into a sentence and a status."""
    try:
        yield
    except FORESEEN as fault:
        _end(sentence_of(fault), status_of(fault))
    except TwoHistoriesError as error:
        _end(f"{error.code} {error}", NOT_WELL)
    except CryptoError as error:
        # A key or a name on the command line.
        _end(f"{error.code} {error}", NEEDS_REPAIR)
    except (SourceFault, WitnessRefusedError) as fault:
        _end(str(fault), NOT_WELL)
    except OSError as error:
        _end(sentence_of_bug(error), NOT_WELL)


def _end(sentence: str, status: int) -> None:
    click.ClickException(sentence).show()
    raise SystemExit(status)
