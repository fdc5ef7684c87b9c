"""The command that takes a stored file to new rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from featurekit.cli.common import (
    UserError,
    blame,
    check_input,
    check_output,
    one_line,
    read,
    say,
    typer,
    write,
)


def apply(
    features: Annotated[
        Path,
        typer.Argument(
            help="File that 'generate' or 'rank --save' wrote.", show_default=False
        ),
    ],
    data: Annotated[
        Path,
        typer.Argument(
            help="New rows, .parquet or .csv; for a ranking anything that 'rank' "
            "reads.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="Where to write them with the new columns, .parquet or .csv.",
            show_default=False,
        ),
    ],
) -> None:
    """Add stored features to new rows, or take what a ranking kept.

    Columns are found by name, and the target may be absent. Each row's values depend on
    that row and the stored file alone.

    Of features that 'generate' found, columns that these do not need are written as
    they are. Do not apply them to the rows they were found on: 'generate --save-data'
    writes those, with out-of-fold values.

    Of a ranking the columns and crosses that it kept are written, and no others.
    """
    from featurekit.expressions.export import read as content_of

    check_input(features, suffixes=())
    with one_line(), blame(features, "read"):
        kind = content_of(features).get("estimator")
    check_output(out, [features, data])
    made, n_new = (_ranked if kind == "OutRank" else _generated)(features, data)
    write(made, out)
    if kind == "OutRank":
        kept = f"{made.width - n_new} columns and {n_new} crosses"
        say(f"{made.height:,} rows with what the ranking kept, {kept}: {out}")
    else:
        say(f"{made.height:,} rows with {n_new} new columns: {out}")


def _generated(features: Path, data: Path) -> tuple[Any, int]:
    """The rows with new columns, and how many these are."""
    from featurekit import OpenFE

    check_input(data)
    with one_line(), blame(features, "read"):
        maker = OpenFE.from_json(features)
    maker.set_params(extra_columns="ignore")
    # a few rows of a CSV file may look like numbers where fit saw text
    text = [spec.name for spec in maker._schema if spec.dtype == "string"]
    frame = read(data, text)
    taken = [node.name for node in maker.features_ if node.name in frame.columns]
    if taken:
        raise UserError(f"{data} has a column {taken[0]!r} already; drop it first")
    with one_line():
        return maker.transform(frame), len(maker.features_)


def _ranked(features: Path, data: Path) -> tuple[Any, int]:
    """What a ranking kept of the rows, and how many crosses these are."""
    import polars as pl

    from featurekit import OutRank
    from featurekit.data.scan import scan

    with one_line(), blame(features, "read"):
        ranker = OutRank.from_json(features)
    if not hasattr(ranker, "feature_names_in_"):
        raise UserError(f"{features} ranks columns without names; use it from Python")
    names = list(ranker.feature_names_in_)
    kept = [names[i] for i in ranker.get_support(indices=True)]
    needed = dict.fromkeys(kept)
    needed |= dict.fromkeys(name for node in ranker.crosses_ for name in node.columns())
    if not needed:
        raise UserError(f"{features} keeps no column; rank with a larger --alpha")
    with one_line():
        rows = scan(data).settle()
        lacks = [name for name in needed if name not in rows.names]
        if lacks:
            raise UserError(f"{data} lacks columns that the ranking kept: {lacks}")
        if rows.files[0].suffix.lower() not in (".parquet", ".pq"):
            for spec in ranker._schema:
                # a few rows of text may look like numbers where fit saw text
                if spec.dtype == "string":
                    rows.schema[spec.name] = pl.String()
        frame = pl.concat([block.frame for block in rows.blocks(list(needed))])
        # what is not needed may be absent, but its place is known
        gone = [pl.lit(None).alias(name) for name in names if name not in needed]
        made = ranker.transform(frame.with_columns(gone).select(names))
    return made, len(ranker.crosses_)
