"""What is wrong with a layer: its CRS, its text, its geometries, its files."""
