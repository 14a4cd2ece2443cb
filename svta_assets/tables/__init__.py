"""Stage 8: evaluations and the paper's tables."""
