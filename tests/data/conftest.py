"""The tokenizers that the tests of encoding use."""

from pathlib import Path
from typing import Any

import pytest

from xstilts_hpc.model.encoder import load_tokenizer


@pytest.fixture(scope="module")
def tiny(tiny_model: Path) -> Any:
    """Return a tokenizer of single characters."""
    return load_tokenizer(str(tiny_model))


@pytest.fixture(scope="module")
def real(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return XLM-R's tokenizer, made from its pieces."""
    folder = tmp_path_factory.mktemp("tokenizer")
    pieces = "sentencepiece.bpe.model"
    (folder / pieces).symlink_to(shared_data / "tokenizer" / "xlm-roberta" / pieces)
    (folder / "config.json").write_text('{"model_type": "xlm-roberta"}')
    return load_tokenizer(str(folder))
