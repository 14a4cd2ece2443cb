"""Stage 4: label facts with their origins."""
