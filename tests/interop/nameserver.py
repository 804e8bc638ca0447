"""A DNS server for one zone; the zone can change, and the server can stop answering."""

import contextlib
import socket
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from twisted.names import dns

TTL = 1  # seconds; the shortest that anybody heeds
_NO_SUCH_NAME = 3  # RFC 1035 section 4.1.1
_SERVER_FAILURE = 2


class NameServer:
    """Answers over UDP on loopback; in its `with` block."""

    def __init__(self) -> None:
        self.questions: list[str] = []
        self.is_silent = False
        self.is_failing = False
        self._records: dict[str, list[dns.IEncodableRecord]] = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def address(self) -> str:
        """Where it listens, as the configuration has it."""
        host, port = self._socket.getsockname()
        return f"{host}:{port}"

    def has_addresses(self, name: str, addresses: Iterable[str]) -> None:
        """Set the A records of a name; without records, the name does not exist."""
        self._set(name, [dns.Record_A(address, TTL) for address in addresses])

    def has_services(self, name: str, services: Iterable[tuple[str, int, int]]) -> None:
        """Set the SRV records of a name: target ("" is the root), port and weight."""
        self._set(name, [dns.Record_SRV(0, weight, port, target.encode(), TTL) for target, port, weight in services])

    def _set(self, name: str, records: list[dns.IEncodableRecord]) -> None:
        self._records = {**self._records, name: records}

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                data, client = self._socket.recvfrom(4096)
                if not data:
                    return
                query = dns.Message()
                query.fromStr(data)
                self.questions.append(str(query.queries[0].name))
                if not self.is_silent:
                    self._socket.sendto(self._answer(query), client)

    def _answer(self, query: dns.Message) -> bytes:
        question = query.queries[0]
        name = str(question.name).lower()
        records = self._records.get(name, [])
        answer = dns.Message(query.id, answer=1, recDes=query.recDes, recAv=1)
        answer.queries = query.queries
        if self.is_failing:
            answer.rCode = _SERVER_FAILURE
        elif not records:
            answer.rCode = _NO_SUCH_NAME
        else:
            answer.answers = [
                dns.RRHeader(name.encode(), record.TYPE, dns.IN, TTL, record)
                for record in records
                if question.type == record.TYPE
            ]
        return answer.toStr()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waking:
            waking.sendto(b"", self._socket.getsockname())
        self._thread.join(10)
        self._socket.close()
