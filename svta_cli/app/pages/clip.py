"""A clip's page: its whole history, and the request for another take."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from svta_cli.app.clip_history import History, history_of, pretty
from svta_cli.app.forms import Values, done, posted, text_of
from svta_cli.app.rendering import page
from svta_cli.app.site import site_of

MODES = {
    "new_take": "another take with a new seed",
    "stale": "the same seed with today's recipe",
    "retry_rejected": "try again, if no take was accepted",
}


def clip(request: Request) -> Response:
    """One clip with all that is known of it."""
    return page(request, "clip.html", history=_history(request), pretty=pretty, modes=list(MODES.items()))


def regenerate(request: Request, values: Values) -> Response:
    """Ask for another take of the clip's pair; the sensor or `svta` carries it out."""
    from svta_assets.regeneration.requests import ask

    site, found = site_of(request), _history(request)
    mode = text_of(values, "mode", limit=40)
    if mode not in MODES:
        raise HTTPException(400, f"mode is one of {', '.join(MODES)}")
    row = found.clip
    asked = ask(
        site.work,
        categories=[row["category"]],
        filters={"only": [row["pair_id"]]},
        mode=mode,
        include_test=values.get("include_test") in ("yes", True),
        by=site.reviewer or "",
        why=text_of(values, "why", limit=500, required=False),
    )
    return done(request, f"{request.url.path.removesuffix('/regenerate')}#regenerate", request_id=asked)


def _history(request: Request) -> History:
    found = history_of(site_of(request), request.path_params["clip_id"])
    if found is None:
        raise HTTPException(404, "there is no such clip")
    return found


ROUTES = [
    Route("/clip/{clip_id}", clip),
    Route("/clip/{clip_id}/regenerate", posted(regenerate), methods=["POST"]),
]
