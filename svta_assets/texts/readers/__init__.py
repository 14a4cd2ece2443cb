"""One reader per source format; each returns a `Reading` and knows nothing of the others."""
