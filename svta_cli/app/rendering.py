"""Render a page."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.templating import Jinja2Templates

from svta_cli.app.site import site_of


def page(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """Render a template; `site`, `navigation` and `here` (the path) are known in every one."""
    site = site_of(request)
    site.refresh_soon()
    known = {"site": site, "navigation": request.app.state.navigation, "here": request.url.path}
    templates: Jinja2Templates = request.app.state.templates
    return templates.TemplateResponse(request, template, {**known, **values}, status_code=status)
