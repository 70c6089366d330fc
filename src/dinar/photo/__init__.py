"""What a photo tells: a person's mask and landmarks."""
