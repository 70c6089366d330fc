"""The networks of section 3.1 and appendix C: photo to texture, rasterised texture to picture."""
