"""`svta status`."""

import json
from typing import Any

import click


@click.command()
@click.option("--category", "-c", "chosen", multiple=True, help="Only these generation categories.")
@click.option("--all", "everything", is_flag=True, help="Also categories without anything.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def command(chosen: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """What is there, what is missing, what is truly stale (by recipe, clip by clip)."""
    from svta_assets.categories import category
    from svta_assets.workspace import open_workspace, prepare_workspace

    keys = [category(key).key for key in chosen]
    work = open_workspace()
    if not (work.home.path / "home.json").exists():
        click.echo(f"No home yet at {work.home.path} (profile {work.profile.name}): run `make demo`.")
        return
    work = prepare_workspace(work.home)
    work.refresh()
    facts = gather(work, keys, everything)
    click.echo(json.dumps(facts, indent=2)) if as_json else _print(facts)


def gather(work: Any, keys: list[str], everything: bool) -> dict[str, Any]:
    """Everything `svta status` says, as plain values."""
    from svta_assets.categories import load_categories
    from svta_models.release import release_log

    log = release_log(work.store)
    rejects = work.catalog.read("rejects")
    wanted = keys or [one.key for one in load_categories()]
    rows = [_category(work, key) for key in wanted]
    shown = [row for row in rows if everything or keys or row["pairs"] or row["clips"]]
    return {
        "profile": work.profile.name,
        "home": str(work.home.path),
        "media": work.home.media_url,
        "generator": work.profile.generator,
        "release": log[-1].hash if log else None,
        "categories": shown,
        "models": _models(work, log[-1].hash if log else None),
        "rejects": dict(rejects["reason"].value_counts(sort=True).iter_rows()),
        "gates": _gates(work),
    }


def _category(work: Any, key: str) -> dict[str, Any]:
    from svta_assets.videos.plan import Mode
    from svta_assets.videos.produce import plan_category
    from svta_assets.videos.takes import candidates

    descriptions = work.catalog.read("descriptions", key)
    clips = work.catalog.read("clips", key)
    missing = plan_category(work, key, Mode.MISSING) if descriptions.height else None
    return {
        "category": key,
        "pairs": descriptions.height,
        "clips": clips.height,
        "current": int(clips["current"].sum()),
        "rejected": int((clips["status"] == "rejected").sum()),
        "candidates": candidates(clips, work.catalog.read("promotions", key)).height,
        "missing": len(missing.jobs) if missing else 0,
        "stale": len(missing.stale) if missing else 0,
        "labels": work.catalog.read("labels", key).height,
    }


def _models(work: Any, release: str | None) -> list[dict[str, Any]]:
    import polars as pl

    newest = work.catalog.read("checkpoints").sort("made_at").unique("model", keep="last")
    return [
        {
            "model": row["model"],
            "checkpoint": row["checkpoint_id"],
            "release": row["release"],
            "on latest release": row["release"] == release,
            "evaluations": work.catalog.read("evaluations", row["model"])
            .filter(pl.col("checkpoint_id") == row["checkpoint_id"])
            .height,
        }
        for row in newest.iter_rows(named=True)
    ]


def _gates(work: Any) -> list[dict[str, Any]]:
    log = work.catalog.read("gates").sort("at").unique(["gate", "partition"], keep="last").sort("gate", "partition")
    rows: list[dict[str, Any]] = log.select("gate", "partition", "level", "reason").to_dicts()
    return rows


def _print(facts: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    console.print(f"profile {facts['profile']}, generator {facts['generator']}, home {facts['home']}")
    console.print(f"latest release {facts['release'] or 'none yet: materialize splits'}")
    columns = ("category", "pairs", "current", "rejected", "candidates", "missing", "stale", "labels")
    table = Table(box=None, padding=(0, 1, 0, 0))
    for name in columns:
        table.add_column(name, no_wrap=True, justify="left" if name == "category" else "right")
    for row in facts["categories"]:
        table.add_row(*(str(row[name]) for name in columns))
    if facts["categories"]:
        totals = [str(sum(row[name] for row in facts["categories"])) for name in columns[1:]]
        table.add_row("all", *totals, style="bold")
    console.print(table)
    for model in facts["models"]:
        fresh = "on the latest release" if model["on latest release"] else "on an older release: run job benchmark"
        console.print(f"model {model['model']}: checkpoint {model['checkpoint']} {fresh}")
    for gate in facts["gates"]:
        console.print(f"gate {gate['gate']} ({gate['partition']}): {gate['level']}, {gate['reason']}")
    if facts["rejects"]:
        console.print("rejects: " + ", ".join(f"{reason} {count}" for reason, count in facts["rejects"].items()))
