"""What `plan` says of a GPU's memory: the settings that fit it, and whether the profile's own do."""

from pathlib import Path

from xstilts_hpc.cluster.profile import Profile
from xstilts_hpc.forecast import longest_item, model_size, trained_size
from xstilts_hpc.memory_rule import Settings, fitting_tokens, recommend
from xstilts_hpc.plan import Plan


def memory_advice(plan: Plan, root: Path, profile: Profile) -> list[str]:
    """Return a line on what fits the profile's GPU, and one on its own settings where they do not fit.

    Nothing where the memory is not known, or the plan trains nothing.
    """
    runs = [planned.run for planned in plan.runs.values() if planned.run.training]
    if not profile.gpu_memory_gb or not runs:
        return []
    trained = trained_size(model_size(runs[0].model, root), runs, compact_vocabulary=profile.compact_vocabulary)
    machine, ranks, memory = profile.machine(), profile.num_ranks, profile.gpu_memory_gb * 1e9
    longest = max(map(longest_item, runs))
    share = max(longest, max(run.recipe.batch_size * longest_item(run) for run in runs) // ranks)
    settings = recommend(memory, trained, machine=machine, ranks=ranks, share=share)
    head = f"memory: {profile.gpu_memory_gb:g} GB per GPU, {trained.parameters / 1e6:,.0f} M parameters trained"
    lines = [f"{head}: {_settings(settings, longest)}"]
    fitting = fitting_tokens(memory, trained, machine, ranks)
    if max(longest, min(share, machine.micro_batch_tokens)) > fitting:
        lines.append(
            f"memory: the settings of profile {profile.name} do not fit: {_asked(profile, longest)} at ZeRO stage "
            f"{machine.zero_stage}, where {fitting:,} tokens fit"
        )
    return lines


def _settings(settings: Settings, longest: int) -> str:
    if settings.micro_batch_tokens < longest:
        return f"nothing fits, since an example has up to {longest:,} tokens; use more ranks or a larger GPU"
    again = "activation_checkpointing" if settings.activation_checkpointing else "no activation_checkpointing"
    offload = "offload_optimizer" if settings.offload_optimizer else "no offload_optimizer"
    return f"zero_stage {settings.zero_stage}, micro_batch_tokens {settings.micro_batch_tokens:,}, {again}, {offload}"


def _asked(profile: Profile, longest: int) -> str:
    tokens = profile.micro_batch_tokens
    return f"micro_batch_tokens {tokens:,}" if tokens > longest else f"examples of {longest:,} tokens"
