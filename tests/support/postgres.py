"""A private PostgreSQL cluster: in a temporary directory, on a socket there, removed at the end."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_USER = "postgres"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A running cluster."""

    directory: Path
    programs: Path
    settings: str

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+psycopg2://{_USER}@/{database}?host={self.directory}"

    def create(self, database: str) -> str:
        """Create an empty database; return its URL."""
        _run(self.programs / "createdb", "-h", str(self.directory), database)
        return self.url(database)

    def start(self) -> None:
        options = f"-k {self.directory} -c listen_addresses= {self.settings}"
        log = str(self.directory / "log")
        _run(self.programs / "pg_ctl", "-D", self._data, "-o", options, "-l", log, "-w", "start")

    def stop(self, how: str = "fast") -> None:
        _run(self.programs / "pg_ctl", "-D", self._data, "-m", how, "-w", "stop")

    @property
    def _data(self) -> str:
        return str(self.directory / "data")


@contextmanager
def cluster(place: Path | None = None, settings: str = "") -> Iterator[Cluster]:
    """Run a cluster below `place`, or the directory for temporary files; `settings` replace PostgreSQL's defaults."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    directory = Path(tempfile.mkdtemp(prefix="maestro-postgres-", dir=place))
    user = pwd.getpwnam(_USER)
    os.chown(directory, user.pw_uid, user.pw_gid)
    running = Cluster(directory=directory, programs=programs, settings=settings)
    try:
        _run(programs / "initdb", "-D", str(directory / "data"), "--auth=trust", "--encoding=UTF8", "--locale=C")
        running.start()
        try:
            yield running
        finally:
            running.stop("immediate")
    finally:
        shutil.rmtree(directory)


def _run(program: Path, *arguments: str) -> None:
    # No pipe for the output: the server that pg_ctl starts would keep it open.
    with tempfile.TemporaryFile() as output:
        command = ["runuser", "-u", _USER, "--", str(program), *arguments]
        done = subprocess.run(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd="/", check=False)
        output.seek(0)
        assert done.returncode == 0, output.read().decode()
