"""Editing a video file: reading, editing, writing, and a work folder that survives a kill."""
