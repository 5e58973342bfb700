"""Files that are being received: kept beside their place as ``NAME.part`` until they are whole."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from pathlib import Path, PurePosixPath

from .paths import PARTIAL_ENDING
from .transfer import TransferError
from .transfer_frames import Entry

READ_BYTES = 1024 * 1024
MODIFIED_SLACK_MILLISECONDS = 2_000
"""FAT keeps times in steps of two seconds."""


def place(folder: Path, path: str) -> Path:
    """Where a file goes.

    :param path: one that :func:`firertc.paths.path_problem` has nothing against.
    :raises TransferError: if a link in the folder would lead it out, or a file is in its way.
    """
    target = folder.joinpath(*PurePosixPath(path).parts)
    root = folder.resolve()
    parent = target.parent
    while parent != folder and not parent.exists() and not parent.is_symlink():
        parent = parent.parent
    if not parent.resolve().is_relative_to(root):
        raise TransferError(f"{path} is refused: a link in {folder} would lead it out of there.")
    if parent.exists() and not parent.is_dir():
        raise TransferError(f"{path} is refused: {parent} is no folder.")
    if target.is_dir():
        raise TransferError(f"{path} is refused: {target} is a folder.")
    return target


def partial(target: Path) -> Path:
    """The place of a file that is not whole yet."""
    return target.with_name(target.name + PARTIAL_ENDING)


def is_same(target: Path, entry: Entry) -> bool:
    """Whether a file is here already, as far as its size and its time tell."""
    if entry.size is None or entry.modified is None or target.is_symlink():
        return False
    try:
        status = target.stat()
    except OSError:
        return False
    distance = abs(status.st_mtime_ns // 1_000_000 - entry.modified)
    return status.st_size == entry.size and distance <= MODIFIED_SLACK_MILLISECONDS


def free_name(target: Path) -> Path:
    """``name (1).ending``, or the next number that is free."""
    number = 1
    while True:
        candidate = target.with_name(f"{target.stem} ({number}){target.suffix}")
        if not candidate.exists() and not candidate.is_symlink():
            return candidate
        number += 1


def held(target: Path, entry: Entry) -> tuple[int, str] | None:
    """What an earlier attempt left of a file: its size and SHA-256; None: nothing of use."""
    path = partial(target)
    try:
        file = os.open(path, os.O_RDONLY | _SAFE)
    except OSError:
        return None
    digest = hashlib.sha256()
    size = 0
    with os.fdopen(file, "rb") as reader:
        if not stat.S_ISREG(os.fstat(reader.fileno()).st_mode):
            return None
        while piece := reader.read(READ_BYTES):
            digest.update(piece)
            size += len(piece)
    if not size or entry.size is None or size > entry.size:
        return None
    return size, digest.hexdigest()


class PartialFile:
    """A file that is being written. Every method may block: call them from a thread.

    :param offset: go on after so many bytes of what is there; 0: from the beginning.
    :raises TransferError: if it can't be written.
    """

    def __init__(self, target: Path, offset: int) -> None:
        self.target = target
        self._path = partial(target)
        self._digest = hashlib.sha256()
        self.size = offset
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | _SAFE, 0o666)
            self._file = os.fdopen(file, "r+b", buffering=0)
            if not stat.S_ISREG(os.fstat(file).st_mode):
                self._file.close()
                raise TransferError(f"{self._path} is in the way: it is no file.")
            left = offset
            while left and (piece := self._file.read(min(left, READ_BYTES))):
                self._digest.update(piece)
                left -= len(piece)
            self._file.truncate(offset)
            self._file.seek(offset)
        except OSError as error:
            raise _failure(self._path, error) from None

    def write(self, *pieces: bytes) -> None:
        """Add pieces."""
        for piece in pieces:
            self._digest.update(piece)
            try:
                view = memoryview(piece)
                while view:
                    view = view[self._file.write(view) :]
            except OSError as error:
                raise _failure(self._path, error) from None
            self.size += len(piece)

    @property
    def sha256(self) -> str:
        """Of all that is there."""
        return self._digest.hexdigest()

    def finish(self, modified: int | None, *, overwrite: bool) -> Path:
        """The file is whole: give it its time and its name.

        :param overwrite: take the place of what is there; else its name gets a number.
        :returns: where it is now.
        """
        try:
            self._file.close()
            if modified is not None:
                # A time that this system can't have: the file is good all the same.
                with contextlib.suppress(OverflowError, OSError):
                    os.utime(self._path, ns=(modified * 1_000_000,) * 2)
            if overwrite:
                os.replace(self._path, self.target)
                return self.target
            return self._move()
        except OSError as error:
            raise _failure(self.target, error) from None

    def _move(self) -> Path:
        target = self.target
        while True:
            try:
                # Unlike a rename, it fails if the name was taken meanwhile.
                os.link(self._path, target)
            except FileExistsError:
                target = free_name(self.target)
                continue
            except OSError:
                # A file system without links.
                if target.exists() or target.is_symlink():
                    target = free_name(self.target)
                os.rename(self._path, target)
                return target
            os.unlink(self._path)
            return target

    def empty(self) -> None:
        """It is not what was sent: begin anew."""
        self._file.truncate(0)
        self._file.close()

    def close(self) -> None:
        """Keep what is there, for another attempt."""
        self._file.close()
        if not self.size:
            self._path.unlink(missing_ok=True)


def _failure(path: Path, error: OSError) -> TransferError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"No space is left for {path}. Make room, and receive again to go on.")
    return TransferError(f"{path} can't be written: {error.strerror}.")


class DiskFull(TransferError):
    """There is no space left where files are received."""

    code = "disk-full"


_SAFE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
