"""`svta app`: one small web application over the catalog and the media store (docs/app.md)."""
