"""Training of the networks, stage by stage."""
