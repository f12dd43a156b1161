"""The agent's version; debian/changelog and CHANGELOG.md say the same (a test compares them)."""

VERSION = "0.1.0"
