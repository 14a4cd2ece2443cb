"""How a metadata table is declared: columns with meaning, a key, and how its files add up."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any

import polars as pl

from svta_resources.errors import SvtaError


class TableError(SvtaError):
    """Rows do not fit the table they were meant for."""


class Growth(Enum):
    """What the files of one partition mean together."""

    PROJECTION = "the newest file is the partition"
    LOG = "all files together are the partition; nothing is ever replaced"


@dataclass(frozen=True)
class Column:
    """One column: its polars type and what it means, with unit."""

    name: str
    dtype: Any
    meaning: str


@dataclass(frozen=True)
class Table:
    """A metadata table. `key` names the columns that identify a row (the primary key for projections)."""

    name: str
    meaning: str
    key: tuple[str, ...]
    columns: tuple[Column, ...] = field(repr=False)
    growth: Growth = Growth.PROJECTION

    @cached_property
    def schema(self) -> dict[str, Any]:
        """Column names and polars types in order."""
        return {column.name: column.dtype for column in self.columns}

    def empty(self) -> pl.DataFrame:
        """The table with no rows."""
        return pl.DataFrame(schema=self.schema)

    def frame(self, rows: pl.DataFrame | Sequence[dict[str, Any]]) -> pl.DataFrame:
        """Bring rows to the table's exact columns and types; absent columns become null.

        Raises TableError when a column is unknown, a value does not fit its type, or a key is null or twice.
        """
        data = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(list(rows), infer_schema_length=None)
        unknown = [name for name in data.columns if name not in self.schema]
        if unknown:
            raise TableError(f"table {self.name} has no column {', '.join(unknown)}; see svta_assets/schemas/")
        if data.height == 0:
            return self.empty()
        try:
            data = data.select(
                (pl.col(name) if name in data.columns else pl.lit(None)).cast(dtype).alias(name)
                for name, dtype in self.schema.items()
            )
        except pl.exceptions.PolarsError as error:
            raise TableError(f"rows for table {self.name} have a value of the wrong type: {error}") from error
        if self.growth is Growth.PROJECTION:
            self._check_key(data)
        return data

    def _check_key(self, data: pl.DataFrame) -> None:
        nulls = data.select(pl.any_horizontal(pl.col(name).is_null() for name in self.key).sum()).item()
        if nulls:
            raise TableError(f"{nulls} rows for table {self.name} have an empty key ({', '.join(self.key)})")
        twice = data.filter(pl.struct(self.key).is_duplicated())
        if twice.height:
            example = twice.row(0, named=True)
            shown = ", ".join(f"{name}={example[name]!r}" for name in self.key)
            raise TableError(f"table {self.name} got {twice.height} rows with a repeated key, for example {shown}")
