"""The words and the environment that launch the same router again, with another version (weave-behaviour.md). Pure."""

from collections.abc import Collection, Sequence

from agent.core.frozen import replace
from agent.core.model.weave import RouterArguments, RouterReport
from agent.core.version_numbers import version_numbers
from agent.core.weave.arguments import PASSWORD, options_of

_VERSION, _USER = "WEAVE_VERSION", "DOCKERHUB_USER"
_RANGE = "--ipalloc-range"
_NO_RANGE = "--no-default-ipalloc"
_RESUME = "--resume"


def launch_words(arguments: RouterArguments, report: RouterReport | None, without: Collection[str] = ()) -> list[str]:
    """Return the words behind `weave launch`.

    The peers are the present targets: `weave connect` and `weave forget` change those after a launch. With `--resume`
    there is none, because a peer list beside it ends the router (M3). `without` are peers to leave out: a name that
    does not resolve ends the router, too (M2). The range is always given: another one deletes the addresses that are
    allocated (W8), and the script refuses its own default where a route of the host overlaps it by now (2.5), whereas
    it only warns of a given one.
    """
    options = list(options_of(arguments.words))
    words = [word for name, found in options if name for word in found]
    given = {name for name, _ in options}
    known = report.ipam_range if report else arguments.ipalloc_range
    if known and not given & {_RANGE, _NO_RANGE}:
        words += [_RANGE, known]
    peers = () if _RESUME in given else wanted_peers(arguments, report)
    restart = [] if arguments.restart else ["--no-restart"]
    return [*restart, *words, *(peer for peer in peers if peer not in without)]


def first_generation_arguments(arguments: RouterArguments, report: RouterReport) -> RouterArguments:
    """Return what launches a router of Weave 1.x as one of 2.x: name, range and peers; the password is kept.

    The options of a router of 1.x, which three commands launched, are not those of 2.x. All others are lost.
    """
    words = (*("--name", report.peer_name), *(("--ipalloc-range", report.ipam_range) if report.ipam_range else ()))
    return replace(arguments, words=(*words, *report.targets), peers=report.targets, ipalloc_range=report.ipam_range)


def is_first_generation(version: str) -> bool:
    """Whether a version is 1.x, whose proxy and plugin are containers of their own."""
    return version_numbers(version)[:1] == (1,)


def wanted_peers(arguments: RouterArguments, report: RouterReport | None) -> tuple[str, ...]:
    """Return the peers that the router has to try: those of the launch first, in its order, as they are now."""
    if report is None:
        return arguments.peers
    kept = [peer for peer in arguments.peers if peer in report.targets]
    return (*kept, *(peer for peer in report.targets if peer not in kept))


def missing_targets(before: RouterReport | None, now: RouterReport) -> tuple[str, ...]:
    """Return the peers that the router tried before and does not try now."""
    return tuple(sorted(set(before.targets if before else ()) - set(now.targets)))


def image_environment(user: str, version: str) -> dict[str, str]:
    """Return the variables that name the images of the script: an operator may have chosen another user than its own.

    WEAVE_VERSION counts where a script has no number of its own (M1).
    """
    return {**({_USER: user} if user else {}), _VERSION: version}


def launch_environment(arguments: RouterArguments, images_of: dict[str, str], password: str = "") -> dict[str, str]:
    """Return the variables of the script for a launch; `images_of` as `image_environment` returns them.

    The password goes here and never into
    a word: words are in the process list.

    Raises:
        ValueError: the router had a password and none is given: without it every connection fails (W9).
    """
    if arguments.encrypted and not password:
        raise ValueError("the router's password is not known")
    secret = {PASSWORD: password} if arguments.encrypted else {}
    return {**dict(arguments.environment), **secret, **images_of}


def images(user: str, version: str) -> tuple[str, ...]:
    """Return the images that a launch needs; it pulls a missing one only after the router was stopped (I13)."""
    return (f"{user}/weave:{version}", f"{user}/weaveexec:{version}", f"{user}/weavedb:latest")


def connect_words(peers: Sequence[str]) -> list[str]:
    """Return the words of the script that add peers to a running router."""
    return ["connect", *peers]
