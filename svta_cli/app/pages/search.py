"""Search: a sentence, and the clips of a release ranked by a trained model."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from svta_cli.app.rendering import page
from svta_cli.app.search.engine import Job
from svta_cli.app.site import Site, site_of

NAV = ("Search", "/search")
MAX_SENTENCE = 2000  # longer than any caption; what a model reads of it is its own business
WAIT_S = 2.0  # how long a first search waits before it shows how far the features are

_CHECKPOINTS = """
select model || '/' || checkpoint_id as name, model, checkpoint_id, val_r1, made_at, release,
    json_extract_string(recipe, '$.shuffle_captions') = 'true' as control
from checkpoints
order by control, made_at desc
"""
_RELEASES = 'select release, max(pairs) as pairs, max("at") as "at" from releases group by release order by 3 desc'


@dataclass(frozen=True)
class Asked:
    """What a search is for: a sentence, and the checkpoint and release among those there are."""

    sentence: str
    checkpoint: str
    release: str

    def address(self, path: str) -> str:
        """A route with the same question."""
        return f"{path}?{urlencode({'q': self.sentence, 'checkpoint': self.checkpoint, 'release': self.release})}"


def search(request: Request) -> Response:
    """The form, and what was found."""
    site = site_of(request)
    checkpoints, releases = site.rows(_CHECKPOINTS), site.rows(_RELEASES)
    if not checkpoints or not releases:
        return page(request, "search_empty.html", release=bool(releases))
    asked = _asked(request, checkpoints, releases)
    values: dict[str, Any] = {
        "asked": asked,
        "checkpoints": [(row["name"], _said_of(row)) for row in checkpoints],
        "releases": [(row["release"], f"{row['release']} ({row['pairs']} pairs)") for row in releases],
    }
    if not asked.sentence:
        return page(request, "search.html", **values)
    index = site.search.index(asked.checkpoint, asked.release, WAIT_S)
    if isinstance(index, Job):
        return page(request, "search.html", **values, job=index, progress=asked.address("/search/progress"))
    found = index.search(asked.sentence)
    return page(request, "search.html", **values, found=found, clips=_cards(site, found.rows), index=index)


def progress(request: Request) -> Response:
    """How far an index is, for the page's script."""
    site = site_of(request)
    asked = _asked(request, site.rows(_CHECKPOINTS), site.rows(_RELEASES))
    index = site.search.index(asked.checkpoint, asked.release)
    return JSONResponse(index.as_dict() if isinstance(index, Job) else {"ready": True, "error": ""})


def _asked(request: Request, checkpoints: list[dict[str, Any]], releases: list[dict[str, Any]]) -> Asked:
    """Read the question; the newest checkpoint and release where none is named. Raises 400 or 404."""
    given = request.query_params
    sentence = " ".join(given.get("q", "").split())
    if len(sentence) > MAX_SENTENCE:
        raise HTTPException(400, f"the sentence has {len(sentence)} characters, at most {MAX_SENTENCE} are taken")
    chosen = {
        "checkpoint": (given.get("checkpoint"), [row["name"] for row in checkpoints]),
        "release": (given.get("release"), [row["release"] for row in releases]),
    }
    for name, (value, known) in chosen.items():
        if not known or (value and value not in known):
            raise HTTPException(404, f"there is no {name} {(value or '')[:80]!r}")
    return Asked(sentence, *(value or known[0] for value, known in chosen.values()))


def _said_of(row: dict[str, Any]) -> str:
    """A checkpoint in the list."""
    r1 = "" if row["val_r1"] is None else f", validation R@1 {row['val_r1']:.1f}"
    control = ", trained on shuffled captions" if row["control"] else ""
    return f"{row['model']} {row['checkpoint_id'][:6]}{r1}{control}"


def _cards(site: Site, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Found rows as the grid shows them, with the final category's name."""
    names = dict(
        site.ask("select final_category, coalesce(any_value(name), '') from categories group by all").iter_rows()
    )
    return [
        row | {"category": names.get(row["final_category"]) or row["final_category"], "score": f"{row['score']:.3f}"}
        for row in rows
    ]


ROUTES = [Route("/search", search), Route("/search/progress", progress)]
