"""A page in the browser where a photo becomes an avatar that is turned, moved, posed and saved (docs/view.md)."""
