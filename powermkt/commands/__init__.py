"""The command line, one module for each command, and how its tables look in a terminal."""
