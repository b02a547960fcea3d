"""Slurm's reasons why an element waits, in words, and what to do about those that no waiting ends."""

# By the beginning of the reason, in small letters; the first that fits counts.
_STUCK = {
    "dependencyneversatisfied": "its parent failed, so it never starts: `xstilts cancel`, mend that, submit again",
    "jobhelduser": "it is held by a user: `scontrol release` lets it go",
    "jobheldadmin": "it is held by an administrator, who must let it go",
    "launch failed requeued held": "its node could not start it: `scontrol release` lets it go",
    "job_requeued_in_held_state": "it was requeued and held: `scontrol release` lets it go",
    "badconstraints": "no node is as the profile asks: cancel, change the profile, submit again",
    "partitiontimelimit": "time_min is above the partition's limit: cancel, change the profile, submit again",
    "partitionnodelimit": "it asks for more nodes than the partition has: cancel, change the profile, submit again",
    "invalidaccount": "Slurm does not know its account any more: change it in the profile, cancel, submit again",
    "invalidqos": "Slurm does not know its QOS any more: change it in the profile, cancel, submit again",
}
_WAITING = {
    "dependency": "it waits for the element of its parent, or for an array that goes first (max_parallel)",
    "priority": "others have a higher priority",
    "resources": "it is next, and waits until enough is free",
    "jobarraytasklimit": "as many elements of its array run as the profile's max_parallel lets run at once",
    "reqnodenotavail": "the nodes it needs are down, drained or reserved",
    "nodedown": "a node it needs is down",
    "partitiondown": "the partition is down: it starts once an administrator brings it up",
    "partitioninactive": "the partition is inactive: it starts once an administrator brings it up",
    "begintime": "its earliest start is not reached; after a requeue that is a matter of seconds or minutes",
    "licenses": "it waits for a licence",
    "reservation": "it waits for its reservation",
    "cleaning": "it was requeued, and Slurm still cleans up after it",
    "qos": "a limit of its QOS is reached: it starts when runs of the same user or group have ended",
    "assoc": "a limit of its account is reached: it starts when runs of the same user or group have ended",
    "maxgres": "a limit on GPUs is reached: it starts when runs of the same user or group have ended",
    "none": "Slurm has not looked at it yet",
}


def stuck(reason: str) -> str:
    """Return what to do about a reason that no waiting ends, empty for all others."""
    return _of(reason, _STUCK)


def in_words(reason: str) -> str:
    """Return a reason in words, with Slurm's own word for it."""
    if not reason:
        return "Slurm starts it when its turn comes"
    words = stuck(reason) or _of(reason, _WAITING)
    return f"{words} ({reason})" if words else f"Slurm says why it waits: {reason}"


def _of(reason: str, table: dict[str, str]) -> str:
    return next((words for beginning, words in table.items() if reason.lower().startswith(beginning)), "")
