"""The machine's own architecture is dpkg's first."""

from pathlib import Path

from agent.state.native_architecture import native_architecture


def test_the_first_of_dpkgs_architectures_is_the_machines_own(tmp_path: Path) -> None:
    (tmp_path / "arch").write_text("arm64\narmhf\n")

    assert native_architecture(str(tmp_path / "arch")) == "arm64"
    assert native_architecture(str(tmp_path / "none")) == ""
