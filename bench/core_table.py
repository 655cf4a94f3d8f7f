"""The core benchmark's figures as text."""

from typing import Any, Final

QUOTED: Final[dict[str, dict[str, float | None]]] = {
    "geseq/cpp-orderbook": {"simple": 27.0, "xcore": 24.4, "normal": 13.2},
    "exchange-core's book, warm JVM": {"simple": 17.1, "xcore": 12.0, "normal": 11.6},
    "CppTrader": {"simple": 15.8, "xcore": 13.6, "normal": 17.0},
    "Liquibook": {"simple": 3.9, "xcore": 2.3, "normal": 5.0},
}
"""Million commands/s of other people's bare books, measured once with the same mixes on the same
kind of machine, not in this run."""

GOAL: Final[dict[str, float | None]] = {"simple": 30.0, "xcore": 30.0, "normal": 20.0}

TITLES: Final = {
    "native": "native, the C++ loop",
    "native_python_batch": "native through Python",
    "reference": "reference",
    "sortedcontainers": "sortedcontainers: book only",
    "lightmatchingengine": "lightmatchingengine: book only",
}
BASE: Final = "sortedcontainers"
OURS: Final = "native_python_batch"

Found = dict[str, Any]


def table(found: Found) -> str:
    """Return the whole table."""
    return "\n".join(
        [
            *_rates(found),
            "",
            *_quoted(found),
            "",
            *_percentiles(found),
            "",
            *_ways(found),
            "",
            *_memory(found),
            "",
            *_replay(found),
            *_missing(found),
        ]
    )


def _rates(found: Found) -> list[str]:
    about, workloads = found["about"], list(found["about"]["workloads"])
    heads = "".join(f"{name:>9}{'best':>8}{'ratio':>8}" for name in workloads)
    commands, short = about["commands"], about["commands_of_slow_engines"]
    lines = [
        f"{commands:,} commands of each workload, seed {about['seed']}; slow engines {short:,}.",
        f"Batches of {about['batch']}, median of {about['rounds']} rounds. All trade alike:",
    ]
    lines += [
        f"  {name}: {each['trades']:,} trades, hash {each['trade_hash']}"
        for name, each in about["workloads"].items()
    ]
    lines += ["", f"{'million commands/s of processor time':36}{heads}"]
    for engine, title in TITLES.items():
        cells = ""
        for name in workloads:
            figures, base = found["core"][engine][name], found["core"][BASE][name]
            rate, best = figures["commands_per_s"], figures.get("commands_per_s_best")
            ratio = None if rate is None else rate / base["commands_per_s"]
            cells += _cell(_millions(rate), 9, 2) + _cell(_millions(best), 8, 2)
            cells += _cell(ratio, 7, 2) + ("x" if ratio is not None else " ")
        lines.append(f"{title:36}{cells}")
    return lines


def _quoted(found: Found) -> list[str]:
    workloads = list(found["about"]["workloads"])
    heads = "".join(f"{name:>9}{'':8}{'ratio':>8}" for name in workloads)
    lines = [f"{'quoted, not of this run; books only':36}{heads}"]
    for title, rates in (*QUOTED.items(), ("goal of native through Python", GOAL)):
        cells = ""
        for name in workloads:
            rate = rates[name]
            ours = found["core"][OURS][name]["commands_per_s"] / 1e6
            ratio = None if rate is None else ours / rate
            cells += _cell(rate, 9, 1) + f"{'':8}" + _cell(ratio, 7, 2)
            cells += "x" if ratio is not None else " "
        lines.append(f"{title:36}{cells}")
    lines.append("  ratio: native through Python, measured above, to the quoted rate")
    return lines


def _percentiles(found: Found) -> list[str]:
    workloads = list(found["about"]["workloads"])
    heads = "".join(f"{name + ' p50':>12}{'p99':>8}{'p99.9':>11}" for name in workloads)
    lines = [f"{'nanoseconds a command':36}{heads}"]
    for engine, title in TITLES.items():
        cells = ""
        for name in workloads:
            figures = found["core"][engine][name]
            for part, width in (("p50_ns", 12), ("p99_ns", 8), ("p999_ns", 11)):
                cells += _cell(figures[part], width, 0)
        lines.append(f"{title:36}{cells}")
    lines.append("  native through Python: a command's share of its batch; others one by one")
    return lines


def _ways(found: Found) -> list[str]:
    workloads = list(found["about"]["workloads"])
    lines = [
        f"{'other ways into native, M commands/s':36}" + "".join(f"{name:>9}" for name in workloads)
    ]
    for way, by_workload in found["ways"].items():
        kind, _, size = way.partition("/")
        title = f"batches of {size}" + (", into one buffer" if kind == "into" else "")
        rates = (by_workload[name]["commands_per_s"] for name in workloads)
        lines.append(f"  {title:34}" + "".join(_cell(_millions(rate), 9, 2) for rate in rates))
    return lines


def _memory(found: Found) -> list[str]:
    native = found["core"]["native"]["simple"]
    heads = "".join(f"{name:>22}{'reserved':>12}" for name in found["memory"])
    lines = [f"{'bytes of memory, resident':48}{heads}"]
    for question, asked in found["memory"]["native"].items():
        cells = ""
        for answers in found["memory"].values():
            each = answers[question]
            cells += _cell(each["resident_bytes"], 22, 0) + _cell(each["reserved_bytes"], 12, 0)
        lines.append(f"  {asked['what']:46}{cells}")
        if question.endswith("markets"):
            total = asked["resident_bytes"] * asked["count"] / 2**20
            lines.append(f"    {asked['count']:,} of them, native: {total:,.1f} MiB resident")
    hot, cold = native["order_bytes_hot"], native["order_bytes_cold"]
    lines.append(f"  by the engine's own records, an order: {hot} hot and {cold} cold")
    return lines


def _replay(found: Found) -> list[str]:
    heads = ("commands", "reading", "applying", "both")
    lines = [
        f"{'replay of a journal, commands/s of CPU time':48}"
        + "".join(f"{head:>12}" for head in heads)
    ]
    for engine, figures in found["replay"].items():
        parts = ("commands", "reading_per_s", "applying_per_s", "commands_per_s")
        lines.append(f"  {engine:46}" + "".join(f"{figures[part]:12,.0f}" for part in parts))
    return lines


def _missing(found: Found) -> list[str]:
    lines = []
    for engine, why in found["about"].get("not_installed", {}).items():
        lines += ["", f"{engine} is not installed: {why['reason']}", f"  {why['command']}"]
    return lines


def _millions(rate: float | None) -> float | None:
    return None if rate is None else rate / 1e6


def _cell(value: float | None, width: int, digits: int) -> str:
    return f"{'-':>{width}}" if value is None else f"{value:{width},.{digits}f}"
