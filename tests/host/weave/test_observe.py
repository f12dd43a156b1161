"""One observation of Weave, with a scripted engine and a real HTTP server: W1 to W6, W13, W14, W18."""

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from agent.core.model.docker import DockerFacts, Flavour
from agent.core.model.facts import Unseen
from agent.core.model.weave import NO_WEAVE, RouterArguments, RouterReport, Vendor, WeaveFacts, WeaveKind
from agent.core.redact import redact
from agent.host.weave.observe import observe_weave
from agent.host.weave.router_client import read_report
from tests.core.docker.given_docker import OLD_ENGINE as ENGINE
from tests.core.docker.given_docker import container
from tests.core.weave.test_router_report import report
from tests.host.weave.test_script import SCRIPT, install

SECRET = "c0rrect-Horse-77"  # noqa: S105 - an example


DOCKER = DockerFacts(flavour=Flavour.DOCKER_IO, engine=ENGINE, containers=(container("weave"),))


def inspected(image: str = "weaveworks/weave:2.8.1", state: str = "running", port: int = 6784) -> dict[str, object]:
    return {
        "State": {"Status": state},
        "Args": ["--http-addr", f"127.0.0.1:{port}", "--plugin", "--proxy", "--ipalloc-range", "10.2.0.0/16", "w2"],
        "Config": {"Image": image, "Env": ["DOCKER_BRIDGE", "WEAVE_DEBUG", f"WEAVE_PASSWORD={SECRET}"]},
        "HostConfig": {"RestartPolicy": {"Name": "always"}},
    }


@dataclass
class ScriptedEngine:
    answers: Mapping[str, object]
    asked: list[str] = field(default_factory=list)

    def __call__(self, path: str) -> object:
        self.asked.append(path)
        answer = self.answers.get(path)
        if isinstance(answer, OSError):
            raise answer
        return answer


def observe(docker: DockerFacts, answers: Mapping[str, object], root: Path) -> WeaveFacts:
    return observe_weave(docker, ScriptedEngine(answers), root=str(root))


class Router:
    """Serves /report as the real router does."""

    def __init__(self, status: int, body: bytes) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                known = self.path == "/report" and self.headers["Accept"] == "application/json"
                self.send_response(status if known else 400)
                self.end_headers()
                self.wfile.write(body if known else b"error: must supply one format parameter")

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def router() -> Iterator[Router]:
    made = Router(200, json.dumps(report()).encode())
    yield made
    made.close()


def test_w4_script_image_and_running_version_are_three_facts(tmp_path: Path, router: Router) -> None:
    install(tmp_path, SCRIPT.format(version="2.8.0", user="weaveworks"))
    answers = {"/containers/weave/json": inspected("weaveworks/weave:2.6.5", port=router.port)}

    found = observe(DOCKER, answers, tmp_path)

    assert not isinstance(found.script, Unseen)
    assert found.script
    assert (found.script.version, found.image, found.running_version) == ("2.8.0", "weaveworks/weave:2.6.5", "2.8.1")
    assert found.vendor is Vendor.WEAVEWORKS
    assert found.container_state == "running"


def test_w14_arguments_are_known_and_the_password_is_in_no_value(tmp_path: Path, router: Router) -> None:
    found = observe(DOCKER, {"/containers/weave/json": inspected(port=router.port)}, tmp_path)

    assert isinstance(found.arguments, RouterArguments)
    assert found.arguments.encrypted
    assert found.arguments.words == ("--ipalloc-range", "10.2.0.0/16", "w2")
    assert SECRET not in repr(found)
    assert SECRET not in redact(f"an error with {SECRET} in it")


@pytest.mark.parametrize("status", [200, 503])
def test_w12_w13_a_router_that_is_not_ready_has_a_report(status: int) -> None:
    made = Router(status, json.dumps({**report(), "Ready": status == 200}).encode())
    try:
        found = read_report("127.0.0.1", made.port)
    finally:
        made.close()

    assert isinstance(found, RouterReport)
    assert found.ready is (status == 200)


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"<html>"), (200, b"{}"), (404, b"{}"), (200, b"[" * 100_000), (200, b" " * (9 << 20)), (200, b"\xff\xfe")],
    ids=["html", "other", "missing", "deep", "huge", "binary"],
)
def test_i8_another_server_on_this_port_is_unseen(status: int, body: bytes) -> None:
    made = Router(status, body)
    try:
        found = read_report("127.0.0.1", made.port)
    finally:
        made.close()

    assert isinstance(found, Unseen)


