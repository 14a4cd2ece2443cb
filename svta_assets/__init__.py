"""What is built: the Dagster code location, one folder per stage in the order data flows."""
