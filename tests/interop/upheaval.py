"""
Everything that can happen to a service with workers in years, within minutes, under load.

New clients come all the time to two frontends, and idle sessions stay. Every other second one thing happens, at random.
What clients see is counted by its cause. Type ``python -m tests.interop.upheaval 600`` for ten minutes of it.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import ssl
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from mailproxy.control.call import Call
from mailproxy.control.command import BY_NAME
from mailproxy.control.grammar import Request
from tests.interop import certificates
from tests.interop.certificates import SERVER_NAME, Certificates
from tests.interop.conftest import short_folder
from tests.interop.front import Front, frontend
from tests.interop.ports import free_port
from tests.interop.waiting import PATIENCE_SECONDS, until

GREETING = b"* OK ready\r\n"
WORKERS = 2
COMERS = 12  # clients of each frontend that come again and again
SECONDS_BETWEEN = 2.0
AFTERMATH_SECONDS = 1.5  # what clients see of a killed worker, they see within this time


@frozen
class Resources:
    """What the processes have: by process, open files and private memory in KiB."""

    files: Mapping[str, int]
    memory: Mapping[str, int]

    def __str__(self) -> str:
        """List them by process."""
        return ", ".join(f"{name}: {self.files[name]} files, {self.memory[name]} KiB" for name in sorted(self.files))


def _name_of(pid: int) -> str:
    """The name of a process in ``ps``; empty if it has just ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def resources(front: Front) -> Resources:
    """Read them from the kernel."""
    files, memory = {}, {}
    names: Counter[str] = Counter()
    for pid in front.process.family():
        folder = Path(f"/proc/{pid}")
        name = (folder / "comm").read_text().strip()
        names[name] += 1
        name += "+" * (names[name] - 1)
        files[name] = len(list((folder / "fd").iterdir()))
        lines = (line.split() for line in (folder / "smaps_rollup").read_text().splitlines())
        memory[name] = sum(int(words[1]) for words in lines if words[0].startswith("Private_"))
    return Resources(files, memory)


