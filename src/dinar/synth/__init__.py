"""People that never were: dressed random bodies, photographed with everything about them known."""
