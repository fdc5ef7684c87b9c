"""Compilation of kernels: numba, with a cache that outlives copies and read-only disks.

numba's own cache has to write where it reads, so kernels that were compiled while an
image was built are compiled again by each of its users; it looks at the file that a
kernel is in and not at those of the kernels it calls; and of two processes that compile
one kernel for two types at the same time, one may load the code of the other. So the
compiled code is kept here, a file for each kernel and types, in a folder named after
the content of all that it depends on.
"""

from __future__ import annotations

import gc
import hashlib
import logging
import os
import pickle
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np

from featurekit._files import replacing
from featurekit._version import __version__
from featurekit.kernels import notice
from featurekit.kernels.registry import NAMES

try:
    import fcntl
except ImportError:  # Windows: two processes may compile the same kernel
    fcntl = None  # type: ignore[assignment]

SOURCES = Path(__file__).parent / "cpu"
PATIENCE = 60.0
"""Seconds to wait for another process that compiles the same kernel."""

CompileResult = numba.core.compiler.CompileResult
logger = logging.getLogger("featurekit")


def njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function on its first call, as ``numba.njit`` does.

    Parameters
    ----------
    **options
        As of ``numba.njit``; ``cache=True`` means the cache of this module. A function
        that the registry does not name is for other kernels only: what Python would
        need to call it is not compiled.
    """
    cached = options.pop("cache", False)

    def decorate(function: Callable[..., Any]) -> Any:
        is_part = function.__name__ not in NAMES
        if is_part:
            options.update(
                no_cpython_wrapper=True, no_cfunc_wrapper=True, pipeline_class=_OfPart
            )
        compiled = numba.njit(**options)(function)
        has_cache = hasattr(compiled, "_cache")  # not where numba is switched off
        if cached and not is_part and has_cache:
            compiled._cache = KernelCache(function)
        return compiled

    return decorate


class _Part(numba.core.codegen.JITCodeLibrary):
    """The code of a function that only kernels call.

    numba optimises each function and turns it to machine code before it does so once
    more with all that calls it. Of a part only the latter is ever run.
    """

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """None, as of any name that is not in the library."""
        self._ensure_finalized()
        return 0

    @property
    def codegen(self) -> Any:
        """Of a function without machine code there is no environment to be set."""
        return _NoEnvironment


class _NoEnvironment:
    @staticmethod
    def set_env(name: str, environment: Any) -> None:
        pass


class _OfPart(numba.core.compiler.Compiler):
    """numba's compiler with a `_Part` for its result."""

    def compile_extra(self, func: Callable[..., Any]) -> Any:
        codegen = self.state.targetctx.codegen()
        self.state.library = _Part(codegen, func.__qualname__)
        return super().compile_extra(func)


# -- where compiled code is kept -------------------------------------------------------


@cache
def digest() -> str:
    """A name for all that compiled code depends on, but for types and processor."""
    content = hashlib.sha256()
    versions = (__version__, numba.__version__, llvmlite.__version__, np.__version__)
    content.update(repr((versions, sys.version_info[:2], sys.platform)).encode())
    for path in sorted(SOURCES.glob("*.py")):
        content.update(path.name.encode() + path.read_bytes())
    return content.hexdigest()[:16]


@cache
def folders() -> tuple[Path, Path | None]:
    """Where compiled code is looked for, and where it is written to if anywhere.

    ``NUMBA_CACHE_DIR`` is both if it is set. Else code is looked for in the package,
    and written there, or to the user's cache, or to the system's temporary folder,
    whichever is the first that can be written to.
    """
    name = f"featurekit-{sys.implementation.cache_tag}-{digest()}"
    if numba.config.CACHE_DIR:
        asked = Path(numba.config.CACHE_DIR) / name
        return asked, asked if _is_writable(asked) else None
    package = SOURCES / "__pycache__" / name
    if _is_writable(package):
        _forget_others(package)
        return package, package
    for base in (user_cache(), temporary_folder()):
        if _is_writable(base / name):
            return package, base / name
    return package, None


def _forget_others(folder: Path) -> None:
    """Remove code of former versions of the package, for this version of Python."""
    kind = folder.name.rpartition("-")[0]
    for other in folder.parent.glob(f"{kind}-*"):
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)


