"""Texture space: what a photo shows of a body's surface, what hides it, what fills the rest, and how it is drawn."""
