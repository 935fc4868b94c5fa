"""Judging edits and reconstructions on faces that nothing was fitted on."""