def user_cache() -> Path:
    """The folder for caches of the user's programs."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local"
    elif sys.platform == "darwin":
        base = Path(os.path.expanduser("~/Library/Caches"))
    else:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "featurekit"


def temporary_folder() -> Path:
    """A folder for temporary files that belongs to this user alone."""
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
    return Path(tempfile.gettempdir()) / f"featurekit-{user}"


def lost_because() -> str | None:
    """Why the next container or session has to compile the same again, if it has to.

    It has not where compiled code is found, in a read-only package for instance.
    """
    read, write = folders()
    lasting = write is not None and temporary_folder() not in write.parents
    if lasting or any(read.glob("*.nbc")):
        return None
    if numba.config.CACHE_DIR:
        return f"NUMBA_CACHE_DIR, {numba.config.CACHE_DIR}, cannot be written to"
    return f"neither {SOURCES} nor {user_cache()} can be written to"


def _is_writable(folder: Path) -> bool:
    """Make a folder that others cannot write to; False if it cannot be had."""
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.parent == temporary_folder() and hasattr(os, "getuid"):
            # code is loaded from there: nobody else may have made it
            found = folder.parent.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
                return False
            folder.parent.chmod(0o700)
        folder.mkdir(exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


# -- the cache -------------------------------------------------------------------------


class KernelCache:
    """The compiled code of one kernel, in the interface that numba's dispatchers want.

    Files are written whole or not at all. While a process compiles, others that need
    the same code wait for it. Damaged files count as absent.

    Parameters
    ----------
    function : callable
        The kernel, not compiled.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        module = function.__module__.rpartition(".")[2]
        self.name = f"{module}.{function.__qualname__}"
        self._locks: dict[Any, Any] = {}

    @property
    def cache_path(self) -> str:
        """The folder that code is written to."""
        return str(folders()[1])

    def file_name(self, types: Any, codegen: Any) -> str:
        """Name of the file with the code for argument types and this processor."""
        key = repr((str(types), codegen.magic_tuple()))
        return f"{self.name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.nbc"

    def load_overload(self, types: Any, context: Any) -> Any:
        """The code for some types, or None: then the caller compiles and saves it."""
        context.refresh()
        name = self.file_name(types, context.codegen())
        found = self._read(name, types, context)
        if found is not None:
            return found
        lock = _lock(name)
        found = self._read(name, types, context)
        if found is not None:
            _unlock(lock)
            return found
        self._locks[types] = lock
        return None

    def save_overload(self, types: Any, result: Any) -> None:
        """Store what was compiled."""
        write = folders()[1]
        if write is not None and not result.library.has_dynamic_globals:
            name = self.file_name(types, result.codegen)
            data = numba.core.serialize.dumps((str(types), result._reduce()))
            # a full disk or a folder that has gone costs the cache, not the fit
            with suppress(OSError), replacing(write / name) as temporary:
                temporary.write_bytes(hashlib.sha256(data).digest() + data)
        _unlock(self._locks.pop(types, None))

    def release(self) -> None:
        """Let others compile what could not be compiled here."""
        while self._locks:
            _unlock(self._locks.popitem()[1])

    def _read(self, name: str, types: Any, context: Any) -> Any:
        for folder in dict.fromkeys(folders()):
            if folder is None:
                continue
            with suppress(Exception):  # absent, damaged, or not to be unpickled here
                content = (folder / name).read_bytes()
                data = content[32:]
                if hashlib.sha256(data).digest() == content[:32]:
                    described, parts = pickle.loads(data)
                    if described == str(types):
                        return CompileResult._rebuild(context, *parts)
        return None

    def enable(self) -> None:
        """Part of numba's interface; the cache is always on."""

    def disable(self) -> None:
        """Part of numba's interface; the cache is always on."""

    def flush(self) -> None:
        """Part of numba's interface; stale code is never found, by its folder."""


def _lock(name: str) -> Any:
    """Wait until no other process compiles this; None if locks cannot be had."""
    write = folders()[1]
    if fcntl is None or write is None:
        return None
    try:
        file = open(write / f".{name}.lock", "w")  # noqa: SIM115
    except OSError:
        return None
    end = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except OSError:
            if time.monotonic() > end:
                file.close()
                return None
            time.sleep(0.02)


def _unlock(lock: Any) -> None:
    if lock is not None:
        with suppress(OSError):
            os.unlink(lock.name)
            # said, not only closed: a forked process may hold the file too
            fcntl.flock(lock, fcntl.LOCK_UN)
        lock.close()


# -- while kernels are being compiled --------------------------------------------------


class _Compiling(numba.core.event.Listener):
    """What is done at the beginning and the end of every compilation of a kernel."""

    def __init__(self) -> None:
        self.depth = 0
        self.collecting = False

    def on_start(self, event: Any) -> None:
        """Say so once, and spare the garbage collector the looking.

        Thousands of objects arise and none goes: it took a tenth of the time.
        """
        if self.depth == 0:
            if not isinstance(event.data["dispatcher"]._cache, KernelCache):
                return  # a function of the user's
            _say_once()
            self.collecting = gc.isenabled()
            gc.disable()
        self.depth += 1

    def on_end(self, event: Any) -> None:
        """Release what is held, also when the compilation failed."""
        if self.depth == 0:
            return
        self.depth -= 1
        if self.depth == 0 and self.collecting:
            gc.enable()
        kept = event.data["dispatcher"]._cache
        if self.depth == 0:
            notice.tell()
        # numba's own `is_failed` is true of what succeeded
        error, *_ = getattr(event, "_exc_details", None) or (None,)
        if error is not None and isinstance(kept, KernelCache):
            kept.release()


@cache
def _say_once() -> None:
    logger.info(
        "compiling kernels for this machine: some seconds at the first use of a "
        "method, none later; 'featurekit compile' does it beforehand"
    )


numba.core.event.register("numba:compile", _Compiling())
