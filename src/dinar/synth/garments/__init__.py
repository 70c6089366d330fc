"""Clothes and other things that are cut, by parameters, for any body."""
