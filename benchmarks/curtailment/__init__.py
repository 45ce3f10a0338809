"""A benchmark of curtailment that other tools can be held against.

    python -m benchmarks.curtailment [--case NAME] [--quick] [--out DIR] [--json] [--readme]
    python -m benchmarks.curtailment --export DIR
    python -m benchmarks.curtailment --against ANSWERS.csv [--results DIR]

`recipe.yaml` fixes the cases, what curtailment is, how ties are broken and how close answers must
be. Every cell, one case under one regime, is one programme in one window. powermkt clears it, with
the range of curtailment over all optima; stock PyPSA (`benchmarks.stock`) clears it as well, and
must find the same objective and curtail within that range.
"""
