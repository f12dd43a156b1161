"""The part of python-apt's apt_inst that the agent uses; python3-apt's stub has no types."""

from collections.abc import Callable

class TarMember:
    name: str
    linkname: str
    size: int
    def isreg(self) -> bool: ...
    def islnk(self) -> bool: ...
    def issym(self) -> bool: ...

class TarFile:
    def extractdata(self, member: str) -> bytes: ...
    def go(self, callback: Callable[[TarMember, bytes], object], member: str = ..., /) -> bool: ...

class DebFile:
    control: TarFile
    data: TarFile
    def __init__(self, file: str, /) -> None: ...
