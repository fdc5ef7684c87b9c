"""Rows of Parquet files: for each column one type that holds the values of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from featurekit.data.blocks import Scan, SourceError, compare_columns, reading, shown
from featurekit.data.partitions import Partitions
from featurekit.exceptions import SchemaError

if TYPE_CHECKING:
    import polars as pl

EXACT = 2**53


class Parquet(Scan):
    """Rows of Parquet files, whose types are those of the first, widened.

    Parameters
    ----------
    partitions : Partitions
    drop : sequence of str
        Columns that are not read, whose types may differ.
    """

    def __init__(self, partitions: Partitions, drop: Sequence[str] = ()) -> None:
        self._partitions = partitions
        paths = partitions.files
        n_rows: list[int] = []
        found: dict[Path, dict[str, pl.DataType]] = {}
        for file in paths:
            found[file], n = _footer(file)
            n_rows.append(n)
            compare_columns(file, found[file], paths[0], found[paths[0]])
        if not sum(n_rows):
            raise SourceError(f"no rows in {shown(paths)}")
        schema = {
            name: dtype
            if name in drop
            else _common({file: found[file][name] for file in paths}, name)
            for name, dtype in found[paths[0]].items()
        }
        # a column of a file comes before the name of its folder
        self._keys = partitions.outside(schema)
        super().__init__(schema | self._keys, paths, n_rows, drop)

    def _open(self, file: Path) -> pl.LazyFrame:
        import polars as pl

        frame = pl.scan_parquet(file, glob=False, hive_partitioning=False)
        columns = []
        for name, dtype in self.schema.items():
            if name in self._keys:
                columns.append(self._partitions.column(file, name))
            else:
                column = pl.col(name)
                columns.append(column if dtype.is_nested() else column.cast(dtype))
        return frame.select(columns)


def _footer(file: Path) -> tuple[dict[str, pl.DataType], int]:
    """Types of the columns and number of rows."""
    import polars as pl
    from polars.exceptions import DuplicateError

    frame = pl.scan_parquet(file, glob=False, hive_partitioning=False)
    with reading(str(file)):
        try:
            schema = dict(frame.collect_schema())
        except DuplicateError as error:
            raise SchemaError(f"{file}: {error}; rename it") from error
        return schema, frame.select(pl.len()).collect().item()


def _common(types: Mapping[Path, pl.DataType], name: str) -> pl.DataType:
    """A type that holds the values of all files."""
    (first, common), *others = types.items()
    for file, dtype in others:
        wider = common_type(common, dtype)
        if wider is None:
            raise SchemaError(
                f"{file}: column {name!r} is {dtype}, but {common} in {first}: make it "
                "one type in all files"
            )
        common = wider
    if common.is_float() and any(dtype.is_integer() for dtype in types.values()):
        return _exact(types, name)
    return common


def common_type(left: pl.DataType, right: pl.DataType) -> pl.DataType | None:
    """A type that holds the values of both, if they are of one kind."""
    import polars as pl

    if left == right or pl.Null in (left, right):
        return right if left == pl.Null else left
    if pl.Boolean in (left, right):
        other = right if left == pl.Boolean else left
        return other if other.is_numeric() else None
    if left.is_integer() and right.is_integer():
        frames = [pl.DataFrame(schema={"": dtype}) for dtype in (left, right)]
        wide = pl.concat(frames, how="vertical_relaxed").schema[""]
        # polars makes floats of signed and unsigned numbers of 64 bits
        return wide if wide.is_integer() else pl.Int128()
    if left.is_numeric() and right.is_numeric():
        return pl.Float64()
    texts = (pl.String, pl.Categorical, pl.Enum)
    if left in texts and right in texts:
        return pl.String()
    if left.is_nested() and right.is_nested():
        return left  # whose rows nobody reads
    return _common_time(left, right)


def _common_time(left: pl.DataType, right: pl.DataType) -> pl.DataType | None:
    import polars as pl

    kinds = {type(left), type(right)}
    if kinds == {pl.Duration}:
        return pl.Duration("us")
    zones = {t.time_zone for t in (left, right) if isinstance(t, pl.Datetime)}
    if kinds == {pl.Datetime} and None not in zones:
        return pl.Datetime("us", zones.pop() if len(zones) == 1 else "UTC")
    if kinds <= {pl.Date, pl.Datetime} and zones == {None}:
        return pl.Datetime("us")
    return None


def _exact(types: Mapping[Path, pl.DataType], name: str) -> pl.DataType:
    """Floats for whole numbers and fractions; not where a float would merge ids.

    A gap makes floats of whole numbers, in one file and not in the next.
    """
    import polars as pl

    largest = 0
    fractions = False
    for file, dtype in types.items():
        column = pl.col(name)
        frame = pl.scan_parquet(file, glob=False, hive_partitioning=False)
        with reading(str(file)):
            if dtype.is_integer():
                ends = frame.select(column.min().alias("a"), column.max().alias("b"))
                found: tuple[int | None, ...] = ends.collect().row(0)
                largest = max(largest, *(abs(v) for v in found if v is not None), 0)
            else:
                whole = column.cast(pl.Float64).fill_nan(None)
                odd = (whole != whole.floor()).any()
                fractions |= bool(frame.select(odd).collect().item())
    if largest <= EXACT:
        return pl.Float64()
    if fractions:
        raise SchemaError(
            f"column {name!r} holds whole numbers beyond 2**53 in some files and "
            "fractions in others; one type would lose digits. Make it text, or whole "
            "numbers, in all files."
        )
    integers = [dtype for dtype in types.values() if dtype.is_integer()]
    wide = integers[0]
    for dtype in integers[1:]:
        wide = common_type(wide, dtype) or pl.Int128()
    return wide
