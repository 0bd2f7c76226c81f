"""remove_null_geometries: see below."""

EXAMPLES = [""]
