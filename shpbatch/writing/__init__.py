"""Staged outputs: written window by window, read back, and what is told beside them."""
