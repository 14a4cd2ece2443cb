"""The application: Starlette, Jinja2 templates, one process, everything from this machine (docs/app.md says why).

How to add a page `board`:
1. `pages/board.py` with `ROUTES = [Route("/board", board)]` and `NAV = ("Board", "/board")`; its name joins `NAMES` in
   `pages/__init__.py`.
2. The endpoint is a plain `def board(request) -> Response`: Starlette runs it in a thread, so it may read files and the
   database. `site_of(request)` is the home: `.rows(sql, parameters)` asks `svta.duckdb`, `.work` is the workspace.
   Values always go into `parameters`.
3. `return page(request, "board.html", name=value)`; the template extends `layout.html` (blocks `title`, `main`,
   `scripts`). Everything is escaped; `|safe` is forbidden (a test looks). `_parts.html` has the macros `clip_card` and
   `paging`. There is no inline style and no inline script (the policy in security.py): `static/board.js`, a module,
   `static/board.css`. Data for a script go into `data-*` attributes or come from a JSON route.
4. To post: `Route("/board/say", posted(say), methods=["POST"])` with `def say(request, values) -> Response`
   (`forms.py`); `done(request, "/board", rows=1)` answers scripts and forms alike. It is only ever called for a
   reviewer (`site.reviewer`) and from a page of the application. Then `site.refresh()` where pages must see it at once.
5. Clips are shown by id: `/media/clips/<clip_id>.mp4` (ranges), `/media/thumbs/<clip_id>.webp` (moves),
   `/media/stills/<clip_id>.webp`.
Raise `starlette.exceptions.HTTPException(404, "...")` or SvtaError; both become a page, or JSON for a script.
"""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from svta_assets.workspace import Workspace
from svta_cli.app import media
from svta_cli.app.forms import wants_json
from svta_cli.app.pages import page_modules
from svta_cli.app.rendering import page
from svta_cli.app.search.engine import SearchEngine
from svta_cli.app.security import HEADERS, Guard, proxy_origin
from svta_cli.app.site import Site, cache_folder
from svta_models.errors import SvtaError

FOLDER = Path(__file__).parent


def make_app(work: Workspace, reviewer: str | None = None, *, public_url: str | None = None) -> Starlette:
    """The application over one home. Raises SvtaError for a home that cannot be read.

    Args:
        reviewer: whose name verdicts and requests carry; None: nothing can be posted.
        public_url: origin of a proxy before it.
    """
    public = proxy_origin(public_url) if public_url else None
    site = Site(work, reviewer, media.Media(work, cache_folder(work)), SearchEngine(work, cache_folder(work)))
    site.refresh_if_possible()
    modules = page_modules()
    routes = [
        Route("/", lambda _: RedirectResponse("/gallery")),
        *(route for module in modules for route in module.ROUTES),
        *media.ROUTES,
        Mount("/static", StaticFiles(directory=FOLDER / "static")),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Guard, reviewer=reviewer, public=public)],
        exception_handlers={HTTPException: _refused, SvtaError: _failed, Exception: _broken},
    )
    app.state.site = site
    app.state.templates = Jinja2Templates(env=_templates())
    app.state.navigation = [module.NAV for module in modules if hasattr(module, "NAV")]
    return app


def _templates() -> Environment:
    return Environment(loader=FileSystemLoader(FOLDER / "templates"), autoescape=True, undefined=StrictUndefined)


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _said(request, error.status_code, error.detail)


def _failed(request: Request, error: Exception) -> Response:
    return _said(request, 500, str(error))


def _broken(request: Request, error: Exception) -> Response:
    answer = _said(request, 500, "Something is wrong in the application; its terminal shows where.")
    answer.headers.update(HEADERS)  # Starlette answers these outside the guard, which sets them else
    return answer


def _said(request: Request, status: int, why: str) -> Response:
    if wants_json(request):
        return JSONResponse({"error": why}, status)
    return page(request, "error.html", status, why=why, code=status)
