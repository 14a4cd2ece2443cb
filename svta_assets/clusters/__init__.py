"""Stage 5: final categories by k-means over label names."""
