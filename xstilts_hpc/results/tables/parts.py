"""The parts of a metric that tables show apart from its headline, and their names."""

from collections.abc import Iterable, Mapping

from xstilts_hpc.metrics.base import Metric

# What stands for the mean of the headline parts where a part is asked for.
HEADLINE = ""
# Precision, recall and the scores at another threshold have no name here: they are in scores.csv only.
_NAMES: Mapping[str, str] = {
    "accuracy": "accuracy",
    "exact_match": "exact match",
    "f1": "F1",
    "word_accuracy": "word accuracy",
}


def part_name(part: str) -> str:
    """Return what a part of a metric is called in tables."""
    return _NAMES.get(part, part)


def parts_beside(metric: Metric, found: Iterable[str]) -> tuple[str, ...]:
    """Return the parts that are shown beside the headline: what it is the mean of, and what else was found and named.

    A headline of one part is that part, which is not shown again.
    """
    averaged = metric.headline_parts if len(metric.headline_parts) > 1 else ()
    return (*averaged, *(part for part in found if part in _NAMES and part not in metric.headline_parts))


def headline_note(metric: Metric) -> str:
    """Say what the headline is the mean of; nothing where it is one part."""
    names = " and ".join(map(part_name, metric.headline_parts))
    return f"{metric.name}: mean of {names}" if len(metric.headline_parts) > 1 else ""
