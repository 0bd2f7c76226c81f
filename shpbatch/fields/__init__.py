"""Fields of outputs: names that a ``.dbf`` holds, their mapping, types and widths."""
