"""A report as one HTML page: no script, nothing from elsewhere, fit for a printer."""

from html import escape

from exchange.statement_report import Report, Section

_STYLE = """
:root { color-scheme: light; }
body { font: 14px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 78rem; padding: 0 1rem;
  color: #1b1f24; background: #fff; }
header { border-bottom: 3px solid #0b3d5c; margin-bottom: 1.5rem; }
h1 { font-size: 1.6rem; margin: 0 0 .5rem; color: #0b3d5c; }
h2 { font-size: 1.1rem; margin: 2rem 0 .4rem; color: #0b3d5c; }
h2::first-letter { text-transform: uppercase; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: 0 0 1rem; }
dt { color: #57606a; } dd { margin: 0; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .86rem; }
th { text-align: left; color: #57606a; font-weight: 600; border-bottom: 1px solid #8c959f; }
th, td { padding: .22rem .6rem; white-space: nowrap; }
tbody tr:nth-child(even) { background: #f4f7f9; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.minus { color: #a40e26; }
.note, .empty { color: #57606a; font-size: .86rem; max-width: 60rem; margin: .4rem 0; }
nav a { margin-right: 1rem; color: #0b5c8a; }
@media print { body { margin: 0; max-width: none; font-size: 10px; } nav { display: none; }
  thead { display: table-header-group; } tr { break-inside: avoid; }
  .scroll { overflow: visible; } }
"""


def as_html(report: Report) -> str:
    """Render as a page that needs nothing but itself."""
    facts = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in report.facts.items()
    )
    links = "".join(
        f'<a href="#{_anchor(section)}">{escape(section.name)}</a>' for section in report.sections
    )
    body = "\n".join(_section(section) for section in report.sections)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(report.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<header><h1>{escape(report.title)}</h1>\n<dl>{facts}</dl>\n<nav>{links}</nav></header>\n"
        f"{body}\n</body>\n</html>\n"
    )


def _section(section: Section) -> str:
    note = f'<p class="note">{escape(section.note)}</p>' if section.note else ""
    heading = f'<h2 id="{_anchor(section)}">{escape(section.name)}</h2>'
    if not section.rows:
        return f'{heading}\n<p class="empty">None in this period.</p>'
    head = "".join(
        f'<th class="number">{escape(column)}</th>'
        if column in section.numbers
        else f"<th>{escape(column)}</th>"
        for column in section.columns
    )
    rows = "\n".join(_row(section, row) for row in section.rows)
    return (
        f'{heading}\n<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody></table></div>\n{note}"
    )


def _row(section: Section, row: tuple[str, ...]) -> str:
    cells = []
    for column, value in zip(section.columns, row, strict=True):
        if column not in section.numbers:
            cells.append(f"<td>{escape(value)}</td>")
            continue
        minus = " minus" if value.startswith("-") else ""
        cells.append(f'<td class="number{minus}">{escape(_grouped(value))}</td>')
    return f"<tr>{''.join(cells)}</tr>"


def _grouped(value: str) -> str:
    """Group the thousands of an amount; numbers of events and trades are left as they are."""
    whole, point, fraction = value.partition(".")
    return f"{int(whole):,}{point}{fraction}" if point and int(whole) else value


def _anchor(section: Section) -> str:
    return section.name.replace(" ", "-")
