"""Tables of calls, on their way in and out: streams of records, so that a million rows need no more memory than ten.

table    records of CSV, JSON lines, Parquet; cursor says where in one we are, and what was read
rows     from records to checked inputs; pages skips what has ended before
output   results, as a table again
"""
