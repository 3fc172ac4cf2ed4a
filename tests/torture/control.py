"""A small piece of memory that the harness and every armed process share.

It outlives the processes that are shot. For each crash point a countdown and a
count of shots; and by how much the armed processes' clock is wrong.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Self

VARIABLE = "TORTURE_CONTROL"
_SKEW = struct.Struct("<d")
_SHOTS = struct.Struct("<I")
_COUNTDOWNS = _SKEW.size
_POINTS_MAX = 200
_FIRED = _COUNTDOWNS + _POINTS_MAX
_SIZE = _FIRED + _POINTS_MAX * _SHOTS.size


class Control:
    """The shared memory; several processes may write, each its own bytes."""

    def __init__(self, memory: mmap.mmap) -> None:
        """Use `make` or `open`."""
        self._memory = memory

    @classmethod
    def make(cls, path: Path) -> Self:
        """Make the file, with nothing armed."""
        path.write_bytes(bytes(_SIZE))
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Map the file that the harness has made."""
        with path.open("r+b") as file:
            return cls(mmap.mmap(file.fileno(), _SIZE))

    @property
    def skew_s(self) -> float:
        """By how much the clock of the armed processes is ahead."""
        skew: float = _SKEW.unpack_from(self._memory, 0)[0]
        return skew

    @skew_s.setter
    def skew_s(self, seconds: float) -> None:
        _SKEW.pack_into(self._memory, 0, seconds)

    def arm(self, point: int, calls: int = 1) -> None:
        """Shoot whoever makes this point's n-th call from now on."""
        self._memory[_COUNTDOWNS + point] = calls

    def disarm(self) -> None:
        """Let everybody live."""
        self._memory[_COUNTDOWNS:_FIRED] = bytes(_POINTS_MAX)

    def is_armed(self, point: int) -> bool:
        """Whether nobody was shot yet."""
        return self._memory[_COUNTDOWNS + point] > 0

    def count_down(self, point: int) -> bool:
        """Note a call; whether the caller is to die now."""
        left = self._memory[_COUNTDOWNS + point]
        if left == 0:
            return False
        self._memory[_COUNTDOWNS + point] = left - 1
        if left > 1:
            return False
        place = _FIRED + point * _SHOTS.size
        _SHOTS.pack_into(self._memory, place, self.fired(point) + 1)
        return True

    def fired(self, point: int) -> int:
        """How many processes have died here."""
        shots: int = _SHOTS.unpack_from(self._memory, _FIRED + point * _SHOTS.size)[0]
        return shots
