"""shpbatch and its peers, side by side, as whole processes. See README.md beside this file."""
