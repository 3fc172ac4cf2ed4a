"""What a fault is: a name, what it stands for, what is expected, how it is made."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.torture.stage import Stage

#: Makes the fault once and heals it; raises `Impossible` where it cannot be made.
#: What it finds to be wrong goes to `stage.tally`.
Inject = Callable[[Stage, random.Random], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """One line of the table."""

    name: str
    numbers: tuple[str, ...]
    """Of the fault matrix."""
    expected: str
    inject: Inject
    alone: bool = False
    """Whether nobody is shot meanwhile, because of what is asked about."""
    apart: bool = False
    """Whether no other fault is made meanwhile; kills go on."""
