"""Wan2.1 text-to-video through diffsynth: settings, layout of the weights, loading, and the generator."""
