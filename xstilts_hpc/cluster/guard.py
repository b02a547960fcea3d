"""Start a program in which USR1 and USR2 wait: run as a script, before anything heavy is imported.

Slurm sends USR2 to every process of a step. One that comes while Python imports torch, before a run listens, would
kill the rank; blocked, it waits until the run unblocks it. Children inherit the mask, so they are not killed either.
The shell that starts this ignores both signals: one that comes before this line of Python is lost rather than deadly.
"""

import os
import signal
import sys

if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGUSR1, signal.SIGUSR2))
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    signal.signal(signal.SIGUSR2, signal.SIG_DFL)
    os.execvp(sys.argv[1], sys.argv[1:])
