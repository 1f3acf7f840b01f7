#!/usr/bin/env python3
"""Writes src/libpq/sasl-prep-tables.generated.ts from the RFC 3454 tables that Python's stringprep module carries."""
import stringprep as s
import sys

TABLES = {
    "NON_ASCII_SPACES": s.in_table_c12,
    "MAPPED_TO_NOTHING": s.in_table_b1,
    "PROHIBITED": lambda c: any(
        f(c)
        for f in (
            s.in_table_c12, s.in_table_c21, s.in_table_c22, s.in_table_c3, s.in_table_c4,
            s.in_table_c5, s.in_table_c6, s.in_table_c7, s.in_table_c8, s.in_table_c9,
        )
    ),
    "UNASSIGNED": s.in_table_a1,
    "RIGHT_TO_LEFT": s.in_table_d1,
    "LEFT_TO_RIGHT": s.in_table_d2,
}


def ranges(test):
    start = None
    for code in range(0x110001):
        inside = code < 0x110000 and test(chr(code))
        if inside and start is None:
            start = code
        elif not inside and start is not None:
            yield start
            yield code - 1
            start = None


out = ["// Made by test/support/tools/generate-sasl-prep.py; pairs of first and last code point.\n"]
for name, test in TABLES.items():
    numbers = ",".join("0x%x" % n for n in ranges(test))
    out.append("export const %s: readonly number[] = [%s];\n" % (name, numbers))
open(sys.argv[1], "w").write("".join(out))
