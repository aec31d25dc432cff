"""How Django's cache writes into Redis: as JSON. Whoever can write there must not be able to run code here."""

import json
from typing import Any


class JsonSerializer:
    """For the option `serializer` of Django's RedisCache; integers stay bare, so that Redis can add to them."""

    def dumps(self, value: Any) -> bytes | int:
        return value if type(value) is int else json.dumps(value).encode()

    def loads(self, data: bytes) -> Any:
        """None, as for what is not there, where the data are no JSON."""
        try:
            return json.loads(data)
        except ValueError:
            return None
