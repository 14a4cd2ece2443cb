"""Stage 6: sticky 7:1:2 splits and the release."""
