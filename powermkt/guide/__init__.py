"""What helps to begin: a starter study, checks, schemas, assumptions, the data dictionary."""