@define
class Upheaval:
    """The front, its clients, and what happens to them."""

    front: Front
    folder: Path
    pki: Certificates
    ports: Mapping[str, int]
    configure: Callable[[int], dict[str, Any]]
    idle: int
    chance: random.Random
    before: Resources | None = None
    after: Resources | None = None
    """What the processes have with the idle sessions alone, before and after all that happens."""
    happened: Counter[str] = field(factory=Counter)
    seen: Counter[str] = field(factory=Counter)
    """What clients have seen, by frontend and cause."""
    unexplained: list[str] = field(factory=list)
    _context: ssl.SSLContext = field(init=False)
    _killed: float = -1000.0
    _drained: float = -1000.0
    _over: asyncio.Event = field(factory=asyncio.Event)
    _living: int = 0
    _door: asyncio.Semaphore = field(factory=lambda: asyncio.Semaphore(COMERS))
    """Few of those who stay come at a time: this process serves as well, and must not be late."""
    _turn: float = field(factory=time.monotonic)
    """When this process had its last turn without work."""
    _number: int = 0

    def __attrs_post_init__(self) -> None:
        self._context = self.pki.client()

    # Clients.

    def _fail(self, who: str, stage: str, error: BaseException) -> None:
        """Count a failure by its cause."""
        now = time.monotonic()
        reason = f"{who}: {stage}: {type(error).__name__}"
        if self._over.is_set():
            return
        # This process may be late itself: what it sees now may have been so since its last turn.
        if now - self._killed < AFTERMATH_SECONDS + (now - self._turn):
            self.seen[f"{who}: worker was killed"] += 1
        elif isinstance(error, ConnectionRefusedError) and who == "drained" and now - self._drained < 5.0:
            self.seen[f"{who}: refused during a drain"] += 1
        else:
            self.seen[reason] += 1
            self.unexplained.append(f"{now:.2f} {reason}: {error}, {now - self._killed:.2f} s after a kill")

    async def _connect(self, name: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(
            "127.0.0.1", self.ports[name], ssl=self._context, server_hostname=SERVER_NAME
        )

    async def _come(self, name: str) -> None:
        """Come, say something, and go; again and again."""
        while not self._over.is_set():
            stage = "connect"
            writer = None
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    reader, writer = await self._connect(name)
                    stage = "greeting"
                    _expect(await reader.readline(), GREETING)
                    stage = "echo"
                    writer.write(b"a NOOP\r\n")
                    _expect(await reader.readline(), b"a NOOP\r\n")
                self.seen[f"{name}: served"] += 1
            except (OSError, EOFError, TimeoutError) as error:
                self._fail(name, stage, error)
                await asyncio.sleep(0.05)
            finally:
                if writer is not None:
                    writer.transport.abort()
            await asyncio.sleep(0.05)

    async def _stay(self) -> None:
        """Stay connected, and come back after the end of a session."""
        while not self._over.is_set():
            writer = None
            stage = "begin"
            try:
                async with self._door, asyncio.timeout(PATIENCE_SECONDS):
                    reader, writer = await self._connect("front")
                    _expect(await reader.readline(), GREETING)
                stage = "middle"
                self._living += 1
                try:
                    _expect(await reader.readline(), b"never")
                finally:
                    self._living -= 1
            except (OSError, EOFError, TimeoutError) as error:
                self._fail("idle", stage, error)
                await asyncio.sleep(self.chance.random())
            finally:
                if writer is not None:
                    writer.transport.abort()

    # What happens.

    def _ask(self, command: str, **arguments: str) -> None:
        with Call(str(self.folder / "admin.sock")) as call:
            *_, last = call.ask(Request(BY_NAME[command], arguments))
            assert last["type"] == "done", last

    async def _do(self, what: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(None, what)

    def _reload(self) -> None:
        self._number += 1
        self.front.write(self.configure(self._number))
        self._ask("reload")

    def _renew(self) -> None:
        self._number += 1
        new = self.folder / "mail.new"
        shutil.copy(self.pki.server_ec if self._number % 2 else self.pki.server_rsa, new)
        new.chmod(0o600)
        new.rename(self.folder / "mail.pem")

    def _workers(self) -> list[int]:
        return [pid for pid in self.front.process.family() if _name_of(pid).startswith("mailproxy-w")]

    def _kill(self) -> None:
        workers = until(self._workers, "a worker that runs")
        self._killed = time.monotonic()
        os.kill(self.chance.choice(workers), signal.SIGKILL)

    def _drain(self) -> None:
        self._drained = time.monotonic()
        self._ask("drain frontend", frontend="drained")
        self._ask("enable frontend", frontend="drained")
        self._drained = time.monotonic()

    def _set_state(self) -> None:
        self._ask("set server state", server="recorder/b", state=self.chance.choice(["ready", "drain", "maint"]))

    def _reopen(self) -> None:
        log = self.folder / "proxy.log"
        log.rename(self.folder / "proxy.log.1")
        self.front.process.send(signal.SIGUSR1)
        until(log.exists, "the new log file")

    async def _upset(self, until_then: float, pause: float) -> None:
        """Let everything happen once in a random order, again and again, at least once."""
        everything = [self._reload, self._renew, self._kill, self._drain, self._set_state, self._reopen]
        is_first = True
        while is_first or time.monotonic() < until_then:
            for what in self.chance.sample(everything, len(everything)):
                if is_first or time.monotonic() < until_then:
                    self.happened[what.__name__.lstrip("_")] += 1
                    await self._do(what)
                    await asyncio.sleep(pause)
            is_first = False

    async def run(self, seconds: float, pause: float = SECONDS_BETWEEN) -> None:
        """Let it happen for some time."""
        staying = [asyncio.create_task(self._stay()) for _ in range(self.idle)]
        staying.append(asyncio.create_task(self._tick()))
        await self._until_quiet()
        # A first round of everything: what is made once, is made.
        for what in (self._reload, self._renew, self._drain, self._set_state, self._reopen):
            await self._do(what)
        await asyncio.sleep(2.0)
        self.before = await self._measure()
        coming = [asyncio.create_task(self._come(name)) for name in self.ports for _ in range(COMERS)]
        await self._upset(time.monotonic() + seconds, pause)
        await asyncio.sleep(AFTERMATH_SECONDS)
        for task in coming:
            task.cancel()
        await asyncio.gather(*coming, return_exceptions=True)
        await self._until_quiet()
        self.after = await self._measure()
        self._over.set()
        for task in staying:
            task.cancel()
        await asyncio.gather(*staying, return_exceptions=True)

    async def _measure(self) -> Resources:
        return await asyncio.get_running_loop().run_in_executor(None, resources, self.front)

    async def _tick(self) -> None:
        while not self._over.is_set():
            self._turn = time.monotonic()
            await asyncio.sleep(0.05)

    async def _until_quiet(self) -> None:
        """Wait until all workers and idle sessions are there, and nothing else is under way."""
        deadline = time.monotonic() + 2 * PATIENCE_SECONDS
        while self._living < self.idle or len(self._workers()) < WORKERS:
            assert time.monotonic() < deadline, f"{self._living} of {self.idle} idle sessions are there"
            await asyncio.sleep(0.1)
        await asyncio.sleep(1.0)


def _expect(got: bytes, wanted: bytes) -> None:
    if got != wanted:
        raise EOFError(f"got {got[:80]!r}")


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Be a server: greet and echo."""
    try:
        writer.write(GREETING)
        while data := await reader.read(65536):
            writer.write(data)
    except OSError:
        pass
    finally:
        writer.close()


def configuration_of(folder: Path, ports: Mapping[str, int], servers: Mapping[str, int], number: int) -> dict[str, Any]:
    """Return the configuration of the reload with this number."""
    return {
        "workers": WORKERS,
        "watch": "1s",
        "admin": {"socket": str(folder / "admin.sock")},
        "log": {"format": "json", "target": "stdout"},
        "tls": {"default": {"certificates": [str(folder / "mail.pem")]}},
        "frontend": {
            name: frontend(port, "recorder")
            | {"timeout": {"client": f"{1000 + number % 7}s"}}
            | ({"log": {"target": f"{folder}/proxy.log"}} if name == "drained" else {})
            for name, port in ports.items()
        },
        "backend": {
            "recorder": {
                "send-proxy": "none",
                "check": {"type": "tcp", "inter": "2s"},
                "server": {
                    name: {"address": f"127.0.0.1:{port}", "weight": 50 + (number * 7 + index) % 50}
                    for index, (name, port) in enumerate(servers.items())
                },
            }
        },
    }


async def upheave(
    folder: Path, pki: Certificates, seconds: float, *, idle: int = 500, pause: float = SECONDS_BETWEEN, seed: int = 1
) -> Upheaval:
    """Start everything, let it happen for some seconds, and return what came of it."""
    listening = [await asyncio.start_server(_serve, "127.0.0.1", 0, backlog=1000) for _ in range(2)]
    servers = {name: one.sockets[0].getsockname()[1] for name, one in zip("ab", listening, strict=True)}
    ports = {"front": free_port(), "drained": free_port()}
    shutil.copy(pki.server_ec, folder / "mail.pem")
    (folder / "mail.pem").chmod(0o600)

    def configure(number: int) -> dict[str, Any]:
        return configuration_of(folder, ports, servers, number)

    loop = asyncio.get_running_loop()
    front = await loop.run_in_executor(None, Front, folder, configure(0))
    made = Upheaval(front, folder, pki, ports, configure, idle, random.Random(seed))
    try:
        await made.run(seconds, pause)
    finally:
        await loop.run_in_executor(None, front.__exit__, *sys.exc_info())
        for one in listening:
            one.close()
    return made


def main() -> None:
    """Let it happen for a given number of seconds, and print what came of it."""
    with short_folder() as folder, short_folder() as for_certificates:
        made = asyncio.run(upheave(folder, certificates.make(for_certificates), float(sys.argv[1])))
        levels = Counter(event["level"] for event in made.front.events())
        serious = [event for event in made.front.events() if event["level"] not in ("info", "debug")]
    print(f"happened: {dict(made.happened)}")
    for what, count in sorted(made.seen.items()):
        print(f"{count:8} {what}")
    print(*made.unexplained[:40], sep="\n")
    print(f"log: {dict(levels)}")
    print(*(f"{event['time']} {event.get('message', event.get('reason'))}" for event in serious[:40]), sep="\n")
    print(f"before: {made.before}\nafter:  {made.after}")


if __name__ == "__main__":
    main()
