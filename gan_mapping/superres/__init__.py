"""Text-guided super-resolution: a face of 8 to 256 pixels a side, and maybe a sentence, to a full-size face."""
