"""`svta verify`: every clip against its recipe card, every row its object, every object its row."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import click

DAMAGED = "damaged"
READERS = 8


@dataclass
class Findings:
    """What is wrong with a home's clips; all empty when it is clean."""

    damaged: list[str] = field(default_factory=list)  # objects whose bytes differ from their card
    missing: list[str] = field(default_factory=list)  # cards whose mp4 is gone
    unknown: list[str] = field(default_factory=list)  # mp4s without a card: a killed run's, made whole by the next
    replaced: list[str] = field(default_factory=list)  # clips whose new bytes differ from what a release names
    categories: set[str] = field(default_factory=set)

    @property
    def clean(self) -> bool:
        return not (self.damaged or self.missing or self.unknown or self.replaced)


@click.command()
@click.pass_context
def command(ctx: click.Context) -> None:
    """Check every clip; exit code 0 when clean, else 1. Damaged objects are moved to damaged/."""
    from svta_assets.workspace import prepare_workspace

    work = prepare_workspace()
    found = check(work)
    for title, items in (
        ("damaged, set aside in damaged/", found.damaged),
        ("missing", found.missing),
        ("without a recipe card", found.unknown),
        ("not what a release names", found.replaced),
    ):
        for item in items:
            click.echo(f"{title}: {item}")
    if found.clean:
        click.echo("clean: every clip is what its recipe card says, and every release finds its clips")
        return
    for category in sorted(found.categories):
        click.echo(f"to make it whole: svta regen {category} --mode missing")
    ctx.exit(1)


def check(work: Any) -> Findings:
    """Compare all clips with their cards; move damaged ones aside and project their categories anew."""
    from svta_assets.gates import load_thresholds
    from svta_assets.videos.projection import project_clips, read_cards
    from svta_resources.video.clip_worker import CLIPS

    found = Findings()
    keys = {item.key for item in work.store.list(CLIPS)}
    categories = sorted({key.split("/")[1] for key in keys})
    bytes_now: dict[str, str] = {}
    for category in categories:
        cards = read_cards(work.store, category)
        for card, sha in _hashes(work.store, cards.whole):
            bytes_now[card["uri"]] = sha
            if sha != card["sha256"]:
                found.damaged.append(card["uri"])
                found.categories.add(category)
                work.store.move(card["uri"], f"{DAMAGED}/{card['uri']}")
        for card in cards.damaged:
            found.missing.append(card["uri"])
            found.categories.add(category)
        known = {card["uri"] for card in cards.whole}
        orphans = [key for key in keys if key.startswith(f"{CLIPS}/{category}/") and key.endswith(".mp4")]
        for key in sorted(set(orphans) - known):
            found.unknown.append(key)
            found.categories.add(category)
        project_clips(work.catalog, category, load_thresholds(work.profile.name))
    found.replaced = _against_releases(work, bytes_now, set(found.damaged) | set(found.missing))
    return found


def _hashes(store: Any, cards: list[dict[str, Any]]) -> list[tuple[dict[str, Any], str]]:
    from svta_models.media_store import sha256_hex

    with ThreadPoolExecutor(READERS) as readers:
        shas = readers.map(lambda card: sha256_hex(store.get(card["uri"])), cards)
        return list(zip(cards, shas, strict=True))


def _against_releases(work: Any, bytes_now: dict[str, str], reported: set[str]) -> list[str]:
    """Clips that a release names with another sha256, or that are gone and not reported yet."""
    from svta_models.release import read_rows, release_log

    problems = []
    for digest in dict.fromkeys(entry.hash for entry in release_log(work.store)):
        for row in read_rows(work.store, digest).iter_rows(named=True):
            if row["uri"] in reported:
                problems.append(f"release {digest} names {row['uri']}, which is damaged or missing")
            elif bytes_now.get(row["uri"]) != row["sha256"]:
                problems.append(f"release {digest} names {row['uri']} with other bytes ({row['sha256'][:12]})")
    return problems
