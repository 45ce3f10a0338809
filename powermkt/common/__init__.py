"""What every part stands on: the ledger, files, tables, findings, a pool of workers."""
