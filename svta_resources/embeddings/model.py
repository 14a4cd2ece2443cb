"""What every embedding model offers."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from svta_resources.errors import SvtaError

Vectors = npt.NDArray[np.float32]
Identity = dict[str, str | int | None]


class EmbedderError(SvtaError):
    """The embedding model is missing, is not the one we know, cannot be asked or sends what is no embedding."""


class EmbeddingModel(Protocol):
    """Turns texts into unit vectors.

    `dimension`: D, or None while only the model knows it.
    """

    @property
    def dimension(self) -> int | None: ...

    def identity(self) -> Identity:
        """Say what decides the numbers, without loading or asking the model: recipes and the disk cache hash it."""

    def embed(self, texts: list[str]) -> Vectors:
        """Embed `texts` -> (N, D) float32, L2-normalised, in the given order. Raises EmbedderError."""
