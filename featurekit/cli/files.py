"""Files that the commands read and write."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from featurekit._files import check_writable, replacing
from featurekit.cli.common import (
    STDOUT,
    UsageError,
    UserError,
    column,
    columns,
    one_line,
    parts,
)

if TYPE_CHECKING:
    from typing import TextIO

    import polars as pl

    from featurekit.data.scan import Scan

ROWS = (".parquet", ".pq", ".csv")
SCORES = (".tsv", ".csv", ".json", ".parquet", ".pq")

# -- before the work ---------------------------------------------------------------


class Output(NamedTuple):
    """A file to be written; of the suffixes, or with none given of any."""

    path: Path | None
    suffixes: Sequence[str] = ()


def check_outputs(
    outputs: Sequence[Output], inputs: Sequence[Path], sources: Sequence[str] = ()
) -> None:
    """Refuse before the work begins what could not be written after it.

    Parameters
    ----------
    outputs : sequence of Output
        The first may go to stdout.
    inputs : sequence of Path
        Files that are read.
    sources : sequence of str
        What was named to read; a folder among these is read as a whole.
    """
    taken = list(inputs)
    for number, (path, suffixes) in enumerate(outputs):
        if path is None or (path == STDOUT and not number):
            continue
        if path == STDOUT:
            raise UsageError("only --out can be written to stdout (-)")
        if suffixes and path.suffix.lower() not in suffixes:
            raise UsageError(f"{path}: only {_kinds(suffixes)} are written")
        with blame(path, "written"):
            check_writable(path)
        if any(_same(path, other) for other in taken):
            raise UserError(
                f"{path} is named twice, or is a link to a file that is read or "
                "written too; give the output a name of its own"
            )
        _refuse_inside(path, sources)
        taken.append(path)


def _same(path: Path, other: Path) -> bool:
    """Whether two names are of one file, by whatever links."""
    if path.exists() and other.exists():
        return os.path.samefile(path, other)
    return path.resolve() == other.resolve()


def _refuse_inside(path: Path, sources: Sequence[str]) -> None:
    """Refuse a file that the next run would read as rows."""
    # of a folder, what begins with these is passed over
    if path.name.startswith((".", "_")) or path.suffix == ".json":
        return
    for source in sources:
        folder = Path(source).expanduser()
        if folder.is_dir() and folder.resolve() in path.resolve().parents:
            raise UserError(
                f"{path} would be read as rows the next time; write it outside of the "
                f"folder {folder}"
            )


def _kinds(suffixes: Sequence[str]) -> str:
    *first, last = [suffix for suffix in suffixes if suffix != ".pq"]
    return f"{', '.join(first)} and {last}"


# -- reading -----------------------------------------------------------------------


class Dialect(NamedTuple):
    """How text files are written; None is guessed."""

    separator: str | None = None
    encoding: str | None = None
    decimal: str | None = None


def open_rows(
    sources: Sequence[str],
    dialect: Dialect,
    drop: Sequence[str] | None = None,
    text: Sequence[str] = (),
) -> Scan:
    """Open files without reading their rows.

    Parameters
    ----------
    sources : sequence of str
    dialect : Dialect
    drop : sequence of str, optional
        Columns to leave out, as on the command line.
    text : sequence of str
        Columns of text files that are text, whatever their values look like.
    """
    from featurekit.data.scan import scan
    from featurekit.exceptions import SchemaError

    opened = partial(scan, list(sources), text=text, **dialect._asdict())
    dropped = [part for item in drop or () for part in parts(item, "--drop")]
    with one_line():
        try:
            return opened(drop=dropped)
        except SchemaError:
            if not drop:
                raise
        # a wrong name, or one with a comma in it
        return opened(drop=columns(opened().header, drop, "--drop"))


def read_rows(rows: Scan) -> pl.DataFrame:
    """All rows of opened files."""
    from featurekit.data.scan import read_frame

    with one_line():
        return read_frame(rows)


def check_target(rows: Scan, target: str) -> None:
    """Refuse a target that is no column, or is dropped."""
    if target in rows.header and target not in rows.names:
        raise UserError(f"--drop: {target!r} is the target; it is left out anyway")
    column(rows.names, target, "--target")


class Training(NamedTuple):
    """Rows to learn from, taken apart."""

    X: pl.DataFrame
    y: pl.Series | None
    weight: pl.Series | None
    groups: pl.Series | None

    def beside(self) -> list[pl.Series]:
        """The columns that are written beside features."""
        more = (self.y, self.weight, self.groups)
        found = {column.name: column for column in more if column is not None}
        return list(found.values())


def split(
    rows: pl.DataFrame, target: str | None, weight: str | None, groups: str | None
) -> Training:
    """Take the target, weights and groups out of the rows that have a target."""
    from featurekit.data.scan import check_targets, with_target

    names = rows.columns
    if target is not None:
        n_rows = rows.height
        rows = with_target(rows, target)
        with one_line():
            check_targets(n_rows - rows.height, n_rows, target)
    gone = [] if target is None else [target]
    for option, name in (("--weight", weight), ("--groups", groups)):
        if name is not None:
            if column(names, name, option) == target:
                raise UserError(f"{option}: {name!r} is the target")
            gone.append(name)
    X = rows.drop(dict.fromkeys(gone))
    if not X.width:
        raise UserError("no column is left besides the target")
    return Training(
        X,
        None if target is None else rows[target],
        None if weight is None else rows[weight],
        None if groups is None else rows[groups],
    )


# -- writing -----------------------------------------------------------------------


@contextmanager
def blame(path: Path, done: str) -> Iterator[None]:
    """Turn a failure to read or write a file into one line."""
    import polars as pl

    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        said = str(error).strip() or type(error).__name__
        raise UserError(f"{path} cannot be {done}: {said.splitlines()[0]}") from None


def write_features(estimator: Any, path: Path, stdout: TextIO) -> None:
    """Write what `to_json` writes; the library sees to it that it is whole."""
    if path == STDOUT:
        with TemporaryDirectory() as folder:
            passing = Path(folder) / "features.json"
            estimator.to_json(passing)
            stdout.write(passing.read_text(encoding="utf-8"))
        return
    with blame(path, "written"):
        estimator.to_json(path)


def write_rows(frame: Any, path: Path, stdout: TextIO) -> None:
    """Write a polars frame by the file's suffix, whole or not at all."""
    if path == STDOUT:
        stdout.write(frame.write_csv())
        return
    with blame(path, "written"), replacing(path) as temporary:
        if path.suffix.lower() == ".csv":
            frame.write_csv(temporary)
        else:
            frame.write_parquet(temporary)


def write_scores(frame: Any, path: Path, stdout: TextIO) -> None:
    """Write a pandas frame of scores by the file's suffix, whole or not at all."""
    if path == STDOUT:
        frame.to_csv(stdout, index=False)
        return
    suffix = path.suffix.lower()
    with blame(path, "written"), replacing(path) as temporary:
        if suffix == ".json":
            temporary.write_text(_records(frame), encoding="utf-8")
        elif suffix in (".parquet", ".pq"):
            frame.to_parquet(temporary, index=False)
        else:
            mark = "\t" if suffix == ".tsv" else ","
            frame.to_csv(temporary, sep=mark, index=False)


def _records(frame: Any) -> str:
    import json

    values = [frame[name].tolist() for name in frame]
    records = [
        {name: None if v != v else v for name, v in zip(frame, line, strict=True)}
        for line in zip(*values, strict=True)
    ]
    return json.dumps(records, ensure_ascii=False, indent=1, default=str)
