"""The next wave: what limits of the queue left out is submitted by the collector of the wave before."""

import time
from pathlib import Path

from xstilts_hpc.cluster.profile import Profile
from xstilts_hpc.cluster.submission import Submission
from xstilts_hpc.cluster.submit import Entry, submit
from xstilts_hpc.cluster.succession import Terms
from xstilts_hpc.errors import ClusterError, LockError, XstiltsError
from xstilts_hpc.plan import Plan, grid_folder, load_plan
from xstilts_hpc.run_folder import run_folder

# The collector has an hour; it waits so long after each try.
_PAUSES_S = (10, 60, 300, 600, 0)


def submit_next_wave(wave: Submission) -> str:
    """Submit the runs that no wave has tried yet, with the same profile; say what was done, or why not."""
    plan = load_plan(grid_folder(wave.root, wave.grid).plan)
    untried = _untried(plan, wave.root)
    if not untried:
        return "no run is left for another wave"
    entry = Entry(wave.entry, wave.collect)
    profile, problem = Profile.model_validate(wave.profile), ""
    for pause_s in _PAUSES_S:
        try:
            submitted = submit(plan, wave.root, profile, entry=entry, terms=Terms(only=untried))
            return f"submitted the next wave: {len(submitted.runs)} runs in {len(submitted.arrays)} arrays"
        except (ClusterError, LockError) as error:  # the queue is full, or another submits: that passes
            problem = str(error)
            time.sleep(pause_s)
        except XstiltsError as error:
            problem = str(error)
            break
    return f"the next wave of {len(untried)} runs could not be submitted: {problem}\nsubmit the grid again by hand"


def _untried(plan: Plan, root: Path) -> list[str]:
    """Return the runs that are not done and that nothing tried: failed ones wait for a person."""
    done = plan.done(root)
    return [run_id for run_id in plan.runs if run_id not in done and not run_folder(root, run_id).attempts()]
