"""What a shapefile is: its files, headers, index and encodings, read natively."""
