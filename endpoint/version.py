"""The version of this program: the agent's, since both come from one source package (a test holds them together)."""

VERSION = "0.1.0"
