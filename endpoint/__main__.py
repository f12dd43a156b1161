"""`python3 -m endpoint`: the same command from a checkout."""

import sys

from endpoint.cli.main import main_and_exit

main_and_exit(sys.argv[1:])
