"""Package names as dpkg and libapt report them."""

from collections.abc import Mapping

from agent.core.model.package import PackageId

Archives = Mapping[str, PackageId]
"""The packages of a transaction by the path that dpkg gets for each."""


def reported_package(text: str, archives: Archives) -> PackageId | str | None:
    """Return the package that an error is about; a bare name where the text holds no architecture, or `all`.

    Takes `name`, `name:architecture`, or a path: dpkg reports an archive that cannot be unpacked by its path, which
    says nothing about the package (`file:` repositories). None for a path that is not one of `archives`.
    """
    if "/" in text:
        return archives.get(text)
    name, _, architecture = text.partition(":")
    return name if architecture in {"", "all"} else PackageId(name=name, architecture=architecture)
