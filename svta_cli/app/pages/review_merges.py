"""Queue of category merges: two final categories side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from svta_assets.clusters import merges
from svta_assets.clusters.taxonomy import final_categories
from svta_assets.clusters.versions import current
from svta_assets.gates import taxonomy_approval
from svta_assets.workspace import Workspace
from svta_cli.app.pages.review_queue import SAMPLE, Choice, Queue, Said, Words
from svta_resources.errors import SvtaError

NAMES = 12  # label names of a category that are shown
EXAMPLES = 3  # clips
BETWEEN = "+"  # no slug holds one


class Merges(Queue):
    """The most alike categories, and those that somebody proposes."""

    name = "merges"
    title = "Category merges"
    ask = "Are these two categories one and the same?"
    then = (
        "Apply makes a new taxonomy version of the agreed merges: wanted by somebody, opposed by nobody. Releases take "
        "it up once it is approved; no pair changes its split."
    )
    choices = (
        Choice("m", merges.MERGE, "Merge", "good", fields=(("into", "name of the merged category"),)),
        Choice("a", merges.APART, "Keep apart", "bad"),
    )

    def subjects(self, work: Workspace, scope: str = SAMPLE) -> pl.DataFrame:
        found = merges.candidates(work)
        return found.with_columns(
            pl.concat_str("first", "second", separator=BETWEEN).alias("id"), pl.col("kind").alias("category")
        )

    def order(self, ids: Sequence[str], words: Words, by: str) -> list[str]:
        return [one for one in ids if by not in words.get(one, {})]  # the most alike first: one stops when none is

    def words(self, work: Workspace, subjects: pl.DataFrame) -> Words:
        said = merges.standing(work)
        return {BETWEEN.join(pair): {by: row["verdict"] for by, row in rows.items()} for pair, rows in said.items()}

    def card(self, work: Workspace, row: Mapping[str, Any]) -> dict[str, Any]:
        now = current(work)
        pairs = dict(now.select("final_category", "pairs").iter_rows())
        known = {one.slug: one for one in final_categories(now)}
        sides = []
        for slug in (row["first"], row["second"]):
            one = known[slug]
            more = f" and {len(one.names) - NAMES} more" if len(one.names) > NAMES else ""
            says = f"{slug}: {pairs[slug]} pairs, {one.group}"
            text = ", ".join(one.names[:NAMES]) + more
            sides.append({"heading": one.name, "says": says, "text": text, "clips": _examples(work, slug)})
        names = [known[slug].name for slug in (row["first"], row["second"])]
        facts = [("cosine of their names", f"{row['cosine']:.3f}")]
        return {"heading": " and ".join(names), "text": "", "facts": facts, "sides": sides, "seen": {}}

    def record(self, work: Workspace, said: Said, by: str) -> str:
        first, _, second = said.id.partition(BETWEEN)
        if not second:
            raise SvtaError(f"{said.id!r} does not name two categories")
        merges.record_merge(work, (first, second), said.verdict, by, said.more.get("into"), said.reason)
        return ""

    def report(self, work: Workspace) -> list[str]:
        wanted = len(merges.agreed(work))
        gate = taxonomy_approval(work)
        return [
            f"{wanted} agreed {'merge waits' if wanted == 1 else 'merges wait'} to be applied",
            f"gate {gate.gate}: {gate.level}, {gate.reason}",
        ]


def _examples(work: Workspace, slug: str) -> list[str]:
    pairs = work.catalog.read("assignments").filter(pl.col("final_category") == slug)["pair_id"].to_list()
    clips = work.catalog.read("clips").filter("current", pl.col("pair_id").is_in(pairs))
    return clips.sort("clip_id").head(EXAMPLES)["clip_id"].to_list()
