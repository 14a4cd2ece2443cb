"""Models that turn texts into vectors, and where their vectors are kept; `svta_resources.embedder` is the way in."""
