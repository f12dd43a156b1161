"""The machine that runs the tests, with apt's package lists out of sight.

With its 60,000 packages a job takes seconds of processor time, with the installed packages alone a tenth of that.
"""

_SCRIPT = 'mount -t tmpfs lists /var/lib/apt/lists && mount -t tmpfs cache /var/cache/apt && exec "$@"'

WITHOUT_LISTS = ("unshare", "--mount", "sh", "-c", _SCRIPT, "sh")
"""Start of a command line; needs root."""
