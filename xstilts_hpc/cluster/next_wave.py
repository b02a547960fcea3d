"""The next wave: what limits of the queue left out is submitted by the collector of the wave before."""

from pathlib import Path

from xstilts_hpc.cluster.profile import Profile
from xstilts_hpc.cluster.submission import Submission
from xstilts_hpc.cluster.submit import Entry, submit
from xstilts_hpc.errors import XstiltsError
from xstilts_hpc.plan import Plan, grid_folder, load_plan
from xstilts_hpc.run_folder import run_folder


def submit_next_wave(wave: Submission) -> str:
    """Submit the runs that no wave has tried yet, with the same profile; say what was done, or why not."""
    plan = load_plan(grid_folder(wave.root, wave.grid).plan)
    untried = _untried(plan, wave.root)
    if not untried:
        return "no run is left for another wave"
    try:
        profile = Profile.model_validate(wave.profile)
        submitted = submit(plan, wave.root, profile, entry=Entry(wave.entry, wave.collect), only=untried)
    except XstiltsError as error:
        return f"the next wave of {len(untried)} runs could not be submitted: {error}\nsubmit the grid again by hand"
    return f"submitted the next wave: {len(submitted.runs)} runs in {len(submitted.arrays)} arrays"


def _untried(plan: Plan, root: Path) -> list[str]:
    """Return the runs that are not done and that nothing tried: failed ones wait for a person."""
    done = plan.done(root)
    return [run_id for run_id in plan.runs if run_id not in done and not run_folder(root, run_id).attempts()]
