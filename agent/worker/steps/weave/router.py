"""Stops and launches Weave's router, and waits until it is as before. Docker and `/report` decide, not the script."""

from collections.abc import Callable

from agent.core.model.facts import Unseen
from agent.core.model.weave import RouterReport, WeaveFacts, WeaveKind, WeaveScript
from agent.core.redact import REDACTED
from agent.core.version_numbers import version_numbers
from agent.core.weave.launch import (
    connect_words,
    image_environment,
    is_first_generation,
    launch_environment,
    launch_words,
    missing_targets,
    wanted_peers,
)
from agent.core.weave.reattach import fallen, to_start, unusable, with_endpoint
from agent.core.weave.snapshot import FIRST_GENERATION_PARTS, UP, AttachedContainer, WeaveNetwork, WeavePhase
from agent.core.weave.verify import ExpectedWeave, RouterFault, RouterFaultCode, router_faults
from agent.errors import HostError
from agent.worker.steps.engines import attempted
from agent.worker.steps.weave.tools import WeaveCourse, WeaveTools

RouterFaults = tuple[RouterFault, ...]
_POLL_S = 0.5
_PATIENCE_S = 60.0
"""For a launched router to be as before: it is ready within 1.4 s, peers are connected within 1 s more (2.4)."""
_SETTLE_S = 30.0
"""For the last ones of several peers, which try again after some seconds; the first one was connected by then."""
_NETWORK_S = 10.0
"""For the network of a router that is ready."""
_GIVEN_UP_S = 6.0
"""For one whose container does not run: the engine restarts it within a second."""
_UNUSABLE = frozenset({"created", "paused", "dead"})
"""States of a container that the script neither launches nor replaces."""


