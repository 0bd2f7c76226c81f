"""A file, a ``!`` chain or Python calls become one checked recipe."""
