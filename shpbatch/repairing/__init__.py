"""Damaged layers: what is whole is saved, what is lost is told."""
