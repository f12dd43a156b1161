"""A private CA and the certificates it signs, created with openssl."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate and its key."""

    file: Path
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A CA and its directory."""

    directory: Path

    @property
    def file(self) -> Path:
        return self.directory / "ca.pem"

    @classmethod
    def make(cls, directory: Path) -> "Authority":
        directory.mkdir(parents=True)
        made = cls(directory=directory)
        out = ["-keyout", str(directory / "ca.key"), "-out", str(made.file)]
        usage = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
        _openssl("req", "-x509", *KEY, "-subj", f"/CN={directory.name}", "-days", "2", *usage, *out)
        return made

    def sign(self, name: str, *, names: str = "IP:127.0.0.1,DNS:localhost", expired: bool = False) -> Certificate:
        """Sign a certificate for a common name; an expired one was valid for a day in 2020."""
        base = self.directory / name.replace(":", "-")
        made = Certificate(file=base.with_suffix(".pem"), key=base.with_suffix(".key"))
        request = base.with_suffix(".csr")
        extension = f"subjectAltName={names}"
        _openssl(
            "req", *KEY, "-subj", f"/CN={name}", "-addext", extension, "-keyout", str(made.key), "-out", str(request)
        )
        days = ["-startdate", "20200101000000Z", "-enddate", "20200102000000Z"] if expired else ["-days", "2"]
        (self.directory / "index.txt").write_text("")
        config = self.directory / "ca.cnf"
        config.write_text(_CONFIG.format(directory=self.directory))
        signer = [
            "-create_serial",
            "-cert",
            str(self.file),
            "-keyfile",
            str(self.directory / "ca.key"),
            "-batch",
            "-notext",
        ]
        _openssl("ca", "-config", str(config), *signer, *days, "-in", str(request), "-out", str(made.file))
        return made


_CONFIG = """\
[ca]
default_ca = only
[only]
database = {directory}/index.txt
new_certs_dir = {directory}
serial = {directory}/serial
default_md = sha256
policy = any
copy_extensions = copy
x509_extensions = identified
unique_subject = no
[any]
commonName = supplied
[identified]
authorityKeyIdentifier = keyid
subjectKeyIdentifier = hash
"""


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
