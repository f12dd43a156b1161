"""The distribution's name for people. Light: imported by `status`."""

_OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release")


def os_name(files: tuple[str, ...] = _OS_RELEASE) -> str | None:
    """Return PRETTY_NAME of os-release(5): "Debian GNU/Linux 13 (trixie)"; None if it is not there."""
    for path in files:
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                found = [line.partition("=")[2].strip() for line in file if line.startswith("PRETTY_NAME=")]
        except OSError:
            continue
        return found[-1].strip("\"'") if found else None
    return None
