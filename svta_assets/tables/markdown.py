"""One of the paper's tables as Markdown: ours beside the paper's, and what the figures rest on."""

import json
from typing import Any

import polars as pl

from svta_assets.benchmarks.contamination import contamination_line
from svta_assets.checkpoints.published_files import PUBLISHED, in_words
from svta_assets.tables.paper import DIRECTIONS, FIGURES, PaperTable, method_name
from svta_assets.tables.rankings import beside_the_paper, explanation, rankings_of
from svta_assets.workspace import Workspace
from svta_models.metrics import RECALL_AT, chance_level

TINY = "tiny"


def markdown(work: Workspace, table: PaperTable, rows: pl.DataFrame, controls: pl.DataFrame) -> str:
    """Markdown of a table. `rows`, `controls`: the current evaluations on its benchmark."""
    release = rows.sort("at")["release"][-1]
    recipes = _recipes(work)
    lines = [
        f"### {table.title}, release `{release}`",
        "",
        _scale(work, table, rows, recipes),
        "",
        f"| direction | method | {' | '.join(FIGURES.values())} | recipe |",
        "|---|---|" + "---|" * (len(FIGURES) + 1),
    ]
    paper_name = "paper" if _comparable(table, rows, recipes) else "paper (other scale)"
    for direction, title in DIRECTIONS.items():
        for row in rows.filter(direction=direction).iter_rows(named=True):
            paper = table.paper(row["model"], direction)
            lines += _method_lines(title, row, paper, paper_name, _in_words(recipes.get(row["checkpoint_id"])))
    lines += ["", *_evidence(rows), ""]
    lines += _contamination(work, table, rows)
    lines += [_remark(row) for row in rows.iter_rows(named=True)]
    lines += [_seen(row) for row in rows.filter(direction="t2v").iter_rows(named=True) if row["frames"]]
    lines += [_rankings(row) for row in rows.filter(pl.col("reranked").is_not_null(), direction="t2v").to_dicts()]
    lines += [_control(row) for row in controls.filter(release=release).iter_rows(named=True)]
    return "\n".join([*lines, ""])


def _scale(work: Workspace, table: PaperTable, rows: pl.DataFrame, recipes: dict[str, dict[str, Any]]) -> str:
    """What stands on either side, and whether the two may be compared."""
    generators = ", ".join(sorted(set(work.catalog.read("clips").filter("current")["generator"].drop_nulls())))
    pairs, missing = rows.sort("at")["pairs"][-1], max(rows["missing"].fill_null(0))
    what = "real videos" if table.zero_shot else "test pairs"
    incomplete = f" (**{missing} of {pairs + missing} are missing**)" if missing else ""
    comparable = _comparable(table, rows, recipes)
    verdict = "" if comparable else "**Another scale: the two rows are not to be compared.** "
    return (
        f"Ours: {pairs:,} {what}{incomplete}, models trained on clips by `{generators}`. Paper: {table.pairs:,} pairs, "
        "models trained on Wan2.1 clips from CLIP weights pre-trained on 400M pairs. "
        f"{verdict}In brackets: ours less the paper's."
    )


def _comparable(table: PaperTable, rows: pl.DataFrame, recipes: dict[str, dict[str, Any]]) -> bool:
    """Whether our gallery has the paper's size and no model is one of the tiny ones."""
    presets = {recipes[one]["preset"] for one in rows["checkpoint_id"] if one in recipes}
    tiny = any(preset.startswith(TINY) for preset in presets)
    return not tiny and bool(rows.sort("at")["pairs"][-1] == table.pairs)


def _recipes(work: Workspace) -> dict[str, dict[str, Any]]:
    """Checkpoint -> what it was trained with."""
    rows = work.catalog.read("checkpoints").select("checkpoint_id", "recipe").iter_rows()
    return {checkpoint: json.loads(text) for checkpoint, text in rows}


def _in_words(recipe: dict[str, Any] | None) -> str:
    if not recipe:
        return ""
    if recipe["name"] == PUBLISHED:
        return in_words(recipe)
    start = f", from `{recipe['start']}`" if recipe.get("start") else ""
    sound = f", audio {recipe['audio']}" if "audio" in recipe else ""
    return f"{recipe['name']}, {recipe['preset']}, {recipe['epochs']} epochs{sound}{start}"


