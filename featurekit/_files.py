"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_NAME_LENGTH = 60  # of the longest UTF-8 characters, well below the usual limit of 255


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that replaces it when the block ends.

    A reader finds the former file or the complete new one, whatever happens to the
    process that writes: an error or Ctrl-C in the block removes the temporary file,
    and a process that is killed leaves it behind under a hidden name. The mode and,
    where permitted, the owner of the former file are kept. A link is followed. What is
    no regular file, such as a pipe, is written to directly.

    Parameters
    ----------
    path : path-like
        The file to write.

    Yields
    ------
    Path
        Where to write; it ends like ``path``, so that suffixes mean the same.

    Raises
    ------
    OSError
        Before the block, if the file could not be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name) / "numbers.txt"
    >>> with replacing(path) as temporary:
    ...     _ = temporary.write_text("1 2 3")
    >>> path.read_text()
    '1 2 3'
    >>> folder.cleanup()
    """
    path = Path(os.path.realpath(path))
    former = _former(path)
    if former is not None and not stat.S_ISREG(former.st_mode):
        yield path
        return
    temporary = _create(path)
    try:
        yield temporary
        if former is not None:
            _take_over(former, temporary)
        _flush(temporary, os.O_RDWR)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    with suppress(OSError):  # not every system can flush a folder
        _flush(path.parent, os.O_RDONLY)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file as UTF-8, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise the OSError that `replacing` would raise, before there is work to lose."""
    path = Path(os.path.realpath(path))
    former = _former(path)
    if former is None or stat.S_ISREG(former.st_mode):
        _create(path).unlink()


def _former(path: Path) -> os.stat_result | None:
    """What is there, if it may be replaced."""
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: name a file in it")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent}: make it first")
    if not path.exists():
        return None
    if not os.access(path, os.W_OK):
        raise PermissionError(f"{path} is write-protected: write to another file")
    return path.stat()


def _create(path: Path) -> Path:
    """An empty file of the usual mode in the same folder, which a scan passes over."""
    name = f".{secrets.token_hex(4)}-{path.name[-_NAME_LENGTH:]}"
    temporary = path.with_name(name)
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
    try:
        os.close(os.open(temporary, flags, 0o666))
    except OSError as error:
        # the name of the temporary file says nothing to the user
        why = f"cannot write to the folder ({error.strerror})"
        raise type(error)(f"{path}: {why}: write to another folder") from error
    return temporary


def _take_over(former: os.stat_result, temporary: Path) -> None:
    if hasattr(os, "chown"):
        with suppress(PermissionError):
            os.chown(temporary, former.st_uid, former.st_gid)
    os.chmod(temporary, stat.S_IMODE(former.st_mode))


def _flush(path: Path, mode: int) -> None:
    """Bring a file or a folder from the system's memory to the disk."""
    descriptor = os.open(path, mode)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
