"""Processor time of processes and all their descendants, to the nanosecond."""

from collections import defaultdict
from pathlib import Path


def process_times_ns(roots: dict[str, int]) -> dict[str, int]:
    """Return the time on a processor of each named process tree.

    A descendant counts for its nearest named ancestor, so a tree may hold another.

    Args:
        roots: process ids by name.
    """
    return {name: sum(map(_own_time_ns, pids)) for name, pids in process_trees(roots).items()}


def process_trees(roots: dict[str, int]) -> dict[str, list[int]]:
    """Return the process ids of each named tree, with a descendant in one tree only."""
    children = _children()
    named = {pid: name for name, pid in roots.items()}
    trees: dict[str, list[int]] = {}
    for name, root in roots.items():
        waiting, tree = [root], []
        while waiting:
            tree.append(pid := waiting.pop())
            waiting += [child for child in children[pid] if child not in named]
        trees[name] = tree
    return trees


def _children() -> defaultdict[int, list[int]]:
    children: defaultdict[int, list[int]] = defaultdict(list)
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
            parent = int(stat.rpartition(b")")[2].split()[1])
            children[parent].append(int(folder.name))
    return children


def _own_time_ns(pid: int) -> int:
    """Add up the threads that live; those of the venue live as long as their process."""
    total = 0
    try:
        for task in (Path("/proc") / str(pid) / "task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    except (FileNotFoundError, ProcessLookupError):
        pass
    return total
