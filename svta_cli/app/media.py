"""Clips and their moving thumbnails, by clip id. No path ever comes from a request: the id leads to a row of `clips`.

A file is served from where it lies. Of a bucket the application keeps copies, named by their content: range requests
then cost nothing more, and the oldest go first when there are too many.
"""

import os
import re
import secrets
import threading
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from svta_assets.workspace import Workspace
from svta_cli.app.site import site_of
from svta_cli.app.thumbnails import draw_still, draw_thumbnail
from svta_models.errors import SvtaError
from svta_models.frames import DecodeError
from svta_models.media_store import MissingObject
from svta_resources.query import query

KEPT_BYTES = 2_000_000_000  # copies of a bucket's clips
CLIPS = "clips"
_SHA = re.compile(r"[0-9a-f]{64}")
_FRESH = {"cache-control": "private, max-age=3600"}
_DRAWING = threading.BoundedSemaphore(2)  # a page of new thumbnails must not take every thread from other requests


class Media:
    """Files of clips and of their pictures."""

    def __init__(self, work: Workspace, cache: Path) -> None:
        self._work, self._cache = work, cache

    def clip(self, clip_id: str) -> Path:
        """The mp4 of a clip. Raises 404."""
        uri, sha256 = self._row(clip_id)
        local = self._work.store.local_path(uri)
        if local is not None:
            return self._inside(local)
        kept = self._cache / "copies" / f"{sha256}.mp4"
        if not kept.exists():
            _write(kept, self._bytes(uri))
            _drop_oldest(kept.parent, KEPT_BYTES)
        return kept

    def picture(self, clip_id: str, moving: bool) -> Path:
        """A WebP of a clip, drawn when it is first asked for. Raises 404, also for a clip that does not decode."""
        uri, sha256 = self._row(clip_id)
        kept = self._cache / ("thumbs" if moving else "stills") / sha256[:2] / f"{sha256}.webp"
        if not kept.exists():
            with _DRAWING:
                if not kept.exists():
                    _write(kept, self._drawn(uri, moving))
        return kept

    def _row(self, clip_id: str) -> tuple[str, str]:
        """Key and sha256 of a clip."""
        found = query(self._work.home.path, "select uri, sha256 from clips where clip_id = ?", [clip_id])
        if found.is_empty():
            raise HTTPException(404, "there is no such clip")
        uri, sha256 = found.row(0)
        if not str(uri).startswith(f"{CLIPS}/") or not str(uri).endswith(".mp4") or not _SHA.fullmatch(str(sha256)):
            raise HTTPException(404, "the row of this clip does not name a clip's file")
        return uri, sha256

    def _inside(self, path: Path) -> Path:
        """The file behind a path, links followed. `clips` may be a link itself; nothing below it leads out."""
        folder = self._work.store.local_path(CLIPS)
        assert folder is not None
        real = path.resolve()
        if not real.is_file() or not real.is_relative_to(folder.resolve()):
            raise HTTPException(404, "the file of this clip is gone: run `svta verify`")
        return real

    def _bytes(self, uri: str) -> bytes:
        try:
            local = self._work.store.local_path(uri)
            return self._inside(local).read_bytes() if local is not None else self._work.store.get(uri)
        except MissingObject as error:
            raise HTTPException(404, "the file of this clip is gone: run `svta verify`") from error

    def _drawn(self, uri: str, moving: bool) -> bytes:
        try:
            return (draw_thumbnail if moving else draw_still)(self._bytes(uri))
        except DecodeError as error:
            raise HTTPException(404, f"this clip does not decode: {error}") from error


def clip(request: Request) -> Response:
    """A clip's mp4; ranges are answered."""
    path = site_of(request).media.clip(request.path_params["clip_id"])
    return FileResponse(path, media_type="video/mp4", headers=_FRESH)


def thumbnail(request: Request) -> Response:
    """A clip as a small moving picture."""
    return _picture(request, moving=True)


def still(request: Request) -> Response:
    """The middle frame of a clip, for people who want nothing to move."""
    return _picture(request, moving=False)


def _picture(request: Request, moving: bool) -> Response:
    path = site_of(request).media.picture(request.path_params["clip_id"], moving)
    return FileResponse(path, media_type="image/webp", headers=_FRESH)


ROUTES = [
    Route("/media/clips/{clip_id}.mp4", clip),
    Route("/media/thumbs/{clip_id}.webp", thumbnail),
    Route("/media/stills/{clip_id}.webp", still),
]


def _write(target: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    unfinished = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(data)
        os.replace(unfinished, target)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise SvtaError(
            f"{target} cannot be written ({error.strerror}): free space; {target.parent} may be deleted"
        ) from error


def _drop_oldest(folder: Path, limit: int) -> None:
    """Delete the files that were written first until the rest fits. A file being served stays readable."""
    files = sorted((entry.stat().st_mtime, entry.stat().st_size, entry.path) for entry in os.scandir(folder))
    excess = sum(size for _, size, _ in files) - limit
    for _, size, path in files[:-1]:
        if excess <= 0:
            return
        Path(path).unlink(missing_ok=True)
        excess -= size