def _method_lines(
    title: str, row: dict[str, Any], paper: dict[str, float] | None, paper_name: str, recipe: str
) -> list[str]:
    name = method_name(row["model"])
    lines = []
    for ranking in rankings_of(row):
        ours = " | ".join(f"{figure:.1f}" for figure in ranking.figures(row).values())
        how = f" {ranking.title}" if ranking.title else ""
        lines.append(f"| {title} | {name}, ours{how} | {ours} | {recipe} |")
    if row["untouched_pairs"]:
        rest = " | ".join(f"{row[f'untouched_{figure}']:.1f}" for figure in FIGURES)
        lines.append(f"| {title} | {name}, {row['untouched_pairs']} untouched of {row['pairs']} pairs | {rest} | |")
    if paper:
        own = beside_the_paper(row).figures(row)
        theirs = " | ".join(f"{paper[said]:.1f} ({own[ours] - paper[said]:+.1f})" for ours, said in FIGURES.items())
        lines.append(f"| {title} | *{name}, {paper_name}* | {theirs} | |")
    return lines


def _evidence(rows: pl.DataFrame) -> list[str]:
    """How sure each row is, against chance, and exactly what was evaluated."""
    recalls = " | ".join(f"R@{k} 95%" for k in RECALL_AT)
    lines = [
        f"| direction | method | pairs | ranks | R@1, 5, 10, ties averaged | {recalls} | chance | data | checkpoint |",
        "|---|---|---|---|---|" + "---|" * len(RECALL_AT) + "---|---|---|",
    ]
    for row in rows.sort("direction", maintain_order=True).iter_rows(named=True):
        chance = chance_level(row["pairs"])
        cells = (
            DIRECTIONS[row["direction"]],
            method_name(row["model"]),
            row["pairs"],
            _shown(row["ranks"], "d"),
            ", ".join(_shown(row[f"r{k}_averaged"]) for k in RECALL_AT),
            *(f"{_shown(row[f'r{k}_low'])} to {_shown(row[f'r{k}_high'])}" for k in RECALL_AT),
            ", ".join(f"{chance[f'R@{k}']:.1f}" for k in RECALL_AT),
            f"`{row['data_sha'] or '?'}`",
            f"`{row['checkpoint_id']}`",
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    lines += [
        "",
        "Ranks: as the published evaluation counts them, one more for every answer that ties with the right one; all "
        "figures but the averaged ones are shares of them. 95%: bootstrap over queries. What stands behind a figure: "
        "`svta evaluate MODEL --misses`.",
    ]
    return lines


def _shown(value: float | None, form: str = ".1f") -> str:
    """A figure; evaluations of before a column existed have none."""
    return "?" if value is None else format(value, form)


def _contamination(work: Workspace, table: PaperTable, rows: pl.DataFrame) -> list[str]:
    if not table.zero_shot:
        return []
    found = work.catalog.read("contamination").filter(benchmark=table.benchmark)
    lines = []
    for release in rows["trained_on"].fill_null(rows["release"]).unique(maintain_order=True):
        ours = found.filter(release=release)
        if ours.height:
            lines.append(f"- Release `{release}`. {contamination_line(ours)} {_untouched(rows)}")
    return lines or ["- Contamination: not known, the evaluation is of before it was looked for."]


def _untouched(rows: pl.DataFrame) -> str:
    counts = rows["untouched_pairs"].drop_nulls()
    if counts.len() and not counts[-1]:
        return "No pair is untouched, so there are no figures without contamination: zero-shot holds for videos only."
    return "The rows of untouched pairs search among those alone."


def _remark(row: dict[str, Any]) -> str:
    return (
        f"- {method_name(row['model'])}, {DIRECTIONS[row['direction']]}: R@10 {row['r10']:.1f} "
        f"(95% bootstrap {row['r10_low']:.1f} to {row['r10_high']:.1f}, chance {row['r10_chance']:.1f}); "
        f"R@1 within the query's own category {row['r1_within']:.1f} (chance {row['r1_within_chance']:.1f})"
    )


def _seen(row: dict[str, Any]) -> str:
    heard = f" ({row['heard']} of {row['pairs']} clips have a track)" if row["heard"] is not None else ""
    sound = f"; audio: {row['audio']}{heard}" if row["audio"] else ""
    return f"- {method_name(row['model'])} saw {row['frames']}{sound}"


def _rankings(row: dict[str, Any]) -> str:
    return f"- {method_name(row['model'])}, {explanation(row)}"


def _control(row: dict[str, Any]) -> str:
    return (
        f"- Control, {method_name(row['model'])} trained on shuffled captions, {DIRECTIONS[row['direction']]}: "
        f"R@10 {row['r10']:.1f} (chance {row['r10_chance']:.1f})"
    )
