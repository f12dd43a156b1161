"""Runs the command line: `python3 -m agent`, or /usr/bin/maestro-agent."""

import sys

from agent.cli.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
