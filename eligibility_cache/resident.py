"""Keep the cache's file in memory, whatever else the machine reads meanwhile.

Pages of a file that nobody has asked for lately are what the kernel gives up first: to
a backup, a large query, a host that takes memory back. A look-up then waits for the
disk, and a review of 3,207 persons for it thousands of times in a row. Locked pages
stay (mlock(2)); all processes share them, so one of them, the writer, does it for all.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import mmap
import os
from pathlib import Path

_log = logging.getLogger(__name__)

#: Of the machine's memory no more is held, for others live there, too.
_SHARE = 2
_FAILED = ctypes.c_void_p(-1).value
_PAGE = mmap.PAGESIZE


class HeldInMemory:
    """At most one file, as far as it reaches; let go with the process at the latest.

    Not for several threads at once.
    """

    def __init__(self, most_bytes: int | None = None) -> None:
        """Hold files up to so many bytes; without, up to half of the memory."""
        self._most = _half_of_memory() if most_bytes is None else most_bytes
        self._path: Path | None = None
        self._inode = -1
        #: Address and length of what is held, from the file's beginning on.
        self._held: list[tuple[int, int]] = []
        self._refused: str | None = None

    @property
    def held_bytes(self) -> int:
        """How much is held now."""
        return sum(length for _, length in self._held)

    def hold(self, path: Path) -> None:
        """Hold the file as long as it is now, instead of any other; never raises.

        Where the system lets us lock no more (RLIMIT_MEMLOCK), or the file is too
        large, nothing is held, which is said once: it is slower, and as right.
        """
        try:
            self._hold(path)
        except FileNotFoundError:
            # A generation that was replaced this moment.
            self.release()
        except OSError as refused:
            self.release()
            reason = errno.errorcode.get(refused.errno or 0, "OSError")
            if reason != self._refused:
                _log.warning("roster.cache_not_held", extra={"fault": reason})
            self._refused = reason

    def release(self) -> None:
        """Let everything go."""
        for address, length in self._held:
            _libc.munmap(address, length)
        self._held.clear()
        self._path = None

    def _hold(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if (path, status.st_ino) != (self._path, self._inode):
                self.release()
                self._path, self._inode = path, status.st_ino
            if status.st_size > self._most:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
            begun = self.held_bytes
            wanted = status.st_size // _PAGE * _PAGE
            if wanted > begun:
                self._held.append(_locked(descriptor, begun, wanted - begun))
        finally:
            os.close(descriptor)


def _locked(descriptor: int, offset: int, length: int) -> tuple[int, int]:
    address = _libc.mmap(
        None, length, mmap.PROT_READ, mmap.MAP_SHARED, descriptor, offset
    )
    if address == _FAILED:
        raise _last_error()
    if _libc.mlock(address, length):
        failed = _last_error()
        _libc.munmap(address, length)
        raise failed
    return address, length


def _last_error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))


def _half_of_memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // _SHARE


#: Python's own `mmap` can neither lock nor tell an address of what is only read.
_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = (
    ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int,
    ctypes.c_long,
)  # fmt: skip
_libc.mlock.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
_libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
