"""The command that takes a stored file to new rows: apply."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from featurekit.cli import options
from featurekit.cli.common import STDOUT, UserError, messages_beside, one_line, say
from featurekit.cli.files import (
    ROWS,
    Dialect,
    Output,
    blame,
    check_outputs,
    open_rows,
    read_rows,
    write_rows,
)

if TYPE_CHECKING:
    import polars as pl


def apply(
    features: Annotated[
        Path,
        typer.Argument(
            metavar="FEATURES",
            help="File that 'generate --out' or 'rank --save' wrote.",
            show_default=False,
        ),
    ],
    sources: options.Sources,
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="Where to write the rows, .parquet or .csv; - is stdout, as CSV.",
            show_default=False,
        ),
    ],
    separator: options.Separator = None,
    encoding: options.Encoding = None,
    decimal: options.Decimal = None,
) -> None:
    """Add stored features to new rows, or take what a ranking kept.

    Columns are found by name. Those that the features do not need, such as ids and the
    target, are written as they are. The values of a row depend on that row and the
    stored file alone.

    Do not apply features to the rows they were found on: 'generate --save-data' writes
    those, with out-of-fold values.

    With a ranking, the columns that it did not keep are left out, and the crosses that
    it kept are added.
    """
    from featurekit.expressions.export import read as content_of

    with one_line(), blame(features, "read"):
        kind = content_of(features).get("estimator")
    stored = _ranking(features) if kind == "OutRank" else _features(features)
    # a few rows of a CSV file may look like numbers where fit saw text
    text = [spec.name for spec in stored._schema if spec.dtype == "string"]
    rows = open_rows(sources, Dialect(separator, encoding, decimal), text=text)
    check_outputs([Output(out, ROWS)], [features, *rows.files], sources)
    with messages_beside(out) as stdout, one_line():
        frame = read_rows(rows)
        made, said = (_kept if kind == "OutRank" else _with_features)(stored, frame)
        write_rows(made, out, stdout)
        say(f"{made.height:,} rows with {said}: {'stdout' if out == STDOUT else out}")


def _features(path: Path) -> Any:
    from featurekit import OpenFE

    with one_line(), blame(path, "read"):
        return OpenFE.from_json(path).set_params(extra_columns="ignore")


def _with_features(maker: Any, rows: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    """The rows with new columns, and how many these are."""
    names = {node.name for node in maker.features_}
    taken = [name for name in rows.columns if name in names]
    if taken:
        raise UserError(f"the rows have a column {taken[0]!r} already; drop it first")
    made = _carry(rows, maker.transform(rows), maker.feature_names_in_)
    return made, f"{len(names)} new columns"


def _ranking(path: Path) -> Any:
    from featurekit import OutRank

    with one_line(), blame(path, "read"):
        ranker = OutRank.from_json(path)
    if not hasattr(ranker, "feature_names_in_"):
        raise UserError(f"{path} ranks columns without names; use it from Python")
    if not ranker.get_support().any() and not ranker.crosses_:
        raise UserError(f"{path} keeps no column; rank with a larger --alpha")
    return ranker


def _kept(ranker: Any, rows: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    """What a ranking kept of the rows."""
    import polars as pl

    names = list(ranker.feature_names_in_)
    kept = [names[i] for i in ranker.get_support(indices=True)]
    needed = dict.fromkeys(kept)
    needed |= dict.fromkeys(name for node in ranker.crosses_ for name in node.columns())
    lacks = [name for name in needed if name not in rows.columns]
    if lacks:
        raise UserError(f"the rows lack columns that the ranking kept: {lacks}")
    # what is not needed may be absent, but its place is known
    absent = [pl.lit(None).alias(name) for name in names if name not in needed]
    made = ranker.transform(rows.with_columns(absent).select(names))
    said = f"{len(kept)} columns kept and {len(ranker.crosses_)} crosses"
    return _carry(rows, made, names), said


def _carry(
    rows: pl.DataFrame, made: pl.DataFrame, names: Iterable[str]
) -> pl.DataFrame:
    """What was made of the columns ``names``, beside the others as they are."""
    names = set(names)
    stay = [
        made[name] if name in made.columns else rows[name]
        for name in rows.columns
        if name in made.columns or name not in names
    ]
    more = [made[name] for name in made.columns if name not in rows.columns]
    return made.select(stay + more)
