"""Review: queues of descriptions, labels, clips and category merges, worked through with the keyboard."""

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from svta_assets.clusters import merges, versions
from svta_cli.app.forms import Values, done, posted, text_of
from svta_cli.app.pages.review_after import Settler
from svta_cli.app.pages.review_clips import Clips
from svta_cli.app.pages.review_descriptions import Descriptions
from svta_cli.app.pages.review_labels import Labels
from svta_cli.app.pages.review_merges import BETWEEN, Merges
from svta_cli.app.pages.review_queue import SAMPLE, SCOPES, Progress, Queue, Said, progress
from svta_cli.app.pages.review_tables import ReviewHome, remembered
from svta_cli.app.rendering import page
from svta_cli.app.site import site_of
from svta_models.errors import SvtaError

NAV = ("Review", "/review")
QUEUES: dict[str, Queue] = {queue.name: queue for queue in (Descriptions(), Labels(), Clips(), Merges())}
BATCH = 12  # cards a page asks for at once; few, so that two reviewers do not hold the same ones
MAX_WITHOUT = 200
_OPENING = threading.Lock()
_T = TypeVar("_T")


@dataclass(frozen=True)
class Desk:
    """What reviews work with: the home with remembered tables, and what follows a verdict."""

    work: ReviewHome
    settler: Settler


def desk_of(request: Request) -> Desk:
    """The desk of this application, opened when the first review page is."""
    state = request.app.state
    with _OPENING:
        if not hasattr(state, "review_desk"):
            work = remembered(request)
            state.review_desk = Desk(work, Settler(site_of(request), work))
    desk: Desk = state.review_desk
    return desk


def overview(request: Request) -> Response:
    """The four queues and how each stands."""
    work = desk_of(request).work
    rows = [_standing(work, queue) for queue in QUEUES.values()]
    return page(request, "review.html", rows=rows)


def queue_page(request: Request) -> Response:
    """One queue; its script asks for the cards."""
    queue, work = _queue(request), desk_of(request).work
    scope, category = _scope(request), request.query_params.get("category", "")
    values: dict[str, Any] = {"merging": _merging(work)} if queue.name == Merges.name else {}
    return page(
        request,
        "review_queue.html",
        queue=queue,
        choices=[asdict(choice) for choice in queue.choices],
        scope=scope,
        category=category,
        standing=_standing(work, queue),
        **values,
    )


def cards(request: Request) -> Response:
    """The next cards as JSON."""
    queue, query = _queue(request), request.query_params
    without = [one for one in query.get("without", "").split(",") if one][:MAX_WITHOUT]
    by = site_of(request).reviewer or ""
    found = queue.next_cards(desk_of(request).work, by, BATCH, _scope(request), query.get("category", ""), without)
    return JSONResponse(found)


def say(request: Request, values: Values) -> Response:
    """Record one verdict."""
    queue, desk = _queue(request), desk_of(request)
    more = {
        name: text_of(values, name, 20_000, required=False)
        for name in values
        if name not in ("id", "verdict", "reason")
    }
    said = Said(
        text_of(values, "id", 400), text_of(values, "verdict", 20), text_of(values, "reason", required=False), more
    )
    category = _refusing(lambda: queue.record(desk.work, said, _reviewer(request)))
    desk.settler.touch(category if queue.name == Clips.name else None)
    return done(request, f"/review/{queue.name}", rows=1)


def propose(request: Request, values: Values) -> Response:
    """Record that two categories should be one: the first word on a pair that nobody showed."""
    desk = desk_of(request)
    pair = merges.pair_of(text_of(values, "first", 200), text_of(values, "second", 200))
    into, reason = (text_of(values, name, 200, required=False) for name in ("into", "reason"))
    by = _reviewer(request)
    _refusing(lambda: merges.record_merge(desk.work, pair, merges.MERGE, by, into, reason))
    desk.settler.touch()
    return done(request, "/review/merges", rows=1, id=BETWEEN.join(pair))


def apply_merges(request: Request, values: Values) -> Response:
    """Make the agreed merges a new taxonomy version."""
    desk, by = desk_of(request), _reviewer(request)
    version, difference = _refusing(lambda: merges.apply_merges(desk.work, by))
    desk.settler.settle()
    return done(request, "/review/merges", version=version, changes=difference.markdown())


def approve(request: Request, values: Values) -> Response:
    """Approve the taxonomy version that the page showed."""
    desk, by, wanted = desk_of(request), _reviewer(request), text_of(values, "version", 64)
    now = versions.current(desk.work)
    if now.is_empty() or now["taxonomy"][0] != wanted:
        raise HTTPException(409, f"{wanted} is not the current taxonomy any more: open the page again")
    facts = versions.approve(desk.work, wanted, by)
    desk.settler.settle()
    return done(request, "/review/merges", **facts)


def _queue(request: Request) -> Queue:
    queue = QUEUES.get(request.path_params["queue"])
    if queue is None:
        raise HTTPException(404, f"there is no such queue; there are {', '.join(QUEUES)}")
    return queue


def _scope(request: Request) -> str:
    scope = request.query_params.get("scope") or SAMPLE
    if scope not in SCOPES:
        raise HTTPException(400, f"scope cannot be {scope[:40]!r}; known: {', '.join(SCOPES)}")
    return scope


def _reviewer(request: Request) -> str:
    reviewer = site_of(request).reviewer
    if reviewer is None:  # the guard has refused the post already
        raise HTTPException(403, "read only")
    return reviewer


def _refusing(act: Callable[[], _T]) -> _T:
    """What is wrong with a verdict is the poster's to mend."""
    try:
        return act()
    except SvtaError as error:
        raise HTTPException(409, str(error)) from error


@dataclass(frozen=True)
class Standing:
    """A queue and how it stands, for the templates."""

    queue: Queue
    progress: Progress
    lines: list[str]
    problem: str = ""


def _standing(work: ReviewHome, queue: Queue) -> Standing:
    subjects = queue.subjects(work)
    found = progress(subjects, queue.words(work, subjects))
    try:
        return Standing(queue, found, queue.report(work) if found.total else [])
    except SvtaError as error:  # one report that cannot be made hides nothing else
        return Standing(queue, found, [], str(error))


def _merging(work: ReviewHome) -> dict[str, Any]:
    """What the merges page shows beside the queue: categories, what would be applied, the version that waits."""
    now = versions.current(work)
    if now.is_empty():
        return {"categories": [], "operations": [], "problem": "", "version": "", "approved": False, "changes": ""}
    version = now["taxonomy"][0]
    entry = versions.last_entry(work, version) or {}
    try:
        operations, problem = merges.operations(work), ""
    except SvtaError as error:
        operations, problem = [], str(error)
    return {
        "categories": sorted(now["final_category"]),
        "operations": operations,
        "problem": problem,
        "version": version,
        "approved": versions.is_approved(work, version),
        "changes": entry.get("changes") or "",
    }


ROUTES = [
    Route("/review", overview),
    Route("/review/merges/propose", posted(propose), methods=["POST"]),
    Route("/review/merges/apply", posted(apply_merges), methods=["POST"]),
    Route("/review/merges/approve", posted(approve), methods=["POST"]),
    Route("/review/{queue}", queue_page),
    Route("/review/{queue}/cards", cards),
    Route("/review/{queue}", posted(say), methods=["POST"]),
]
