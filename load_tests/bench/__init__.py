"""Benchmarks: the whole path beside the ceiling and beside idiomatic Faust, in one run on one broker."""
