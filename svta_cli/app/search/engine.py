"""Which checkpoint can be searched with, and whether its features of a release are there yet.

The first search with a checkpoint encodes the release's clips in a thread, on a free GPU where there is one; pages say
how far that is. One such job runs at a time. What was encoded is kept on disk, and indexes in use in memory.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from svta_assets.workspace import Workspace
from svta_models.errors import SvtaError

if TYPE_CHECKING:
    from svta_cli.app.search.index import Index
    from svta_models.retrieval import RetrievalModel

Key = tuple[str, str]  # <model>/<checkpoint id>, hash of the release
AGAIN_S = 10.0  # a job that failed is begun again when it is asked for later than this
KEPT = 3  # indexes in memory: of 10,000 clips at 512 numbers 20 MB each, beside their models


@dataclass
class Job:
    """An index on its way. `done` and `total` count clips; `error` says why there will be none."""

    done: int = 0
    total: int = 0
    error: str = ""
    failed_at: float = 0.0
    finished: threading.Event = field(default_factory=threading.Event)

    @property
    def failed_s(self) -> float:
        """Seconds since it failed; 0 for one that did not."""
        return time.monotonic() - self.failed_at if self.failed_at else 0.0

    def as_dict(self) -> dict[str, Any]:
        """For a page's script."""
        return {"done": self.done, "total": self.total, "error": self.error, "ready": self.finished.is_set()}


class SearchEngine:
    """Indexes of a home, made when they are first asked for."""

    def __init__(self, work: Workspace, cache: Path) -> None:
        self._work, self._cache = work, cache
        self._indexes: OrderedDict[Key, Index] = OrderedDict()
        self._jobs: dict[Key, Job] = {}
        self._guard = threading.Lock()
        self._one_at_a_time = threading.Lock()
        self._card: str | None = None

    def index(self, checkpoint: str, release: str, wait_s: float = 0.0) -> "Index | Job":
        """The index of a checkpoint (`<model>/<id>`) and a release's hash, or how far it is.

        `wait_s`: how long to wait for it.
        """
        key = (checkpoint, release)
        with self._guard:
            if key in self._indexes:
                self._indexes.move_to_end(key)
                return self._indexes[key]
            job = self._jobs.get(key)
            if job is None or job.failed_s > AGAIN_S:
                job = self._jobs[key] = Job()
                threading.Thread(target=self._make, args=(key, job), daemon=True).start()
        job.finished.wait(wait_s)
        with self._guard:
            return self._indexes.get(key, job)

    def _make(self, key: Key, job: Job) -> None:
        try:
            with self._one_at_a_time:
                index = self._build(*key, job)
            with self._guard:
                self._indexes[key] = index
                del self._jobs[key]
                while len(self._indexes) > KEPT:
                    self._indexes.popitem(last=False)
        except Exception as error:  # a thread's error would be seen by nobody
            job.error = str(error) if isinstance(error, SvtaError) else f"{type(error).__name__}: {error}"
            job.failed_at = time.monotonic()
        finally:
            job.finished.set()

    def _build(self, checkpoint: str, release: str, job: Job) -> "Index":
        from svta_assets.videos.similarity import open_checkpoint
        from svta_cli.app.search.clips import Clips
        from svta_cli.app.search.features import FeatureStore
        from svta_cli.app.search.index import Index, encode_missing
        from svta_cli.app.search.stages import stages_of
        from svta_models.encoders import encoder_of
        from svta_models.release import Release

        def progress(done: int, total: int) -> None:
            job.done, job.total = done, total

        opened = open_checkpoint(self._work.store, checkpoint)
        stages = stages_of(encoder_of(opened), opened.model)
        store = FeatureStore(self._cache / "features" / opened.id)
        clips = Clips(Release(self._work.store, release).split("all"))
        if set(clips.rows["sha256"]) - store.known():
            with self._device(opened.model):
                encode_missing(stages, store, clips, progress)
        return Index(stages, store, clips)

    @contextmanager
    def _device(self, model: "RetrievalModel") -> Iterator[None]:
        """Put the model on a free GPU for the time of the block, the same one each time; leave it where none is free.

        CUDA looks for its cards once in a process, so a second lease must be of the first one's card.
        """
        import torch

        from svta_resources.gpu import DeviceError, DeviceLease

        with ExitStack() as stack:
            try:
                free = DeviceLease().lease("cuda", timeout_s=0, usable=lambda card: self._card in (None, card.name))
                self._card = stack.enter_context(free).devices[0].removeprefix("cuda:")
                model.to("cuda")
            except DeviceError:
                pass
            try:
                yield
            finally:
                model.to("cpu")
                if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
                    torch.cuda.empty_cache()
