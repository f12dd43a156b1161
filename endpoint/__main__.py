"""`python3 -m endpoint`: the same command from a checkout."""

import sys

from endpoint.cli.main import main

sys.exit(main(sys.argv[1:]))
