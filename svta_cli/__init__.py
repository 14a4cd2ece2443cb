"""The `svta` command."""
