"""Start a program in which USR1 and USR2 wait: run as a script, before anything heavy is imported.

Slurm sends USR2 to every process of a step. One that comes while Python imports torch, before a run listens, would
kill the rank; blocked, it waits until the run unblocks it. Children inherit the mask, so they are not killed either.
"""

import os
import signal
import sys

if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGUSR1, signal.SIGUSR2))
    os.execvp(sys.argv[1], sys.argv[1:])
