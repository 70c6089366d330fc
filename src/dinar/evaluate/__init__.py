"""How good avatars are, in numbers and pictures (sections 4.3 and 5)."""
