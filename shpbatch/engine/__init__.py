"""Layers, aspects and steps: a signature says what is decoded, all else is carried."""
