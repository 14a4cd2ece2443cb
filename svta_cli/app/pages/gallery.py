"""Gallery: every clip in a grid of moving pictures, by category, source, generator, model, score, status and split."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from svta_cli.app.clip_filters import (
    EQUAL,
    PAGE_SIZE,
    SCORES,
    STATUSES,
    choices_statement,
    count_statement,
    filters_from,
    page_statement,
)
from svta_cli.app.rendering import page
from svta_cli.app.site import Site, site_of

NAV = ("Gallery", "/gallery")
TITLES = {
    "category": "Generation category",
    "final": "Final category",
    "source": "Source",
    "generator": "Generator",
    "model": "Language model",
    "split": "Split",
}


def gallery(request: Request) -> Response:
    """A page of the clips that the address's filters leave."""
    site, filters = site_of(request), filters_from(request.query_params)
    total = site.rows(*count_statement(filters))[0]["clips"]
    clips = site.rows(*page_statement(filters))
    for clip in clips:
        clip["score"] = None if clip["score"] is None else f"{clip['score']:.3g}"
    return page(
        request,
        "gallery.html",
        filters=filters,
        clips=clips,
        total=total,
        pages=max(1, -(-total // PAGE_SIZE)),
        choices=site.once("gallery choices", lambda: _choices(site)),
        titles=TITLES,
        statuses=[(name, text) for name, (text, _) in STATUSES.items()],
        scores=[(name, name) for name in SCORES],
    )


def _choices(site: Site) -> dict[str, list[tuple[str, str]]]:
    """What each filter can be, as (value, text with the number of clips)."""
    found: dict[str, list[tuple[str, str]]] = {name: [] for name in EQUAL}
    for row in site.rows(choices_statement()):
        found[row["filter"]].append((row["value"], f"{row['value']} ({row['clips']})"))
    return found


ROUTES = [Route("/gallery", gallery)]
