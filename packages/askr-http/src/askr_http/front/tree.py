"""Files below the document root, opened so that nothing outside of it can be named.

openat2(2) with RESOLVE_BENEATH resolves the path inside the kernel: `..`, absolute links and links that leave the root fail there, and no
link that is exchanged at the same moment opens a way out. A link whose text is absolute although it stays inside the root fails
too, so it is resolved by hand, and the result opened again without any link. Where there is no openat2 (gVisor, seccomp profiles of its
time), a file is opened as usual and given up when the kernel says that its name lies elsewhere.

PHP looks paths up by their names, so when another directory takes the root's name (a deployment by rename), files have to come from that
one, too: the root is looked up again at most once a second.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from askr_http.routing import Kind
from askr_http.static_files import FileFacts

_SYS_OPENAT2: Final = 437  # the same number on every architecture of Linux
_RESOLVE_NO_MAGICLINKS: Final = 0x02
_RESOLVE_NO_SYMLINKS: Final = 0x04
_RESOLVE_BENEATH: Final = 0x08
_O_PATH: Final = os.O_PATH | os.O_CLOEXEC
_O_READ: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY  # a FIFO must not block
_LOOK_AGAIN_S: Final = 1.0
_TRIES: Final = 3  # EAGAIN: something was renamed meanwhile


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long
_syscall.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_size_t)


@dataclass(frozen=True, slots=True)
class OpenFile:
    """An open regular file; whoever holds it closes it."""

    fd: int
    facts: FileFacts

    def close(self) -> None:
        """Close it."""
        os.close(self.fd)


class DocumentRoot:
    """The document root.

    Args:
        path: Absolute.
        follows_symlinks: Whether symbolic links may leave it.
        clock: Seconds, monotonic.

    Raises:
        OSError: It is no directory.
    """

    def __init__(self, path: str, *, follows_symlinks: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._path: Final = os.fsencode(path)
        self._follows: Final = follows_symlinks
        self._clock: Final = clock
        self._fd = os.open(self._path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._real = os.path.realpath(self._path)
        self._look_again_mono = clock() + _LOOK_AGAIN_S
        self._has_openat2 = self._tries_openat2()

    def close(self) -> None:
        """Close it."""
        os.close(self._fd)

    def _look_again(self) -> None:
        """Open the directory that has the root's name now; while there is none, the old one stays."""
        self._look_again_mono = self._clock() + _LOOK_AGAIN_S
        try:
            fd = os.open(self._path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return
        self._fd, old = fd, self._fd
        os.close(old)
        self._real = os.path.realpath(self._path)

    def kind(self, path: bytes) -> Kind:
        """Return what a relative path is."""
        if self._clock() >= self._look_again_mono:
            self._look_again()
        fd = self._maybe_open(path, _O_PATH)
        if fd is None:
            return Kind.NOTHING
        try:
            mode = os.fstat(fd).st_mode
        finally:
            os.close(fd)
        if stat.S_ISREG(mode):
            return Kind.FILE
        return Kind.DIRECTORY if stat.S_ISDIR(mode) else Kind.NOTHING

    def maybe_open_file(self, path: bytes) -> OpenFile | None:
        """Return the regular file of that name, None when there is none that may be read."""
        fd = self._maybe_open(path, _O_READ)
        if fd is None:
            return None
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode):
            os.close(fd)
            return None
        return OpenFile(fd, FileFacts(facts.st_size, facts.st_mtime_ns))

    def _maybe_open(self, path: bytes, flags: int) -> int | None:
        """Return a descriptor; None when the path names nothing inside.

        Raises:
            OSError: The process or the system is out of descriptors.
        """
        try:
            if self._follows:
                return os.open(path or b".", flags, dir_fd=self._fd)
            if not self._has_openat2:
                return self._maybe_open_and_look(path, flags)
            fd = self._openat2(path or b".", flags, _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS)
            return fd if fd is not None else self._maybe_open_resolved(path, flags)
        except OSError as error:
            if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOMEM}:
                raise
            return None

    def _maybe_open_resolved(self, path: bytes, flags: int) -> int | None:
        os.stat(path, dir_fd=self._fd)  # realpath would walk over what is missing: "gone/../file" names nothing
        real = os.path.realpath(self._path + b"/" + path)
        if not real.startswith(self._real + b"/"):
            return None
        return self._openat2(real[len(self._real) + 1 :], flags, _RESOLVE_BENEATH | _RESOLVE_NO_SYMLINKS)

    def _tries_openat2(self) -> bool:
        """Return whether the kernel has it and lets us use it."""
        try:
            fd = self._openat2(b".", _O_PATH, _RESOLVE_BENEATH)
        except OSError as error:
            return error.errno not in {errno.ENOSYS, errno.EPERM}
        if fd is not None:
            os.close(fd)
        return True

    def _maybe_open_and_look(self, path: bytes, flags: int) -> int | None:
        fd = os.open(path or b".", flags, dir_fd=self._fd)
        name = os.fsencode(Path("/proc/self/fd", str(fd)).readlink())
        if name == self._real or name.startswith(self._real.rstrip(b"/") + b"/"):
            return fd
        os.close(fd)
        return None

    def _openat2(self, path: bytes, flags: int, resolve: int) -> int | None:
        """Return a descriptor; None when the path leaves the root (EXDEV)."""
        how = _OpenHow(flags, 0, resolve)
        for _ in range(_TRIES):
            fd = int(_syscall(_SYS_OPENAT2, self._fd, path, ctypes.byref(how), ctypes.sizeof(how)))
            if fd >= 0:
                return fd
            number = ctypes.get_errno()
            if number == errno.EXDEV:
                return None
            if number != errno.EAGAIN:
                raise OSError(number, os.strerror(number))
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
