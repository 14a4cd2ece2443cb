"""Yield and cost: how much of what was written became an accepted clip, why the rest did not, what it cost."""

import threading
import time
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from svta_cli.app.pages.review_tables import remembered
from svta_cli.app.pages.yield_data import STAGES, Costs, Funnel, funnels
from svta_cli.app.rendering import page
from svta_cli.figures import duration, money

NAV = ("Yield", "/yield")
KEPT_S = 20.0  # tokens are added up from every kept answer: two who look must not read them twice
_READING = threading.Lock()


@dataclass(frozen=True)
class _Read:
    at: float
    found: tuple[list[Funnel], Funnel, Costs]


def yield_and_cost(request: Request) -> Response:
    """The funnel of every category, and what was spent."""
    categories, total, costs = _read(request)
    return page(
        request,
        "yield.html",
        stages=STAGES,
        categories=categories,
        total=total,
        costs=costs,
        duration=duration,
        money=money,
    )


def _read(request: Request) -> tuple[list[Funnel], Funnel, Costs]:
    state = request.app.state
    with _READING:
        kept: _Read | None = getattr(state, "yield_read", None)
        if kept is None or time.monotonic() - kept.at > KEPT_S:
            found = funnels(remembered(request))
            kept = state.yield_read = _Read(time.monotonic(), found)
        return kept.found


ROUTES = [Route("/yield", yield_and_cost)]
