"""Files appear whole or not at all, whatever happens to the process that writes."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import polars as pl
import pytest

from featurekit import OpenFE, OutRank
from featurekit._files import check_writable, replacing, write_text
from featurekit.datasets import make_ctr

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX files and signals")


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "result.csv"
    path.write_text("old")
    return path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# -- the writer ----------------------------------------------------------------------


def test_the_new_file_takes_the_place_of_the_old_at_the_end(old):
    with replacing(old) as temporary:
        temporary.write_text("new")
        assert old.read_text() == "old"
        assert temporary.parent == old.parent and temporary.suffix == ".csv"
    assert old.read_text() == "new"
    assert names(old.parent) == ["result.csv"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_leaves_the_old_file_and_no_other(old, error):
    with pytest.raises(error), replacing(old) as temporary:
        temporary.write_text("half")
        raise error
    assert old.read_text() == "old"
    assert names(old.parent) == ["result.csv"]


def test_a_failing_flush_leaves_the_old_file(old, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_text(old, "new")
    assert old.read_text() == "old"
    assert names(old.parent) == ["result.csv"]


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755])
def test_the_mode_of_the_old_file_is_kept(old, mode):
    old.chmod(mode)
    write_text(old, "new")
    assert stat.S_IMODE(old.stat().st_mode) == mode


@posix
def test_a_new_file_has_the_usual_mode(tmp_path):
    (tmp_path / "usual").write_text("")
    write_text(tmp_path / "ours", "")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


@posix
def test_a_link_is_followed(old):
    link = old.with_name("link.csv")
    link.symlink_to(old)
    write_text(link, "new")
    assert link.is_symlink() and old.read_text() == "new"


@posix
def test_a_pipe_is_written_to(tmp_path):
    path, found = tmp_path / "pipe", []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: found.append(path.read_text()))
    reader.start()
    check_writable(path)
    write_text(path, "new")
    reader.join(10)
    assert found == ["new"] and stat.S_ISFIFO(path.stat().st_mode)


def test_a_long_name(tmp_path):
    path = tmp_path / ("x" * 250 + ".csv")
    write_text(path, "new")
    assert path.read_text() == "new"


def nowhere(folder):
    return folder / "nowhere" / "x.csv", "there is no folder .*nowhere: make it first"


def folder(folder):
    return folder, "is a folder: name a file in it"


def below_a_file(folder):
    (folder / "f").write_text("")
    return folder / "f" / "x.csv", "there is no folder .*f: make it first"


@pytest.mark.parametrize("place", [nowhere, folder, below_a_file])
@pytest.mark.parametrize("write", [check_writable, lambda path: write_text(path, "")])
def test_where_nothing_can_be_written(tmp_path, place, write):
    path, message = place(tmp_path)
    with pytest.raises(OSError, match=message):
        write(path)


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")
def test_a_folder_that_takes_no_files():
    with pytest.raises(OSError, match=r"/proc/x.csv: cannot write to the folder \("):
        check_writable("/proc/x.csv")


def test_a_write_protected_file_is_left_alone(old, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write all
    with pytest.raises(PermissionError, match="is write-protected"):
        write_text(old, "new")
    assert old.read_text() == "old"


def test_a_check_leaves_nothing_behind(old):
    check_writable(old)
    check_writable(old.with_name("new.csv"))
    assert names(old.parent) == ["result.csv"] and old.read_text() == "old"


# -- what the library writes -----------------------------------------------------------

rng = np.random.default_rng(0)
X = pd.DataFrame(rng.uniform(1, 9, (120, 2)), columns=["a", "b"])
Y = (X["a"] / X["b"] > 1).astype(int)


def features(folder):
    OpenFE(1, operators=["/"], cv=2, random_state=0).fit(X, Y).to_json(folder / "f")


def ranking(folder):
    OutRank().fit(X, Y).to_json(folder / "f")


@pytest.mark.parametrize("save", [features, ranking])
def test_a_full_disk_leaves_the_stored_file(tmp_path, save, monkeypatch):
    save(tmp_path)
    before = (tmp_path / "f").read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        save(tmp_path)
    assert (tmp_path / "f").read_bytes() == before
    assert names(tmp_path) == ["f"]


def test_a_part_of_a_streamed_log_has_its_name_when_it_is_whole(tmp_path, monkeypatch):
    from pyarrow.parquet import ParquetWriter

    write, rows = ParquetWriter.write_table, []

    def fail(self, table):
        rows.append(table.num_rows)
        if len(rows) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, table)

    monkeypatch.setattr(ParquetWriter, "write_table", fail)
    with pytest.raises(OSError, match="No space"):
        make_ctr(300, 4, n_main=1, n_pairs=0, path=tmp_path, rows_per_file=200)
    assert names(tmp_path) == ["part-00000.parquet"]
    assert pl.read_parquet(tmp_path / "part-00000.parquet").height == 200


HALF_WRITTEN = """
import sys
from featurekit._files import replacing

with replacing(sys.argv[1]) as temporary, temporary.open("w") as file:
    file.write("half")
    file.flush()
    print("writing", flush=True)
    sys.stdin.read()
"""


@posix
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_a_killed_process_leaves_the_old_file(old, name):
    process = subprocess.Popen(
        [sys.executable, "-c", HALF_WRITTEN, str(old)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    process.send_signal(getattr(signal, name))
    process.communicate()
    assert process.returncode < 0
    assert old.read_text() == "old"
    left = [file for file in names(old.parent) if file != "result.csv"]
    assert all(file.startswith(".") for file in left)  # which a folder's scan skips
