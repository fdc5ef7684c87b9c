"""Options that several commands have: one name, one meaning, one help text."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

READ = (
    "Files, folders or patterns in quotes such as 'data/*.parquet', all of one format "
    "and with the same columns: Parquet, CSV, TSV, VW; text also compressed (.gz, "
    ".zst, .bz2, .xz, .zip). Folders such as year=2024 are columns."
)


class Task(StrEnum):
    """Values of ``--task``."""

    auto = "auto"
    regression = "regression"
    binary = "binary"
    multiclass = "multiclass"
    classification = "classification"


class DecimalMark(StrEnum):
    """Values of ``--decimal``."""

    point = "."
    comma = ","


Sources = Annotated[
    list[str], typer.Argument(metavar="SOURCE", help=READ, show_default=False)
]
Target = Annotated[
    str,
    typer.Option(metavar="COLUMN", help="Column to predict.", show_default=False),
]
Drop = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN,...",
        help="Columns to leave out, such as ids and what is not known in time. Can be "
        "repeated.",
    ),
]
Categorical = Annotated[
    list[str] | None,
    typer.Option(
        "--categorical",
        metavar="auto|COLUMN,...",
        help="Numeric columns whose numbers are names of categories; text always is. "
        "Can be repeated.  [default: auto]",
        show_default=False,
    ),
]
Groups = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Cross-validation keeps the rows of each value of this column together. "
        "It is not used as a feature.",
    ),
]
Weight = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Weight of each row. It is not used as a feature.",
    ),
]
TaskOption = Annotated[
    Task,
    typer.Option(
        metavar="TASK",
        help="auto (decided by the target), regression, binary, multiclass or "
        "classification.",
    ),
]
TimeBudget = Annotated[
    float | None,
    typer.Option(
        min=0,
        metavar="SECONDS",
        help="Stop after this time and keep what is found until then.",
        show_default=False,
    ),
]
MemoryLimit = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="Refuse to start if more memory is needed on top of the data; written as "
        "500MiB or 2GiB.",
        show_default=False,
    ),
]
Jobs = Annotated[
    int,
    typer.Option(
        "--n-jobs",
        metavar="N",
        help="Threads; -1 is one for each core. The result is the same.",
    ),
]
Seed = Annotated[
    int, typer.Option(min=0, metavar="N", help="Seed of the random numbers.")
]
NumberToSelect = Annotated[
    str | None,
    typer.Option(
        metavar="auto|N|FRACTION",
        help="How many columns to keep; the default and the meaning of auto are those "
        "of the selector.",
        show_default=False,
    ),
]
Alpha = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        metavar="LEVEL",
        help="Level of the test that decides what is kept.",
        show_default=False,
    ),
]
MaxCandidates = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Score at most this many candidates.",
        show_default=False,
    ),
]
Separator = Annotated[
    str | None,
    typer.Option(
        metavar="CHARACTER",
        help="What separates the fields of CSV files; guessed if not given.",
        show_default=False,
    ),
]
Encoding = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Encoding of CSV files, such as utf-8 or latin-1; guessed if not given.",
        show_default=False,
    ),
]
Decimal = Annotated[
    DecimalMark | None,
    typer.Option(
        metavar=".|,",
        help="Decimal mark of CSV files; guessed if not given.",
        show_default=False,
    ),
]
