"""The command `schema`: JSON schemas of the files that users write."""
