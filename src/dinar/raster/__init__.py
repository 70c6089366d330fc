"""Triangles on screen -> what each pixel sees, and how outlines move with vertices."""
