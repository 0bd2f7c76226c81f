"""``python -m shpbatch``."""

from .cli.main import main

main()
