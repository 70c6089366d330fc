"""A photo that comes alive: the person taken out of it, and the avatar moving in their place."""
