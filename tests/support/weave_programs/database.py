"""What a router keeps in the volume of `weavedb`: range and addresses, peers, its name is not among it (I10)."""

import ipaddress
import json
import threading
from dataclasses import dataclass, field
from pathlib import Path

PATH = Path("/weavedb/weave-net.json")


@dataclass
class Database:
    """The persisted state."""

    range: str = ""
    addresses: dict[str, str] = field(default_factory=dict)
    """Owner (a container, or an endpoint of Docker's network) and address, without the length of the prefix."""
    peers: list[str] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @classmethod
    def read(cls) -> "Database":
        """Return what the volume holds."""
        try:
            kept = json.loads(PATH.read_text())
        except FileNotFoundError:
            return cls()
        return cls(range=kept["range"], addresses=kept["addresses"], peers=kept["peers"])

    def save(self) -> None:
        """Write it to the volume."""
        kept = {"range": self.range, "addresses": self.addresses, "peers": self.peers}
        PATH.write_text(json.dumps(kept))

    def use_range(self, wanted: str) -> bool:
        """Take a range; return whether data of another range was there, which is deleted (W8)."""
        deleted = bool(self.addresses) and self.range != wanted
        if self.range != wanted:
            self.range, self.addresses = wanted, {}
        self.save()
        return deleted

    def allocate(self, owner: str, wanted: str = "") -> str:
        """Return the owner's address with the length of the prefix, the one of before if it has one."""
        with self.lock:
            network = ipaddress.ip_network(self.range)
            taken = set(self.addresses.values())
            if owner not in self.addresses:
                free = wanted or next(str(one) for one in network.hosts() if str(one) not in taken)
                self.addresses[owner] = free
                self.save()
            return f"{self.addresses[owner]}/{network.prefixlen}"

    def release(self, address: str) -> None:
        """Free an address."""
        with self.lock:
            self.addresses = {owner: one for owner, one in self.addresses.items() if one != address}
            self.save()
