"""What a CRS is, and which operation leads from one to another."""
