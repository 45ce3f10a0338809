"""What every part stands on: files, tables, findings, a pool of workers."""