def test_w6_a_router_in_a_restart_loop_runs_no_version(tmp_path: Path) -> None:
    found = observe(DOCKER, {"/containers/weave/json": inspected(state="restarting")}, tmp_path)

    assert (found.container_state, found.report, found.running_version) == ("restarting", None, None)


def test_w3_a_stopped_router_is_known_with_its_arguments(tmp_path: Path) -> None:
    found = observe(DOCKER, {"/containers/weave/json": inspected(state="exited")}, tmp_path)

    assert (found.kind, found.container_state, found.report) == (WeaveKind.SCRIPT, "exited", None)
    assert isinstance(found.arguments, RouterArguments)


def test_w2_d28_a_stopped_engine_is_not_contacted(tmp_path: Path) -> None:
    install(tmp_path, SCRIPT.format(version="2.8.1", user="weaveworks"))
    engine = ScriptedEngine({})

    found = observe_weave(replace(DOCKER, engine=None, containers=None), engine, root=str(tmp_path))

    assert engine.asked == []
    assert (found.kind, found.vendor, found.container_state) == (WeaveKind.SCRIPT, Vendor.WEAVEWORKS, "")
    assert (found.arguments, found.report) == (None, None)


def test_d30_an_unknown_engine_leaves_the_router_unknown(tmp_path: Path) -> None:
    unseen = Unseen(reason="it does not answer")
    engine = ScriptedEngine({})

    found = observe_weave(replace(DOCKER, engine=unseen, containers=unseen), engine, root=str(tmp_path))

    assert engine.asked == []
    assert (found.arguments, found.report) == (unseen, unseen)


def test_w1_without_script_and_container_there_is_no_weave(tmp_path: Path) -> None:
    engine = ScriptedEngine({"/plugins": []})

    assert observe_weave(replace(DOCKER, containers=()), engine, root=str(tmp_path)) == NO_WEAVE
    assert engine.asked == ["/plugins"]


def test_w18_docker_s_plugin_is_another_kind(tmp_path: Path) -> None:
    found = observe(DOCKER, {"/plugins": [{"Name": "weaveworks/net-plugin:latest_release"}]}, tmp_path)

    assert found.kind is WeaveKind.PLUGIN


def test_w18_the_add_on_of_kubernetes_is_another_kind(tmp_path: Path) -> None:
    pod = replace(DOCKER, containers=(container("k8s_weave_weave-net-x_kube-system_0"),))
    (tmp_path / "data/var/lib/weave").mkdir(parents=True)
    (tmp_path / "data/var/lib/weave/weave-netdata.db").touch()

    assert observe(pod, {}, tmp_path).kind is WeaveKind.PLUGIN
    assert observe(replace(DOCKER, containers=()), {}, tmp_path / "data").kind is WeaveKind.PLUGIN


def test_d30_an_engine_that_does_not_answer_leaves_the_router_unknown(tmp_path: Path) -> None:
    found = observe(DOCKER, {"/plugins": TimeoutError("no answer in time")}, tmp_path)

    assert isinstance(found.arguments, Unseen)
    assert isinstance(found.report, Unseen)


@pytest.mark.parametrize(
    ("image", "vendor"),
    [
        ("weaveworks/weave:2.8.1", Vendor.WEAVEWORKS),
        ("rajchaudhuri/weave:2.9.0", Vendor.RAJCHAUDHURI),
        ("registry.example/weaveworks/weave:2.8.1", Vendor.OTHER),
        ("sha256:00ff", None),
    ],
)
def test_i7_the_vendor_is_the_prefix_of_the_image(tmp_path: Path, image: str, vendor: Vendor | None) -> None:
    assert observe(DOCKER, {"/containers/weave/json": inspected(image, "exited")}, tmp_path).vendor is vendor
