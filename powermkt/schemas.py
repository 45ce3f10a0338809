"""JSON schemas of the files that users write."""
