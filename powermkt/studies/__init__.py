"""Answer one question each over many runs, and hold the tables of the answer."""
