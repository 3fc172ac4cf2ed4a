"""What a process says of a fault that nobody foresaw: one sentence, without secrets.

A traceback ends with the exception's message, and a driver's or parser's message may
quote a password, a card or a row. So none of ours is ever printed.
"""

from __future__ import annotations

import os
import sys
import traceback
from types import TracebackType

from settlement.store.errors import SERVER_AWAY


def sentence_of_bug(error: BaseException) -> str:
    """One sentence: what the system refused, or where in the program it happened."""
    leaf = _innermost(error)
    if isinstance(leaf, OSError) and leaf.strerror:
        named = os.fsdecode(leaf.filename) if _is_path(leaf.filename) else "a resource"
        return (
            f"{named} cannot be used ({leaf.strerror}); see that it is there, that this"
            " user may use it, and that the disk is not full"
        )
    if isinstance(leaf, SERVER_AWAY):
        return (
            f"PostgreSQL lets nobody in or ends who is in ({type(leaf).__name__});"
            " nothing was acknowledged that is not stored; start again when it answers"
        )
    return (
        f"medaid met a fault that it was not prepared for ({type(leaf).__name__} in"
        f" {_place(leaf)}); nothing was acknowledged that is not stored; report it with"
        " the log"
    )


def speak_without_traceback() -> None:
    """From now on an exception that nobody catches is one sentence on stderr."""
    sys.excepthook = _hook


def fill_standard_streams() -> None:
    """Give closed standard streams the null device.

    Else the next file that is opened takes their number, and what is meant for the
    terminal is written into it.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _hook(
    _kind: type[BaseException], error: BaseException, _trace: TracebackType | None
) -> None:
    if sys.stderr is not None:
        sys.stderr.write(f"Error: {sentence_of_bug(error)}\n")


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _is_path(name: object) -> bool:
    return isinstance(name, str | bytes) and bool(name)


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return "no place"
    last = frames[-1]
    return f"{last.name} {'/'.join(last.filename.split('/')[-2:])}:{last.lineno}"
