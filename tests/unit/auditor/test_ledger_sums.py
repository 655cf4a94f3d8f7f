"""Sums over old rows of the ledger: of any amounts, and through what is written to the disk."""

from pathlib import Path

from auditor.checks.ledger import STRETCH, WEIGHTS, LedgerPicture, Sums, entries_weight
from auditor.checks.postings import EntryRow
from auditor.pictures import encoded, read_picture, write_picture

LARGEST = (1 << 62) - 1


def rows() -> list[EntryRow]:
    """Entries of the largest amounts there can be; more of them added than taken."""
    amounts = (LARGEST, LARGEST // 2, -LARGEST // 4)
    return [
        EntryRow(number, 1 + number % 7, 1, 1, 4000 + number, 3, amounts[number % 3])
        for number in range(1, 2001)
    ]


def test_a_stretch_of_the_largest_amounts_is_written_and_read_back(tmp_path: Path) -> None:
    sums = Sums()
    sums.add_entries(rows()[:900])
    sums.add_entries(rows()[900:])
    whole = entries_weight(rows())
    assert abs(whole) > 1 << 64, "or this shows nothing"
    assert sums == Sums(entries=2000, entries_weight=whole % WEIGHTS), "as the database sums it"
    picture = LedgerPicture(number=STRETCH, stretches={0: sums})
    write_picture(tmp_path / "ledger.picture", encoded(picture))
    assert read_picture(tmp_path / "ledger.picture", LedgerPicture) == picture


def test_one_atom_more_anywhere_changes_a_stretchs_sum() -> None:
    sums = Sums()
    sums.add_entries(rows())
    for changed in (0, 999, 1999):
        other = Sums()
        for at, row in enumerate(rows()):
            other.add_entries([row._replace(amount=row.amount + 1) if at == changed else row])
        assert other != sums
