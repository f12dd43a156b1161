"""Runs the command line: `python3 -m agent`, or /usr/bin/maestro-agent."""

import sys

from agent.cli.main import main_and_exit

if __name__ == "__main__":
    main_and_exit(sys.argv[1:])
