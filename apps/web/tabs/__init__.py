"""The tabs of the page, one module each; every one has a `build` that returns what the page wires together."""
