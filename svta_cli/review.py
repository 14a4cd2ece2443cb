"""`svta review`: look at clips and their scores, and say what was seen."""

import json
from typing import Any

import click

from svta_cli import review_descriptions, review_labels, review_merges
from svta_models.errors import SvtaError


@click.group()
def command() -> None:
    """Look at clips, their scores and labels; judge a sample of them."""


command.add_command(review_labels.command)
command.add_command(review_descriptions.command)
command.add_command(review_merges.command)


@command.command("scores")
@click.argument("categories", nargs=-1)
def show_scores(categories: tuple[str, ...]) -> None:
    """Write a page with example clips at each decile of every score (CATEGORIES: all). Applies gates.yaml anew."""
    from svta_assets.gates import load_thresholds
    from svta_assets.videos.pages import write_scores_page
    from svta_assets.videos.projection import rejudge
    from svta_assets.videos.quality import deciles
    from svta_assets.videos.verdicts import reason_counts

    work, keys = _open(categories)
    thresholds = load_thresholds(work.profile.name)
    changed = rejudge(work.catalog, thresholds, keys)
    clips = _clips(work, keys)
    for one in deciles(clips, thresholds):
        click.echo(f"{one.score}: {one.says}")
    counts = ", ".join(f"{kind}: {count}" for kind, count in reason_counts(clips).items())
    click.echo(f"rejected: {counts or 'none'}")
    if changed:
        work.refresh()
        click.echo(f"verdicts changed in {', '.join(changed)}")
    click.echo(f"page: {write_scores_page(work, clips, thresholds, '-'.join(keys) or 'all')}")


@command.command("clips")
@click.option("--sample", "list_sample", is_flag=True, help="List the sample and write a page with its clips.")
@click.option("--report", is_flag=True, help="Show the accepted share with its interval.")
@click.option("--keep", multiple=True, metavar="CLIP_ID", help="The clip is fine.")
@click.option("--reject", multiple=True, metavar="CLIP_ID", help="The clip is not; needs --reason.")
@click.option("--undo", multiple=True, metavar="CLIP_ID", help="Take back what was said last of the clip.")
@click.option("--reason", default=None, help="Why clips are rejected.")
@click.option("--by", default=None, help="Who looked (default: the user's name).")
@click.option("--release", default="latest", show_default=True, help="latest, a name or a hash")
@click.option("--share", default=0.01, show_default=True, help="Share of the release in the sample.")
@click.option("--seed", default=42, show_default=True, help="Draws another sample.")
@click.option("--json", "as_json", is_flag=True, help="The report for machines.")
def review_clips(
    list_sample: bool,
    report: bool,
    keep: tuple[str, ...],
    reject: tuple[str, ...],
    undo: tuple[str, ...],
    reason: str | None,
    by: str | None,
    release: str,
    share: float,
    seed: int,
    as_json: bool,
) -> None:
    """Review clips by eye: a 1% sample of the release, at least one clip a category."""
    from svta_assets.videos.reviews import review_summary
    from svta_cli.choices import who

    work = _open(())[0]
    said = {"keep": keep, "reject": reject, "undo": undo}
    _refuse_two_verdicts(said)
    if reason and not reject:
        raise click.UsageError("--reason says why clips are rejected: name them with --reject CLIP_ID")
    for verdict, clips in said.items():
        if clips:
            _record(work, clips, verdict, who(by), reason)
    if list_sample:
        _list_sample(work, release, share, seed)
    if as_json:
        click.echo(json.dumps(review_summary(work, release, share, seed).as_dict(), indent=2))
    elif report or not (list_sample or any(said.values())):
        _report(work, release, share, seed)


def _refuse_two_verdicts(said: dict[str, tuple[str, ...]]) -> None:
    named = [clip for clips in said.values() for clip in dict.fromkeys(clips)]
    if twice := sorted({clip for clip in named if named.count(clip) > 1}):
        raise click.UsageError(f"{', '.join(twice)}: choose one of --keep, --reject and --undo for a clip")


