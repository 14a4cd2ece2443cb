"""Stage 7: retrieval models trained on a release."""
