"""What is to be sent: files and folders of this computer, and the names they are offered by."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from . import paths
from .errors import ConfigError
from .transfer_frames import ENTRIES_MOST, Entry


@dataclass(frozen=True)
class Source:
    """One file to send."""

    entry: Entry
    path: Path | None
    """Where it is; None: a stream."""


@dataclass
class Manifest:
    """Everything that is to be sent."""

    sources: list[Source] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    """What is left out, and why: in words."""

    @property
    def size(self) -> int | None:
        """Bytes in all; None: a stream is among them."""
        sizes = [source.entry.size for source in self.sources]
        return None if None in sizes else sum(size or 0 for size in sizes)


def collect(wanted: Iterable[Path | str], *, stream: str | None = None) -> Manifest:
    """Find what is to be sent; folders with all that is in them.

    Links inside a folder are followed to files inside the same folder only; what is neither file
    nor folder is skipped.

    :param stream: offer a stream under this name as well.
    :raises ConfigError: if something is not there, can't be read, or has a name that can't be sent.
    """
    manifest = Manifest()
    if stream is not None:
        manifest.sources.append(Source(Entry(stream), None))
    for path in map(Path, wanted):
        name = path.name or path.resolve().name
        if name in ("", "..") or path.name == "..":
            name = path.resolve().name
        try:
            mode = path.stat().st_mode
            if stat.S_ISDIR(mode):
                _add_folder(manifest, path, name)
            elif stat.S_ISREG(mode):
                _add_file(manifest, path, name)
            else:
                manifest.skipped.append((str(path), _kind(mode)))
        except OSError as error:
            raise ConfigError(
                f"{error.filename or path} can't be sent: {error.strerror}."
            ) from None
    _check(manifest)
    return manifest


def _check(manifest: Manifest) -> None:
    names = [source.entry.path for source in manifest.sources]
    if not names:
        left = "".join(f" {path} is skipped: {why}." for path, why in manifest.skipped[:3])
        raise ConfigError(f"There is no file to send.{left}")
    if len(names) > ENTRIES_MOST:
        raise ConfigError(
            f"{len(names)} files are too many, {ENTRIES_MOST} at most: send an archive of them "
            "(tar c FOLDER | firertc send - --name FOLDER.tar)."
        )
    for name in names:
        problem = paths.path_problem(name)
        if problem is not None:
            raise ConfigError(f"The name {name!r} can't be sent: {paths.explain(problem)}.")
    pair = paths.clash(names)
    if pair is not None:
        raise ConfigError(
            f"{pair[0]!r} and {pair[1]!r} would be one file on some computers: rename one, or send "
            "an archive."
        )


def _add_file(manifest: Manifest, path: Path, name: str) -> None:
    status = path.stat()
    if not os.access(path, os.R_OK):
        raise ConfigError(f"{path} can't be sent: it can't be read.")
    entry = Entry(name, status.st_size, status.st_mtime_ns // 1_000_000)
    manifest.sources.append(Source(entry, path))


def _add_folder(manifest: Manifest, folder: Path, name: str) -> None:
    root = folder.resolve()
    for path in _walk(folder):
        inner = "/".join((name, *path.relative_to(folder).parts))
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            target = path.resolve()
            if not target.is_relative_to(root):
                manifest.skipped.append((str(path), "a link that leads out of the folder"))
                continue
            if not target.is_file():
                manifest.skipped.append((str(path), "a link to no file"))
                continue
            mode = target.stat().st_mode
        if stat.S_ISREG(mode):
            _add_file(manifest, path, inner)
        else:
            manifest.skipped.append((str(path), _kind(mode)))


def _walk(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise error

    for parent, folders, files in os.walk(folder, onerror=refuse):
        folders.sort()
        linked = [name for name in folders if Path(parent, name).is_symlink()]
        yield from (Path(parent, name) for name in sorted(files + linked))


def _kind(mode: int) -> str:
    for is_kind, word in (
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    ):
        if is_kind(mode):
            return word
    return "no file"
