"""A site of this machine with small data of every task and a model, for the commands of pages that fetch and check."""

import re
from dataclasses import replace
from pathlib import Path

from tests.fetch.archives import sha256
from tests.fetch.hub_site import put_repository
from tests.fetch.site import Site
from tests.hub_copies import glue_mnli, panx, write_copy
from tests.tiny import write_all_tiny_data
from xstilts_hpc.files import Memory
from xstilts_hpc.stock.check import places_of
from xstilts_hpc.tasks import TASKS
from xstilts_hpc.tasks.base import Task
from xstilts_hpc.tasks.download import Download
from xstilts_hpc.tasks.folder import DataFolder, read_facts

MODEL, COMMIT = "FacebookAI/xlm-roberta-large", "c23d21b0620b635a76227c604d44e43a9f0ee389"
_TRANSLATED = b"A\tB\tA anders\tB anders\tneutral\n"


def small_tasks(data: Path, site: Site) -> dict[str, Task]:
    """Write small data of every task; return the tasks as if those were published: their counts, files of the site.

    What cannot be downloaded stays so. Archives are packed by tests/fetch/publishers.py, here files lie plain.
    """
    write_all_tiny_data(data)
    _write_other_pairs(data / "bucc2018")
    folder = DataFolder(data, Memory(Path()))
    small = {name: _small(task, folder, site) for name, task in TASKS.items()}
    return {
        name: replace(task, union=tuple(small[part.name] for part in task.union)) if task.union else task
        for name, task in small.items()
    }


def _write_other_pairs(folder: Path) -> None:
    """Write BUCC in its other languages too: `data check` wants the dev set of each, for the threshold."""
    for path in list(folder.glob("de-en.*")):
        for code in ("fr", "ru", "zh"):
            text = re.sub(r"\bde\b", code, path.read_text(encoding="utf-8"))
            (folder / re.sub(r"\bde\b", code, path.name)).write_text(text, encoding="utf-8")


def _small(task: Task, folder: DataFolder, site: Site) -> Task:
    if task.union:
        return task
    here = {place: folder.locate(task, *place) for place in places_of(task) if folder.has(task, *place)}
    counts: dict[str, dict[str, int]] = {}
    for (split, code), located in here.items():
        counts.setdefault(split, {})[code] = read_facts(located)["examples"]
    paths = sorted({path for located in here.values() for path in located.paths})
    files = {str(path.relative_to(folder.root)): path.read_bytes() for path in paths}
    downloads = tuple(_download(site, name, content) for name, content in files.items()) if task.downloads else ()
    translations = {code: _download(site, found.to, _TRANSLATED) for code, found in task.translations.items()}
    return replace(task, published=counts, downloads=downloads, translations=translations)


def _download(site: Site, to: str, content: bytes) -> Download:
    """Put a file at its publisher, and at a mirror of the site, which has a folder per host."""
    url = site.put(f"/{to}", content)
    site.put(f"/{url.partition('://')[2]}", content)
    return Download((url,), to, sha256=sha256(content), num_bytes=len(content))


def put_on_hub(data: Path, site: Site) -> None:
    """Put the model on the site at both names of its commit, and MNLI and PAN-X as the hub has them."""
    for revision in ("main", COMMIT):
        weights = {"config.json": b"{}", "model.safetensors": b"0"}
        put_repository(site, "models", MODEL, weights, revision=revision, commit=COMMIT)
    for name, rows in (("mnli", glue_mnli(data / "MNLI/train.tsv")), ("panx", panx(data / "panx/dev-en.tsv"))):
        (copy,) = TASKS[name].hub
        write_copy(data, f"{name}/train", rows)
        (file,) = (data / "hub" / name).iterdir()
        files = {f"{configuration}/{file.name}": file.read_bytes() for configuration in copy.configurations}
        put_repository(site, "datasets", copy.id, files)
