"""Cuts a package's records into stretches, and has every core check some of them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from typing import BinaryIO

from gateway.month_package import layout
from gateway.month_package.checked import Checked, Job, Stretch
from gateway.month_package.checking import Checker
from gateway.month_package.container import Member
from gateway.month_package.opened import Package

_STRETCH_BYTES = 8 << 20
#: From here on starting processes costs less than they save.
_PROCESSES_FROM_BYTES = 16 << 20
_LINE_BYTES_MAX = 1 << 20
#: A stretch of nothing but reversals needs less; what lists more only fills memory.
_ORIGINALS_BYTES_MAX = 64 << 20
_DIGITS = 20


def stretches(package: Package) -> Iterator[Stretch]:
    """Whole lines of `records`, with the lines of `originals` that belong to them."""
    records = package.members[layout.RECORDS]
    originals = package.members[layout.ORIGINALS]
    at, originals_at = records.offset, originals.offset
    while at < records.end:
        end = _line_end(package.file, at + _STRETCH_BYTES, records)
        next_index = _index_at(package.file, end, records)
        originals_end = _originals_end(
            package.file, originals_at, originals, next_index
        )
        yield Stretch(at, end - at, originals_at, originals_end - originals_at)
        at, originals_at = end, originals_end
    while originals_at < originals.end:
        # No record asks for them; they are looked at all the same.
        end = _originals_end(package.file, originals_at, originals, None)
        yield Stretch(records.end, 0, originals_at, end - originals_at)
        originals_at = end


def check_all(
    job: Job, package: Package, cores: int | None = None
) -> Iterator[Checked]:
    """Check every stretch; what comes back comes in the order of the records."""
    processes = cores or len(os.sched_getaffinity(0))
    size = package.members[layout.RECORDS].size
    if processes == 1 or size < _PROCESSES_FROM_BYTES:
        with closing(Checker(job)) as checker:
            for stretch in stretches(package):
                yield checker.check(stretch)
        return
    # Started anew and not forked: the progress bar's thread must not be copied.
    with ProcessPoolExecutor(
        processes, get_context("spawn"), _start_process, (job,)
    ) as pool:
        waiting: deque[Future[Checked]] = deque()
        for stretch in stretches(package):
            waiting.append(pool.submit(_check_in_process, stretch))
            # No more than are needed to keep all busy: results take memory.
            if len(waiting) > processes + 2:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


_in_process: list[Checker] = []


def _start_process(job: Job) -> None:
    _in_process.append(Checker(job))


def _check_in_process(stretch: Stretch) -> Checked:
    return _in_process[0].check(stretch)


def _line_end(file: BinaryIO, at: int, member: Member) -> int:
    """Where the line that begins before or at `at` ends."""
    if at >= member.end:
        return member.end
    file.seek(at)
    line = file.readline(_LINE_BYTES_MAX)
    return min(at + len(line), member.end)


def _index_at(file: BinaryIO, at: int, member: Member) -> int | None:
    """The index of the line there; `None` where there is none or it has no index."""
    if at >= member.end:
        return None
    file.seek(at)
    return _index(file.read(_DIGITS))


def _originals_end(
    file: BinaryIO, at: int, member: Member, next_index: int | None
) -> int:
    """Where the lines end that belong to records before the index."""
    file.seek(at)
    most = at + _ORIGINALS_BYTES_MAX
    while at < min(member.end, most):
        line = file.readline(_LINE_BYTES_MAX)
        index = _index(line[:_DIGITS])
        if next_index is not None and index is not None and index >= next_index:
            break
        at += len(line)
    return min(at, member.end)


def _index(text: bytes) -> int | None:
    digits = text.split(b" ", 1)[0]
    return int(digits) if digits.isdigit() else None
