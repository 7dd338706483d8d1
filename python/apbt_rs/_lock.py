"""A lock on a folder: one run at a time writes there.

The operating system keeps it, and lets go of it when its owner ends, however that happens. So no
lock is left behind by a process that was killed, and none has to be judged stale.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from pathlib import Path

__all__ = ["Lock", "TakenError"]

_TAKEN = (errno.EACCES, errno.EAGAIN, errno.EDEADLK, errno.EWOULDBLOCK)


class TakenError(OSError):
    """Somebody else has the lock."""


class Lock:
    """The lock of a folder, from when it is made until `release` or the end of the process.

    Where the folder or its file system allows none, nobody is kept out.

    Raises
    ------
    TakenError
        If another run, in this process or any other, has it.
    """

    def __init__(self, folder: Path) -> None:
        self._owner = os.getpid()
        self._file: int | None = None
        try:
            self._file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o666)
        except OSError:
            return
        try:
            _lock(self._file)
        except OSError as error:
            os.close(self._file)
            self._file = None
            if error.errno in _TAKEN:
                raise TakenError(error.errno, "another run writes there") from error

    def release(self) -> None:
        """Let others have it."""
        file, self._file = self._file, None
        if file is None:
            return
        # A forked child has the file, too: it must not give the lock away, nor keep it.
        if os.getpid() == self._owner:
            with contextlib.suppress(OSError):
                _unlock(file)
        os.close(file)

    def __del__(self) -> None:
        self.release()


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

    def _unlock(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
