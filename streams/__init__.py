"""Trust scores from a stream of social events."""

import os

# Matrices here are small: of 8,000 × 12, two threads take 25 times the CPU of one. And sums in one thread are the same
# on any number of cores, as a replay needs them. Read once, when numpy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
