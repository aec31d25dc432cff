"""A Redis of the test's own, without persistence."""

from tests.support.services import Service, needed


class Redis(Service):
    """`memory` bounds it in bytes (0: not at all), with `policy` for what happens then."""

    def __init__(self, memory: int = 0, policy: str = "noeviction") -> None:
        self.program = needed("redis-server")
        self.memory = memory
        self.policy = policy
        super().__init__()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        return [
            self.program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
            "--dir", str(self.folder), "--maxmemory", str(self.memory), "--maxmemory-policy", self.policy,
        ]  # fmt: skip
