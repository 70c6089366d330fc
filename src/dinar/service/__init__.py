"""Avatars for other programs over HTTP, asked for as Ready Player Me's were (docs/serve.md)."""
