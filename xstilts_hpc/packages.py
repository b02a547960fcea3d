"""The packages that training needs, which an installation for collecting and reporting is without."""

from importlib.util import find_spec

from xstilts_hpc.errors import PackageError

TRAINING = ("torch", "transformers", "datasets", "deepspeed", "safetensors", "tokenizers")


def require_training_packages() -> None:
    """Raise PackageError where a package that runs need is not installed; none is imported."""
    missing = [name for name in TRAINING if find_spec(name) is None]
    if missing:
        raise PackageError(
            f"runs need {', '.join(missing)}, not installed for this Python; install torch for your GPUs, then, in "
            "the checkout, pip install -e '.[train]' -c constraints.txt (docs/install.md); plan, collect and report "
            "work without"
        )
