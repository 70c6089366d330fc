"""The unseen side, painted by diffusion in texture space (sections 3.3 and 3.4)."""
