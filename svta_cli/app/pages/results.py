"""Results: the paper's tables beside ours, categories worst first, the misses behind every figure, and the figures."""

from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from svta_assets.figures.drawn import drawings
from svta_assets.figures.page import NothingToDraw, Page
from svta_assets.tables.paper import DIRECTIONS, FIGURES, SYNTHETIC, method_name
from svta_cli.app.pages.results_data import CUTOFFS, board, evaluated, explained, missed, results
from svta_cli.app.pages.review_tables import remembered
from svta_cli.app.rendering import page
from svta_models.errors import SvtaError

NAV = ("Results", "/results")
MISSES_A_PAGE = 15
MAX_TEXT = 200


def tables(request: Request) -> Response:
    """Every table, and links to the boards."""
    work = remembered(request)
    return page(
        request,
        "results.html",
        results=results(work),
        figures=FIGURES,
        boards=[(model, method_name(model), benchmark) for model, benchmark in evaluated(work)],
        misses_of=_misses_address,
    )


def categories(request: Request) -> Response:
    """One model on one benchmark by category, worst first."""
    model, benchmark = _subject(request)
    work = remembered(request)
    rows = board(work, model, benchmark).to_dicts()
    return page(
        request,
        "results_categories.html",
        model=model,
        method=method_name(model),
        benchmark=benchmark,
        others=evaluated(work),
        rows=rows,
        columns=[(direction, name, k) for direction in DIRECTIONS for name, k in CUTOFFS.items()],
        figure=f"recall_{benchmark}_{model}",
        misses_of=_misses_address,
    )


def misses_page(request: Request) -> Response:
    """The queries behind a cell: what was asked, and what was found instead."""
    model, benchmark = _subject(request)
    query, work = request.query_params, remembered(request)
    direction = _one_of("direction", query.get("direction", "t2v"), tuple(DIRECTIONS))
    beyond = int(_one_of("beyond", query.get("beyond", "1"), tuple(str(k) for k in CUTOFFS.values())))
    category = query.get("category", "")[:MAX_TEXT] or None
    number = _page_number(query.get("page", "1"))
    try:
        rows = missed(work, model, benchmark, direction, category, beyond)
    except SvtaError as error:
        raise HTTPException(404, str(error)) from error
    shown = rows.slice((number - 1) * MISSES_A_PAGE, MISSES_A_PAGE)
    here = _misses_address(model, benchmark, direction, category or "", beyond)
    return page(
        request,
        "results_misses.html",
        model=model,
        method=method_name(model),
        benchmark=benchmark,
        direction=direction,
        titles=DIRECTIONS,
        category=category,
        beyond=beyond,
        cutoffs=list(CUTOFFS.values()),
        misses=explained(work, shown, model, benchmark),
        total=rows.height,
        number=number,
        pages=max(1, -(-rows.height // MISSES_A_PAGE)),
        link=lambda to: f"{here}&page={to}",
        misses_of=_misses_address,
    )


def figures(request: Request) -> Response:
    """Every figure of the home; each is drawn when the browser comes to it."""
    return page(request, "results_figures.html", drawings=drawings(remembered(request)))


def figure(request: Request) -> Response:
    """A figure as SVG; a line of text in its place where there is nothing to draw yet."""
    name = request.path_params["name"]
    found = next((one for one in drawings(remembered(request)) if one.name == name), None)
    if found is None:
        raise HTTPException(404, "there is no such figure")
    try:
        svg = found.draw()
    except NothingToDraw as nothing:
        blank = Page(720, 40, found.title, str(nothing))
        blank.text(8, 25, f"{found.title}: {nothing}")
        svg = blank.svg()
    return Response(svg, media_type="image/svg+xml")


def _misses_address(
    model: str, benchmark: str, direction: str = "t2v", category: str = "", beyond: int | None = 1
) -> str:
    """Address of the misses behind a cell."""
    query = {"model": model, "benchmark": benchmark, "direction": direction, "beyond": beyond or 1}
    return "/results/misses?" + urlencode(query | ({"category": category} if category else {}))


def _subject(request: Request) -> tuple[str, str]:
    """The model and benchmark that an address names. Raises 404 where they were not evaluated."""
    query = request.query_params
    wanted = (query.get("model", "")[:MAX_TEXT], query.get("benchmark", SYNTHETIC)[:MAX_TEXT])
    if wanted not in evaluated(remembered(request)):
        raise HTTPException(404, "this model has not been evaluated on that benchmark")
    return wanted


def _one_of(name: str, given: str, known: tuple[str, ...]) -> str:
    if given not in known:
        raise HTTPException(400, f"{name} cannot be {given[:40]!r}; known: {', '.join(known)}")
    return given


def _page_number(given: str) -> int:
    if not (given.isascii() and given.isdecimal() and len(given) < 7 and int(given)):
        raise HTTPException(400, f"page is {given[:40]!r}: pages are numbered from 1")
    return int(given)


ROUTES = [
    Route("/results", tables),
    Route("/results/categories", categories),
    Route("/results/misses", misses_page),
    Route("/results/figures", figures),
    Route("/results/figures/{name}.svg", figure),
]
