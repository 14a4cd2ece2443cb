"""With what: thin Dagster resources over plain classes (catalog, media, language model, generators)."""
