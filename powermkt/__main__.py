"""``python -m powermkt`` is the command line."""

from powermkt.cli import main

if __name__ == "__main__":
    main()
