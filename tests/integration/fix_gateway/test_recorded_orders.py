"""The messages that docs/protocols/fix-orders.md shows are those that the venue sends."""

from pathlib import Path

from tests.integration.fix_gateway.recorded_orders import BLOCK, PAGE, play, without_run


def test_the_page_shows_what_goes_over_the_wire(tmp_path: Path) -> None:
    shown = {block[2]: block[3] for block in BLOCK.finditer(PAGE.read_text(encoding="utf-8"))}
    played = play(tmp_path)
    assert set(shown) == set(played)
    for name, text in played.items():
        assert without_run(shown[name]) == without_run(text), (
            f"{name}: python -m tests.integration.fix_gateway.recorded_orders writes it anew"
        )