class RouterChange:
    """The router of one change."""

    def __init__(self, tools: WeaveTools, course: WeaveCourse) -> None:
        self._tools = tools
        self._router = tools.acts.router
        self._course = course
        self._whole = course.snapshot.phase is WeavePhase.PREPARED  # else the router may have been down before, too
        self._down_since: float | None = None
        self.down_s: float | None = None
        """How long no router worked; None: it did all the time, or does not work yet, or since when is unknown."""
        self.started: set[str] = set()
        """Names of containers that were started."""
        self.errors: dict[str, str] = {}
        """Why a step or a container failed, by its name."""

    def start_fallen(self) -> None:
        """Start what a restart of the engine left down, before a stop of Weave removes its network (W4).

        Only while addresses can be allocated: a start would wait for other peers otherwise (2.3).
        """
        report = self._course.snapshot.report
        if report is not None and report.ipam_ready is not False:
            self._start(fallen(self._course.snapshot.network))

    def stop(self) -> RouterFaults:
        """Stop the router, by the script or its unit, or else through the engine (W6)."""
        saved = self._course.snapshot
        if not saved.runs or not self._is_up():
            return ()
        self._down_since = self._tools.clock() if self._down_since is None else self._down_since
        self.down_s = None
        problem = self._router.change_unit("stop", saved.unit) if saved.unit else self._script(["stop"])
        if self._is_up():
            problem = self._router.stop_router() or problem
        if self._is_up():
            return (_step(f"the router could not be stopped: {problem}"),)
        if is_first_generation(saved.before):
            for name in FIRST_GENERATION_PARTS:  # stopped, they would start again with Docker
                self._note(name, self._router.remove_part(name))
        return ()

    def log_end(self) -> str:
        """Return the end of the router's log, without the password: the launch of the next router removes the log."""
        found = self._router.log_end()
        try:
            secret = self._tools.acts.files.password()
        except HostError:
            return ""
        return found.replace(secret, REDACTED) if secret else found

    def bring_up(self, expected: ExpectedWeave, decisive: Callable[[RouterFault], bool]) -> RouterFaults:
        """Have the router run in a version, with peers and containers of before; return what is wrong then."""
        if not self._course.snapshot.runs:
            return self._faults(expected)
        if any(map(decisive, self._faults(expected))):
            if found := self._launch(expected.version):
                return found
            if not _answers(found := self._wait(expected, _answers)):
                return found
            if self._whole and self._down_since is not None:
                self.down_s = round(self._tools.clock() - self._down_since, 3)
        self._course.enter(WeavePhase.RESTORING, "bringing back connections and containers")
        self._reattach()
        found = self._wait(expected, lambda seen: not any(map(decisive, seen)))
        return found if any(map(decisive, found)) else self._settle(expected, decisive)

    def _settle(self, expected: ExpectedWeave, decisive: Callable[[RouterFault], bool]) -> RouterFaults:
        """Wait for the last peers and addresses; return what is wrong then.

        A decisive fault that shows only now gets its whole time: one late answer is no reason to roll back.
        """

        def good(found: RouterFaults) -> bool:
            return not any(map(decisive, found))

        found = self._wait(expected, lambda seen: good(seen) and _settled(seen), min(_SETTLE_S, _PATIENCE_S))
        return found if good(found) else self._wait(expected, good)

    def _launch(self, version: str) -> RouterFaults:
        if found := self.stop():
            return found
        self._course.enter(WeavePhase.LAUNCHING, f"launching the router {version}")
        saved = self._course.snapshot
        if self._weave().container_state in _UNUSABLE:
            self._router.remove_router()
        if saved.unit:
            # not "start": a unit with RemainAfterExit is still active when its router has died
            self._note("launch", self._router.change_unit("restart", saved.unit))
            return ()
        if saved.arguments is None:
            return (_step("the arguments of the router are unknown"),)
        try:
            images_of = image_environment(saved.user, version)
            variables = launch_environment(saved.arguments, images_of, self._tools.acts.files.password())
        except (HostError, ValueError) as error:
            return (_step(str(error)),)
        without = self._router.unresolved(wanted_peers(saved.arguments, saved.report))
        words = ["launch", *launch_words(saved.arguments, saved.report, without)]
        self._note("launch", self._router.run_script(saved.script.path, words, variables))
        return ()

    def _reattach(self) -> None:
        """Bring back targets that were connected after the launch of before, and containers of the network."""
        saved, weave = self._course.snapshot, self._weave()
        if isinstance(weave.report, RouterReport) and (lost := missing_targets(saved.report, weave.report)):
            self._note("connect", self._script(connect_words(lost)))
        try:
            network = self._network_of_router()
        except HostError as error:
            self._note("network", str(error))
            return
        for one in unusable(network):
            self._note(one.name, self._router.reconnect(with_endpoint(one, saved.network.containers)))
        self._start(to_start(saved.network, network))

    def _start(self, containers: tuple[AttachedContainer, ...]) -> None:
        for one in containers:
            problem = self._router.start(one)
            self._note(one.name, problem)
            if not problem:
                self.started.add(one.name)

    def _wait(
        self, expected: ExpectedWeave, enough: Callable[[RouterFaults], bool], patience_s: float | None = None
    ) -> RouterFaults:
        """Wait until `enough` holds for the faults, or for the time that a router gets; return the last ones."""
        limit = _PATIENCE_S if patience_s is None else patience_s
        begun = self._tools.clock()
        while True:
            found = self._faults(expected)
            waited = self._tools.clock() - begun
            down = any(one.code is RouterFaultCode.ROUTER_DOWN for one in found)
            if enough(found) or waited >= (_GIVEN_UP_S if down else limit):
                return found
            self._tools.control.alive()
            self._tools.pause(_POLL_S)

    def _faults(self, expected: ExpectedWeave) -> RouterFaults:
        """Return what is wrong now; nothing of the containers where the engine does not show them."""
        weave = self._weave()
        try:
            network = self._network()
        except HostError as error:
            found = router_faults(self._course.snapshot, weave, self._course.snapshot.network, expected)
            return (*found, _step(str(error)))
        return router_faults(self._course.snapshot, weave, network, expected)

    def script_sha256(self) -> str:
        """Return the SHA-256 of the installed script; empty if there is none, or if it cannot be read."""
        script = self._weave().script
        return script.sha256 if isinstance(script, WeaveScript) else ""

    def _script(self, words: list[str]) -> str:
        """Run a command of the installed script that needs only the name of its images."""
        weave, saved = self._weave(), self._course.snapshot
        if weave.script is None or isinstance(weave.script, Unseen):
            return "there is no script"
        return self._router.run_script(saved.script.path, words, self._variables(weave))

    def _variables(self, weave: WeaveFacts) -> dict[str, str]:
        """Return the variables of a command: the address of the router, and the version if the script has none (M1)."""
        saved, script = self._course.snapshot, weave.script
        version = script.version if isinstance(script, WeaveScript) else ""
        known = dict(saved.arguments.environment) if saved.arguments else {}
        return {**known, **image_environment(saved.user, version if version_numbers(version) else saved.before)}

    def _note(self, name: str, problem: str) -> None:
        if problem:
            self.errors[name] = problem
        else:
            self.errors.pop(name, None)

    def _is_up(self) -> bool:
        return self._weave().container_state in UP

    def _weave(self) -> WeaveFacts:
        """Return what is seen of Weave; with an engine that cannot be read, a router that does not answer."""
        observer = self._tools.observer
        seen = attempted(lambda: observer.weave(observer.docker()))
        return WeaveFacts(kind=WeaveKind.SCRIPT, report=seen) if isinstance(seen, Unseen) else seen

    def _network_of_router(self) -> WeaveNetwork:
        """Return the network, once the launched router has made it if there was one before; raises HostError."""
        begun = self._tools.clock()
        while True:
            network = self._network()
            waited = self._tools.clock() - begun
            if network.id or not self._course.snapshot.network.id or waited >= min(_NETWORK_S, _PATIENCE_S):
                return network
            self._tools.pause(_POLL_S)

    def _network(self) -> WeaveNetwork:
        """Return the network; raises HostError."""
        docker = attempted(self._tools.observer.docker)
        if isinstance(docker, Unseen):
            raise HostError(docker.reason)
        return self._router.network(docker, [one.id for one in self._course.snapshot.network.containers])


_UNANSWERED = frozenset({RouterFaultCode.ROUTER_DOWN, RouterFaultCode.ROUTER_SILENT, RouterFaultCode.NOT_READY})


_SETTLING = frozenset({RouterFaultCode.PEERS_LOST, RouterFaultCode.TARGETS_LOST, RouterFaultCode.ADDRESSES_LOST})
"""Faults that are normal for some seconds after a launch."""


def _settled(found: RouterFaults) -> bool:
    return not any(one.code in _SETTLING for one in found)


def _answers(found: RouterFaults) -> bool:
    return not any(one.code in _UNANSWERED for one in found)


def _step(problem: str) -> RouterFault:
    return RouterFault(code=RouterFaultCode.STEP, values=(problem,))
