"""A body and a camera that agree with what was seen in photos."""
