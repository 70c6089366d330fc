"""Speech: what a face does while a sound is heard."""
