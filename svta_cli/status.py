"""`svta status`."""

import json
from typing import Any

import click

COLUMNS = ("pairs", "clips", "current", "rejected", "candidates", "missing", "stale", "labels")


@click.command()
@click.option("--category", "-c", "chosen", multiple=True, help="Only these generation categories.")
@click.option("--all", "everything", is_flag=True, help="Also categories without anything.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def command(chosen: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """What is there, what is missing, what is truly stale (by recipe, clip by clip). Refreshes svta.duckdb."""
    from svta_assets.gates import load_thresholds
    from svta_assets.videos.projection import rejudge
    from svta_assets.workspace import open_workspace
    from svta_cli.choices import category_keys
    from svta_resources.profiles import HOME_FILE

    keys = category_keys(chosen)
    work = open_workspace()
    if not (work.home.path / HOME_FILE).exists():
        if as_json:
            click.echo(json.dumps({"profile": work.profile.name, "home": str(work.home.path), "exists": False}))
        else:
            click.echo(f"No home yet at {work.home.path} (profile {work.profile.name}): {_first_step(work)}.")
        return
    rejudge(work.catalog, load_thresholds(work.profile.name), keys)  # a threshold may have moved since
    work.refresh()
    facts = gather(work, keys, everything)
    if as_json:
        click.echo(json.dumps(facts, indent=2))
    else:
        _print(facts)


def _first_step(work: Any) -> str:
    return "run `make demo`" if work.profile.name == "demo" else "materialize raw_texts in the Dagster UI (`svta ui`)"


def gather(work: Any, keys: list[str], everything: bool) -> dict[str, Any]:
    """Everything `svta status` says, as plain values."""
    from svta_assets.categories import load_categories
    from svta_models.release import release_log

    log = release_log(work.store)
    latest = log[-1].hash if log else None
    problem = _generator_problem(work)
    described = set(work.catalog.partitions("descriptions")) | set(work.catalog.partitions("clips"))
    wanted = keys or [one.key for one in load_categories() if everything or one.key in described]
    rejects = work.catalog.read("rejects").group_by("stage", "reason").len("count").sort("stage", "reason")
    return {
        "profile": work.profile.name,
        "home": str(work.home.path),
        "media": work.home.media_url,
        "exists": True,
        "generator": work.profile.generator,
        "generator_problem": problem,
        "release": latest,
        "categories": [_category(work, key, plan_it=problem is None) for key in wanted],
        "models": _models(work, latest),
        "rejects": rejects.to_dicts(),
        "gates": _gates(work),
    }


def _generator_problem(work: Any) -> str | None:
    """Why nothing can be said about missing and stale clips here; None where it can."""
    from svta_resources.errors import SvtaError

    try:
        work.generator.recipe()
    except SvtaError as error:
        return str(error)
    return None


def _category(work: Any, key: str, plan_it: bool) -> dict[str, Any]:
    from svta_assets.texts.drops import standing
    from svta_assets.videos.takes import candidates

    clips = work.catalog.read("clips", key)
    missing, stale = _outstanding(work, key) if plan_it else (None, None)
    return {
        "category": key,
        "pairs": standing(work.catalog, key).height,
        "clips": clips.height,
        "current": int(clips["current"].sum()),
        "rejected": int((clips["status"] == "rejected").sum()),
        "candidates": candidates(clips, work.catalog.read("promotions", key)).height,
        "missing": missing,
        "stale": stale,
        "labels": work.catalog.read("labels", key).height,
    }


def _outstanding(work: Any, key: str) -> tuple[int, int]:
    """Clips that are missing, and current clips that would come out differently today."""
    from svta_assets.videos.plan import Mode, plan_clips
    from svta_assets.videos.produce import recorded_state

    plan = plan_clips(recorded_state(work, key), work.generator, Mode.MISSING)
    return len(plan.jobs), len(plan.stale)


def _models(work: Any, release: str | None) -> list[dict[str, Any]]:
    import polars as pl

    newest = work.catalog.read("checkpoints").sort("made_at").unique("model", keep="last").sort("model")
    evaluations = work.catalog.read("evaluations")
    return [
        {
            "model": row["model"],
            "checkpoint": row["checkpoint_id"],
            "release": row["release"],
            "on_latest_release": row["release"] == release,
            "evaluations": evaluations.filter(pl.col("checkpoint_id") == row["checkpoint_id"]).height,
        }
        for row in newest.iter_rows(named=True)
    ]


def _gates(work: Any) -> list[dict[str, Any]]:
    log = work.catalog.read("gates").sort("at").unique(["gate", "partition"], keep="last").sort("gate", "partition")
    rows: list[dict[str, Any]] = log.select("gate", "partition", "level", "reason").to_dicts()
    return rows


def _print(facts: dict[str, Any]) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    console.print(f"profile {facts['profile']}, generator {facts['generator']}, home {facts['home']}", soft_wrap=True)
    if facts["media"] != facts["home"]:
        console.print(f"media in {facts['media']}", soft_wrap=True)
    console.print(f"latest release: {facts['release'] or 'none yet; clusters and splits write one'}")
    if facts["categories"]:
        console.print(_table(facts["categories"]))
    else:
        console.print("nothing is described yet: run `make demo`, or materialize raw_texts and llm_descriptions")
    if facts["generator_problem"]:
        console.print(f"missing and stale clips are not known: {facts['generator_problem']}", soft_wrap=True)
    for line in _remarks(facts):
        console.print(line, soft_wrap=True, markup=False)


def _table(rows: list[dict[str, Any]]) -> Any:
    from rich.table import Table

    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("category", no_wrap=True)
    for name in COLUMNS:
        table.add_column(name, no_wrap=True, justify="right")
    for row in rows:
        table.add_row(row["category"], *("?" if row[name] is None else str(row[name]) for name in COLUMNS))
    if len(rows) > 1:
        table.add_row("all", *(str(sum(row[name] or 0 for row in rows)) for name in COLUMNS), style="bold")
    return table


def _remarks(facts: dict[str, Any]) -> list[str]:
    lines = []
    for model in facts["models"]:
        if model["release"] is None:
            lines.append(f"model {model['model']}: checkpoint {model['checkpoint']}, published weights, imported")
            continue
        fresh = "the latest release" if model["on_latest_release"] else f"release {model['release']}, not the latest"
        again = "" if model["on_latest_release"] else f"; materialize model_checkpoints of {model['model']} again"
        lines.append(f"model {model['model']}: checkpoint {model['checkpoint']} trained on {fresh}{again}")
    lines += [
        f"gate {gate['gate']} ({gate['partition']}): {gate['level']}, {gate['reason']}" for gate in facts["gates"]
    ]
    lines += [f"rejects of {row['stage']}: {row['reason']}, {row['count']} rows" for row in facts["rejects"]]
    return lines
