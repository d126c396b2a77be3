"""Bytes ↔ columns: what enters Credence is decoded here, and whatever cannot be is refused with a code.

`decode_events` and `decode_rulings` turn the fetched records of one partition into a block of columns and a list of
rejects. Valid records take a short path (a typed decoder in C, then columns); whatever fails there goes to
`careful`, which reads one record field by field and finds either the row or the reason. What the careful path says is
the meaning; the short path is only allowed to agree."""
