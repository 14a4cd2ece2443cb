"""Stage 3: one current clip per description, rendered by the configured generator and gated."""