def _record(work: Any, clips: tuple[str, ...], verdict: str, by: str, reason: str | None) -> None:
    from svta_assets.videos.reviews import record_review

    counts = record_review(work, clips, verdict, by, reason)
    work.refresh()
    for category, count in counts.items():
        click.echo(f"{category}: {count} {'clip' if count == 1 else 'clips'} recorded as {verdict} by {by}")
        if verdict == "reject":
            click.echo(f"  another take: svta regen {category} --mode retry_rejected")


def _list_sample(work: Any, release: str, share: float, seed: int) -> None:
    from svta_assets.reviewing import draw_sample
    from svta_assets.videos.pages import write_sample_page
    from svta_assets.videos.reviews import review_summary, reviewable
    from svta_assets.videos.verdicts import newest_reviews

    digest, clips = reviewable(work, release)
    if clips.is_empty():
        raise click.ClickException("there is no clip to review yet: materialize videos, or run `make demo`")
    sample = draw_sample(clips, share, seed)
    said = {clip: row for (clip, _), row in newest_reviews(work.catalog).items()}
    for row in sample.iter_rows(named=True):
        verdict = said.get(row["clip_id"], {}).get("verdict", "-")
        click.echo(f"{row['clip_id']}  {row['category']}  {verdict}  {row['uri']}\n    {row['caption']}")
    of = f"release {digest}" if digest else "the current clips (no release yet)"
    click.echo(f"{sample.height} of {clips.height} clips of {of}")
    click.echo(f"page: {write_sample_page(work, sample, said, review_summary(work, release, share, seed))}")


def _report(work: Any, release: str, share: float, seed: int) -> None:
    from svta_assets.videos.pages import summary_line
    from svta_assets.videos.reviews import review_summary

    summary = review_summary(work, release, share, seed)
    click.echo(f"{f'release {summary.release}' if summary.release else 'current clips'}: {summary_line(summary)}")
    if summary.reviewed < summary.sample:
        click.echo("next: `svta review clips --sample` lists the clips and writes a page to look at them")


@command.command("similarity")
@click.argument("categories", nargs=-1)
@click.option("--checkpoint", default=None, metavar="MODEL/ID", help="Default: gates.yaml's, else the newest.")
def score_similarity(categories: tuple[str, ...], checkpoint: str | None) -> None:
    """Score how well clips fit their captions, by a trained model; gates.yaml's clip_similarity applies it."""
    from svta_assets.gates import load_thresholds
    from svta_assets.videos.projection import rejudge
    from svta_assets.videos.similarity import newest_checkpoint, score_missing
    from svta_cli.progress import live_line

    work, keys = _open(categories)
    thresholds: dict[str, Any] = load_thresholds(work.profile.name)
    setting = thresholds.get("clip_similarity")
    name = checkpoint or (setting["checkpoint"] if setting else newest_checkpoint(work))
    with live_line("similarity") as say:
        done = score_missing(work, name, keys, lambda done, total: say(f"{done}/{total} clips"))
    click.echo(f"{done} clips scored by {name}; rows in clip_similarities")
    if setting and setting["checkpoint"] == name:
        changed = rejudge(work.catalog, thresholds, keys)
        click.echo(f"verdicts changed in {', '.join(changed) or 'no category'}")
    else:
        click.echo(f"to apply them set clip_similarity: {{checkpoint: {name}, min: 0.2}} in svta_assets/gates.yaml")
    work.refresh()


def _open(categories: tuple[str, ...]) -> tuple[Any, list[str]]:
    from svta_assets.workspace import open_workspace
    from svta_cli.choices import category_keys
    from svta_resources.profiles import HOME_FILE

    keys = category_keys(categories)
    work = open_workspace()
    if not (work.home.path / HOME_FILE).exists():
        raise SvtaError(f"no home yet at {work.home.path}: run `make demo`, or materialize raw_texts in the Dagster UI")
    return work, keys


def _clips(work: Any, keys: list[str]) -> Any:
    import polars as pl

    clips = work.catalog.read("clips")
    chosen = clips.filter(pl.col("category").is_in(keys)) if keys else clips
    if chosen.is_empty():
        raise click.ClickException(f"{', '.join(keys) or 'this home'} has no clips yet: materialize videos first")
    return chosen
