"""Real benchmarks: which captions and videos they are, and what of them a release already holds."""
