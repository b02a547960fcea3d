"""The scores of a grid as one array, so that means over languages and seeds of a million scores take seconds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xstilts_hpc.results.tables.parts import HEADLINE
from xstilts_hpc.tasks import task_of

Floats = NDArray[np.float64]
# What names a cell, in the order of its key.
KEY = (
    *("intermediate", "size", "full", "variant", "schedule"),
    *("target", "data_seed", "train_seed", "target_seed"),
)
_ABSENT = -1


@dataclass(frozen=True)
class ScoreTable:
    """`values[cells, parts, languages]`, NaN where there is no score; the last of each axis is NaN throughout.

    `cells`, `parts` (the headline among them) and `languages` lead to indices.
    """

    values: Floats
    cells: Mapping[tuple[Any, ...], int]
    parts: Mapping[str, int]
    languages: Mapping[str, int]

    def over_languages(self, cells: Iterable[tuple[Any, ...]], part: str, languages: Sequence[str]) -> Floats:
        """Return the mean over languages of a part in each cell, NaN where a language is missing."""
        rows = [self.cells.get(cell, _ABSENT) for cell in cells]
        if not languages or not rows:
            return np.full(len(rows), np.nan)
        columns = [self.languages.get(language, _ABSENT) for language in languages]
        found = self.values[np.array(rows)[:, None], self.parts.get(part, _ABSENT), np.array(columns)]
        return np.asarray(np.ascontiguousarray(found).mean(axis=1))


def score_table(frame: pd.DataFrame) -> ScoreTable:
    """Return the scores of a frame with the columns of scores.csv."""
    cell = frame.groupby(list(KEY), sort=False).ngroup().to_numpy()
    cells = list(frame[list(KEY)].iloc[np.unique(cell, return_index=True)[1]].itertuples(index=False, name=None))
    part, parts = _numbered(frame["metric"])
    language, languages = _numbered(frame["language"])
    values = np.full((len(cells) + 1, len(parts) + 2, len(languages) + 1), np.nan)
    values[cell, part, language] = frame["value"].to_numpy()
    target = KEY.index("target")
    for name in {key[target] for key in cells}:
        rows = [i for i, key in enumerate(cells) if key[target] == name]
        members = [parts.get(one, _ABSENT) for one in task_of(name).metric.headline_parts]
        values[rows, len(parts)] = values[rows][:, members].mean(axis=1)
    return ScoreTable(values, {key: i for i, key in enumerate(cells)}, {**parts, HEADLINE: len(parts)}, languages)


def _numbered(names: "pd.Series[str]") -> tuple[NDArray[np.int64], dict[str, int]]:
    numbers, found = pd.factorize(names)
    return numbers, {str(name): i for i, name in enumerate(found)}
