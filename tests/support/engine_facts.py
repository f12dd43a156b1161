"""What the agent's own code observes on a machine with an engine, as values."""

import base64
import pickle
import shutil
from pathlib import Path

from agent.core.model.docker import DockerFacts
from tests.support.engines import EngineMachine

_CHECKOUT = Path(__file__).resolve().parents[2]
_CODE = "/srv/code"
_OBSERVE = """import base64, pickle
from agent.host.docker.observer import LocalEngines
print(base64.b64encode(pickle.dumps(LocalEngines().docker())).decode())
"""


def observe_docker(engine: EngineMachine, environment: str = "") -> DockerFacts:
    """Return what the code of this checkout observes when it runs on the machine, in a shell's words of environment."""
    if not engine.machine.path(_CODE).exists():
        no_code = shutil.ignore_patterns("__pycache__")
        shutil.copytree(_CHECKOUT / "agent", engine.machine.path(f"{_CODE}/agent"), ignore=no_code)
        engine.machine.write(f"{_CODE}/observe.py", _OBSERVE)
    done = engine.machine.run(f"{environment} PYTHONPATH={_CODE} python3 {_CODE}/observe.py")
    assert done.returncode == 0, done.stderr
    found = pickle.loads(base64.b64decode(done.stdout))  # noqa: S301 - written by this checkout's code
    assert isinstance(found, DockerFacts)
    return found
