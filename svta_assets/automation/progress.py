"""What a run of `regenerate` says about itself while it works: to its request, and about each category's new clips."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import dagster as dg
import polars as pl

from svta_assets.workspace import Workspace

if TYPE_CHECKING:
    from svta_assets.automation.regenerate import RegenerateConfig
    from svta_assets.regeneration.compare import Comparison

REASON_LENGTH = 600  # characters of an error kept in a request's row


@dataclass
class Made:
    """New clips of a category; filled when its clips are there."""

    work: Workspace
    category: str
    rows: pl.DataFrame
    stood: pl.DataFrame
    clips: pl.DataFrame = field(default_factory=pl.DataFrame)

    @property
    def accepted(self) -> int:
        return int((self.rows["status"] == "accepted").sum()) if self.rows.height else 0

    @property
    def device_seconds(self) -> float:
        """Seconds the devices were held; a copy of an equal clip cost none."""
        return float(self.rows.select(pl.coalesce("device_seconds", "seconds").sum()).item() or 0.0)

    def comparison(self) -> "Comparison | None":
        """The new clips beside what stood for their pairs; None where nothing stood."""
        from svta_assets.regeneration.compare import compare

        found = compare(self.category, self.stood, self.clips, self.rows) if self.rows.height else None
        return found if found and found.pairs(1) else None

    def metadata(self) -> dict[str, Any]:
        """What the event of the category shows beside the asset's own metadata; writes the page of the new takes."""
        from svta_assets.regeneration.compare import comparison_markdown, write_page

        found = self.comparison()
        if found is None:
            return {}
        page = write_page(self.work, found)
        return {
            "new takes beside what stood": dg.MetadataValue.md(comparison_markdown(self.work, found)),
            "page of new takes": dg.MetadataValue.path(str(page)),
        }


class Progress:
    """Keeps a run's request up to date, category by category, and adds up what the run has spent.

    Without a request it only adds up. A run that is killed says nothing; the sensor notices (`automation/requests.py`).
    """

    def __init__(self, work: Workspace, run_id: str, config: "RegenerateConfig") -> None:
        self._work, self._run_id, self._config = work, run_id, config
        self.device_seconds = 0.0

    def __enter__(self) -> Self:
        if self._config.request:
            self._put_on_record()
            self._report("running")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._report("done" if self._config.pilot else "made")
        else:
            self._report("failed", reason=_said(error))

    @contextmanager
    def category(self, key: str) -> Iterator[Made]:
        """Watches one category; what was made of it is reported also where its run fails half way."""
        before = self._work.catalog.read("clips", key)
        made = Made(self._work, key, before.clear(), before.filter("current"))
        known = before["clip_id"].to_list()
        try:
            yield made
        finally:
            made.clips = self._work.catalog.read("clips", key)
            made.rows = made.clips.filter(~pl.col("clip_id").is_in(known))
            self.device_seconds += made.device_seconds
            self._report(
                "running",
                category=key,
                made=made.rows.height,
                accepted=made.accepted,
                device_seconds=round(made.device_seconds, 3),
            )

    def affordable(self, key: str, only: list[str] | None) -> list[str] | None:
        """The pairs of a category whose clips fit into what is left of the budget; [] where nothing does.

        Asked before each category, so that clips that took longer than expected leave less for the next one.
        """
        from svta_assets.regeneration.budget import fitting

        left = self._config.gpu_hours * 3600 - self.device_seconds
        return fitting(self._work, key, self._config.mode.value, only, left)

    def _put_on_record(self) -> None:
        """A night's run brings its request with it: evaluating a tick writes nothing."""
        from svta_assets.regeneration.requests import ask, requests

        config = self._config
        if config.by and config.request not in set(requests(self._work)["request_id"]):
            ask(
                self._work,
                categories=config.categories,
                filters={name: value for name, value in config.filters().items() if value},
                mode=config.mode.value,
                pilot=config.pilot,
                include_test=config.include_test,
                confirm=config.confirm,
                by=config.by,
                why=config.why,
                request_id=config.request,
            )

    def _report(self, state: str, **facts: Any) -> None:
        from svta_assets.regeneration.requests import report

        if self._config.request:
            report(self._work, self._config.request, state, run_id=self._run_id, **facts)


def _said(error: BaseException) -> str:
    """The sentence of an error; its class where it has none."""
    said = getattr(error, "description", None) or str(error)
    return (said.strip() or type(error).__name__)[:REASON_LENGTH]
