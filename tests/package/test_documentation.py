"""The package brings every page that is written for operators."""

from tests.conftest import CHECKOUT

FOR_DEVELOPERS = {"architecture", "differences", "docker-cases", "glossary"}


def test_every_page_for_operators_is_in_the_package() -> None:
    listed = {line for line in (CHECKOUT / "debian/maestro-agent.docs").read_text().split() if line.endswith(".md")}

    pages = {page.stem for page in (CHECKOUT / "docs").glob("*.md")}
    assert listed == {f"docs/{page}.md" for page in pages - FOR_DEVELOPERS}
