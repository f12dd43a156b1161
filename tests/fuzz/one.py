"""Fuzzes one target in this process, guided by coverage: `python3 -m tests.fuzz.one TARGET [LIBFUZZER_OPTION...]`.

Ends with 0, or with a traceback and the input at the first fault: an exception that the target does not document, an
input that takes longer than -timeout, memory above -rss_limit_mb.
"""

import sys
import tempfile
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["agent", "endpoint"], enable_loader_override=False):
    from tests.fuzz.targets import TARGETS


def main(name: str, options: list[str]) -> None:
    """Fuzz until an option ends it."""
    target = TARGETS[name]
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as scratch:
        corpus, work = Path(scratch, "corpus"), Path(scratch, "work")
        corpus.mkdir()
        work.mkdir()
        for number, seed in enumerate(target.seeds):
            (corpus / str(number)).write_bytes(seed)
        parse = target.prepare(work)
        atheris.Setup(
            [name, *options, f"-artifact_prefix={scratch}/", str(corpus)], lambda data: target.run(parse, data)
        )
        atheris.Fuzz()  # exits


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
