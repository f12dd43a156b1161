"""The SBOM in each package: CycloneDX 1.5, complete, and the same for the same build."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.version import VERSION
from tests.conftest import CHECKOUT

pytestmark = pytest.mark.xdist_group("package")
PACKAGES = ("maestro-agent", "maestro-endpoint")
CONTROL = """\
Package: some-server
Version: 1.2-3
Architecture: all
Maintainer: Somebody <somebody@example.org>
Depends: python3 (>= 3.11) | python3-tomli, python3:any,
 adduser
Recommends: tzdata
Description: does something
 At length.
"""


def sbom(deb: Path, package: str) -> Any:
    file = next(deb.parent.glob(f"{package}_*_all.deb"))
    path = f"./usr/share/doc/{package}/sbom.cdx.json"
    command = ["sh", "-c", 'dpkg-deb --fsys-tarfile "$1" | tar -xO "$2"', "sh", str(file), path]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def dependencies(deb: Path, package: str) -> set[str]:
    file = next(deb.parent.glob(f"{package}_*_all.deb"))
    command = ["dpkg-deb", "--field", str(file), "Depends", "Recommends", "Suggests"]
    fields = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    relations = re.sub(r"(?m)^\w+: ", ",", fields)
    return {re.split(r"[ :(]", one.strip())[0] for one in re.split(r"[,|\n]", relations) if one.strip()}


@pytest.mark.parametrize("package", PACKAGES)
def test_the_sbom_has_the_package_and_everything_it_depends_on(deb: Path, package: str) -> None:
    document = sbom(deb, package)

    assert (document["bomFormat"], document["specVersion"], document["version"]) == ("CycloneDX", "1.5", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", document["serialNumber"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", document["metadata"]["timestamp"])
    described = document["metadata"]["component"]
    assert (described["name"], described["version"]) == (package, VERSION)
    assert described["purl"] == f"pkg:deb/debian/{package}@{VERSION}?arch=all"
    names = [component["name"] for component in document["components"]]
    assert names == sorted(dependencies(deb, package))
    assert all(component["purl"] == f"pkg:deb/debian/{component['name']}" for component in document["components"])
    refs = [component["bom-ref"] for component in document["components"]]
    assert document["dependencies"][0] == {"ref": described["bom-ref"], "dependsOn": refs}


def test_relations_are_read_with_alternatives_and_scopes(tmp_path: Path) -> None:
    (tmp_path / "control").write_text(CONTROL)
    command = [sys.executable, str(CHECKOUT / "tools/sbom"), str(tmp_path / "control")]
    made = [
        subprocess.run(command, env={"SOURCE_DATE_EPOCH": "0"}, capture_output=True, check=True).stdout
        for _ in range(2)
    ]
    document = json.loads(made[0])

    found = {
        component["name"]: (component["scope"], [one["value"] for one in component["properties"]])
        for component in document["components"]
    }
    assert found == {
        "adduser": ("required", ["adduser"]),
        "python3": ("required", ["python3 (>= 3.11) | python3-tomli", "python3:any"]),
        "python3-tomli": ("required", ["python3 (>= 3.11) | python3-tomli"]),
        "tzdata": ("optional", ["tzdata"]),
    }
    assert document["metadata"]["component"]["description"] == "does something"
    assert made[0] == made[1]
