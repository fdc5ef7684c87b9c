"""Crosses counted on all rows within a limit of memory, in as many passes as it takes.

How many values a cross has is known only when it is counted; that it has no more than
the product of its columns' values, or than there are rows, is known before. Crosses are
counted together as long as they fit by that bound, and the rest in later passes. So the
limit decides how often the rows are read, and nothing that is computed.

A cross of more values than `MAX_VALUES` could not be told from others in new rows, and
is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from featurekit.data.vocabulary import MAX_VALUES
from featurekit.exceptions import warn
from featurekit.execution.local import run_threads
from featurekit.ranking import emit, scoring
from featurekit.ranking.counting import MIN_VALUES, Counted, Counts, bytes_per_value
from featurekit.ranking.crosses import CountedCross, Cross, gain_of
from featurekit.ranking.passes import Passes
from featurekit.ranking.scoring import Line
from featurekit.statistics.contingency import finish


@dataclass(frozen=True)
class Plan:
    """Which crosses are counted together.

    Attributes
    ----------
    most : int
        Values beyond which a cross is left out.
    batches : list of lists of int
        Positions of the crosses of each pass.
    room : int
        Values that there is memory for in one pass.
    """

    most: int
    batches: list[list[int]]
    room: int

    @classmethod
    def of(
        cls,
        crosses: Sequence[Sequence[Counted]],
        n_rows: int,
        n_classes: int,
        limit: int,
    ) -> Plan:
        """The fewest passes that are easily found.

        Parameters
        ----------
        crosses : sequence of sequences of Counted
            The columns of each.
        n_rows, n_classes : int
        limit : int
            Bytes. Half of them are for counting, and half for what is then computed.
        """
        room = max(limit // 2 // bytes_per_value(n_classes), MIN_VALUES)
        most = min(MAX_VALUES, 1 << (room.bit_length() - 1))
        bounds = [_bound(members, min(n_rows, most)) for members in crosses]
        free: list[int] = []
        batches: list[list[int]] = []
        for i in sorted(range(len(crosses)), key=lambda i: -bounds[i]):
            at = next((k for k, left in enumerate(free) if left >= bounds[i]), None)
            if at is None:
                free.append(room)
                batches.append([])
                at = len(free) - 1
            free[at] -= bounds[i]
            batches[at].append(i)
        return cls(most, batches, room)


def _bound(members: Sequence[Counted], most: int) -> int:
    """Values that a cross has at most."""
    size = 1
    for column in members:
        size = min(size * (column.n_places + 1), most)
    return size


def count_crosses(
    run: Passes,
    columns: Sequence[Counted],
    crosses: Sequence[Cross],
    missing: str,
    limit: int,
    n_threads: int,
) -> list[Line]:
    """Lines of crosses, counted on all rows.

    Parameters
    ----------
    run : Passes
    columns : sequence of Counted
    crosses : sequence of tuples of int
    missing : {"category", "drop"}
    limit : int
        Bytes.
    n_threads : int

    Returns
    -------
    list of Line
        In the order of the crosses, without those of too many values.
    """
    members = [[columns[j] for j in cross] for cross in crosses]
    n_classes = len(run.target.labels)
    plan = Plan.of(members, run.counts.n_rows, n_classes, limit)
    lines: dict[int, Line] = {}
    too_many: list[str] = []
    n_steps = None
    if run.n_blocks is not None:
        n_steps = len(plan.batches) * run.n_blocks + len(crosses)
    with run.phase("crosses", n_steps) as step:
        for batch in plan.batches:
            names = {i: emit.expression(members[i], missing).name for i in batch}
            counts = Counts(
                list(names.values()), n_classes,
                dict.fromkeys(names.values(), True), most=plan.most,
            )  # fmt: skip
            wanted = sorted({j for i in batch for j in crosses[i]})
            for codes, y, times in run.coded(n_threads, wanted):
                left = [i for i in batch if names[i] in counts.vocabularies]
                raws = [
                    emit.cross_keys(members[i], [codes[j] for j in crosses[i]], missing)
                    for i in left
                ]
                counts.add(raws, y, times, n_threads)
                for i in left:
                    if counts.vocabularies[names[i]].folded:
                        counts.forget(names[i])
                        too_many.append(names[i])
                step()
            found = {
                i: CountedCross.of(members[i], counts.take(name, missing, 0))
                for i, name in names.items()
                if name in counts.vocabularies
            }
            lines |= _judged(found, plan.room, n_threads)
            for _ in batch:
                step()
    if too_many:
        warn(
            f"{len(too_many)} cross(es) have more than {plan.most:,} values and are "
            f"left out: {sorted(too_many)[:5]}. They would hardly occur twice in new "
            "rows."
        )
    return [lines[i] for i in sorted(lines)]


def _judged(
    found: dict[int, CountedCross], room: int, n_threads: int
) -> dict[int, Line]:
    """Lines of the crosses of one pass."""
    numbers = finish([cross.table for cross in found.values()], n_threads)
    lines: dict[int, Line] = {}

    def judge(item: tuple[int, dict[str, float]]) -> None:
        i, statistics = item
        cross = found[i]
        gain = gain_of(cross)
        lines[i] = scoring.cross_line(cross, statistics, *gain)

    # what is computed of a cross takes about three times what its counts take
    largest = max((len(cross.table.sizes) for cross in found.values()), default=1)
    at_once = max(1, min(n_threads, room // (3 * largest)))
    run_threads(judge, zip(found, numbers, strict=True), at_once)
    return lines
