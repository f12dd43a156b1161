"""Package names as dpkg and libapt report them."""

from pathlib import Path

from agent.core.model.package import PackageId


def reported_package(text: str) -> PackageId | str:
    """Return the package that an error is about; a bare name where the text holds no architecture, or `all`.

    Takes `name`, `name:architecture`, or the path of an archive (`…/name_version_architecture.deb`): dpkg and libapt
    report an archive that cannot be unpacked by its path. In a `file:` repository it may have any name.
    """
    base = Path(text).name
    if base.endswith(".deb"):
        name, _, rest = base.removesuffix(".deb").partition("_")
        architecture = rest.partition("_")[2]  # a version holds no underscore (deb-version(7))
    else:
        name, _, architecture = base.partition(":")
    return name if architecture in {"", "all"} else PackageId(name=name, architecture=architecture)
