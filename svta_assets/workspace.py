"""What an asset body works with: the home's store and catalog, and the models it asks, opened when first used."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from svta_assets.schemas import TABLES
from svta_models.media_store import MediaStore, open_store
from svta_resources.catalog import Catalog
from svta_resources.profiles import Home, Profile, home_from

if TYPE_CHECKING:
    from svta_assets.texts.writers import Writers
    from svta_resources.embedder import Embedder
    from svta_resources.llm import ChatModel
    from svta_resources.llm_models import ListedModel
    from svta_resources.video.generator import VideoGenerator


@dataclass(frozen=True)
class Workspace:
    """One home, opened."""

    home: Home

    @property
    def profile(self) -> Profile:
        return self.home.profile

    @cached_property
    def store(self) -> MediaStore:
        return open_store(self.home.media_url)

    @cached_property
    def catalog(self) -> Catalog:
        return Catalog(self.store, TABLES)

    def embedder(self) -> "Embedder":
        """The sentence embedder, loaded once per process; the home keeps its vectors."""
        from svta_resources.embedder import open_embedder

        return open_embedder(self.home.path / "embeddings")

    @cached_property
    def chat(self) -> "ChatModel":
        """The language model that labels: of the file that SVTA_LLM_MODELS names, else of the profile."""
        from svta_resources.llm import open_chat_model
        from svta_resources.llm_models import labelling_model

        if self._listed:
            return labelling_model(self._listed)
        return open_chat_model(base_url=self.profile.llm_base_url, model=self.profile.llm_model)

    @cached_property
    def writers(self) -> "Writers":
        """The language models that write descriptions."""
        from svta_assets.texts.writers import Writer, Writers

        listed = [Writer(model.chat, model.share) for model in self._listed]
        return Writers(listed) if listed else Writers.of(self.chat)

    @cached_property
    def _listed(self) -> "tuple[ListedModel, ...]":
        from svta_resources.llm_models import listed_models

        return listed_models()

    @cached_property
    def generator(self) -> "VideoGenerator":
        """The video generator of the profile; it loads its weights at the first clip, not here."""
        from svta_resources.video.generator import open_generator

        return open_generator(self.profile.generator)

    def refresh(self) -> Path:
        """Bring `svta.duckdb` up to date."""
        from svta_resources.query import refresh

        self.home.prepare()  # the database is the first thing `svta status` writes on a fresh home
        return refresh(self.catalog, self.home.path)


def open_workspace(home: Home | None = None) -> Workspace:
    """Open a home for reading (default: the environment's). Refuses a home of another profile."""
    found = home or home_from()
    found.check()
    return Workspace(found)


def prepare_workspace(home: Home | None = None) -> Workspace:
    """Open a home for writing: creates what is missing of it."""
    found = home or home_from()
    found.prepare()
    return Workspace(found)


def utc_now() -> str:
    """Now, UTC, ISO 8601 with microseconds (so that later strings sort later)."""
    return datetime.now(UTC).isoformat(timespec="microseconds")
