"""``python -m powermkt`` is the command line."""

from powermkt.cli import main

main()
