"""Bytes to columns: input is decoded here, and what cannot be decoded is refused with a code.

`decode_events` and `decode_rulings` turn the fetched records of one partition into a block of columns and a list of
rejects. Valid records take a short path (a typed decoder in C, then columns). What fails there goes to `careful`, which
reads one record field by field and finds the row or the reason. `careful` defines what is valid; the short path must
agree with it."""
