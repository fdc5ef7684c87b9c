"""Frames in, typed columns inside, frames out: the only room that knows libraries."""

from featurekit.data.assemble import select_columns, take_rows
from featurekit.data.columns import (
    CategoricalColumn,
    Column,
    DatetimeColumn,
    NumericColumn,
    Table,
)
from featurekit.data.frames import frame_type
from featurekit.data.ingest import ColumnSpec, Schema
from featurekit.data.output import FORMATS, Output

__all__ = [
    "CategoricalColumn",
    "Column",
    "ColumnSpec",
    "DatetimeColumn",
    "NumericColumn",
    "Schema",
    "Table",
    "FORMATS",
    "Output",
    "frame_type",
    "select_columns",
    "take_rows",
]
