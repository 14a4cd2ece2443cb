"""GRAM: the volume of a caption and a clip's modalities, its encoders, losses and re-ranking."""

from svta_models.gram.gramian import volume

__all__ = ["volume"]
