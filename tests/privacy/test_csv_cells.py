"""Whatever a cell holds, no spreadsheet computes it, and it reads back as what it was (S13)."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from nerava.privacy.csv_cells import csv_text, unguarded

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\0")
TEXT = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.builds(str.__add__, st.sampled_from([*FORMULA, "'", '"', ","]), st.text(alphabet="=+-@\t\r\n'\",;x")),
)


@given(
    st.integers(1, 4).flatmap(
        lambda width: st.lists(st.lists(TEXT, min_size=width, max_size=width), min_size=1)
    )
)
def test_every_cell_is_harmless_and_reads_back_as_it_was(rows: list[list[str]]) -> None:
    body = csv_text(rows[0], rows[1:])
    cells = list(csv.reader(io.StringIO(body, newline="")))
    assert not [cell for row in cells for cell in row if cell.startswith(FORMULA)]
    assert [[unguarded(cell) for cell in row] for row in cells] == rows
