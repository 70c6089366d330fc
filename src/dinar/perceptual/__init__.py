"""Networks that judge how alike two images look: LPIPS and DISTS."""
