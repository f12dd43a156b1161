"""A file system that never answers, as that of a file server that is away: a FUSE mount that nobody serves."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def hanging_directory(directory: Path) -> Iterator[None]:
    """Mount it at a directory for the length of the block; afterwards every access fails, also one that hangs.

    The end of this process ends it as well: the kernel aborts the connection with its last descriptor.
    """
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0"
    try:
        subprocess.run(
            ["mount", "-i", "-t", "fuse", "-o", options, "hanging", str(directory)], pass_fds=[device], check=True
        )
        yield
    finally:
        os.close(device)
        subprocess.run(["umount", "-l", str(directory)], check=False)
