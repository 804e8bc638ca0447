"""All names that a service follows, with one look-up for each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from attrs import evolve, frozen
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger, LogLevel

from mailproxy import config
from mailproxy.config.model import ResolvePrefer
from mailproxy.names.host import Host
from mailproxy.names.machine import HOSTS_FILE, RESOLV_CONF
from mailproxy.names.question import Question, canonical
from mailproxy.names.record import Record, shown
from mailproxy.names.resolver import Resolver
from mailproxy.names.service import Service
from mailproxy.names.source import Observer, Shared, Source
from mailproxy.names.trouble import Trouble
from mailproxy.names.watch import Watch

Changed = Callable[[tuple[Record, ...]], None]


class Names:
    """
    Follows names in the background: nothing waits for DNS, and no question is sent before the reactor runs.

    `reactor` needs timers, TCP and readers; `hosts` and `resolv_conf` are paths.
    """

    def __init__(
        self, settings: config.Resolvers, reactor: Any, *, hosts: str = HOSTS_FILE, resolv_conf: str = RESOLV_CONF
    ) -> None:
        self._settings = settings
        self._reactor = reactor
        self._resolver = Resolver(settings, reactor, hosts=hosts, resolv_conf=resolv_conf)
        self._trouble = Trouble(reactor)
        self._hosts: Shared[str, Host] = Shared(lambda name: Host(name, self._watch))
        self._services: Shared[str, Service] = Shared(lambda name: Service(name, self._watch, self._hosts))
        self._views = Shared(self._view)
        self._followings: set[Following] = set()

    def follow(
        self, address: config.NamedServer | config.SrvServer, prefer: ResolvePrefer, changed: Changed
    ) -> Following:
        """
        Call `changed` with the records of a name when they are known, and again whenever they change.

        () means that the name has no addresses any more. `changed` is not called before this returns, nor when DNS
        fails: the last good answer stays. ValueError for an invalid name.
        """
        if isinstance(address, config.SrvServer):
            wanted, port = Wanted(canonical(address.name), True, prefer), None
        else:
            wanted, port = Wanted(canonical(address.host), False, prefer), address.port
        following = Following(self._views, wanted, port, changed, self._reactor, self._followings.discard)
        self._followings.add(following)
        return following

    def stop(self) -> None:
        """Stop following all names; no timer or question is left on the reactor."""
        for following in tuple(self._followings):
            following.stop()
        self._trouble.stop()

    def _watch(self, question: Question, changed: Observer) -> Watch:
        return Watch(question, self._resolver, self._settings, self._reactor, self._trouble, changed)

    def _view(self, wanted: Wanted) -> View:
        sources: Shared[str, Host] | Shared[str, Service] = self._services if wanted.is_service else self._hosts
        return View(wanted, partial(sources.join, wanted.name), partial(sources.leave, wanted.name))


class Following:
    """One follower's subscription to a name."""

    _log = Logger()

    def __init__(
        self,
        views: Shared[Wanted, View],
        wanted: Wanted,
        port: int | None,
        changed: Changed,
        reactor: Any,
        stopped: Callable[[Following], None],
    ) -> None:
        self._views = views
        self._wanted = wanted
        self._port = port
        self._changed = changed
        self._stopped = stopped
        self._is_stopped = False
        self._call: IDelayedCall | None = None
        self._view = views.join(wanted, self._report)
        if self._view.records is not None:
            self._call = reactor.callLater(0.0, self._report)

    def stop(self) -> None:
        """Stop following; may be called twice, and from `changed`."""
        if self._is_stopped:
            return
        self._is_stopped = True
        self._cancel()
        self._views.leave(self._wanted, self._report)
        self._stopped(self)

    def _cancel(self) -> None:
        call, self._call = self._call, None
        if call is not None and call.active():
            call.cancel()

    def _report(self) -> None:
        self._cancel()
        records = self._view.records
        assert records is not None, "a view calls back only with records"
        if self._port is not None:
            records = tuple(evolve(record, port=self._port) for record in records)
        try:
            self._changed(records)
        except Exception:
            # The follower's bug: other followers of the name continue.
            self._log.failure("bug in a follower of {name}", name=str(self._wanted))


@frozen
class Wanted:
    """A followed name: a host's or a service's, with the preferred family."""

    name: str
    is_service: bool
    prefer: ResolvePrefer

    def __str__(self) -> str:
        """Write it as the configuration does."""
        return f"srv:{self.name}" if self.is_service else self.name


class View(Source):
    """The records of a host or service as last reported; another order is not a change (mutable)."""

    _log = Logger()

    def __init__(
        self, wanted: Wanted, join: Callable[[Observer], Host | Service], leave: Callable[[Observer], None]
    ) -> None:
        super().__init__()
        self.records: tuple[Record, ...] | None = None
        """None while they are unknown."""
        self._wanted = wanted
        self._leave = leave
        self._source = join(self._records_changed)
        self._records_changed()

    def stop(self) -> None:
        """Stop watching."""
        self._leave(self._records_changed)

    def _records_changed(self) -> None:
        old, new = self.records, self._source.records(self._wanted.prefer)
        if new is None or (old is not None and set(old) == set(new)):
            return
        self.records = new
        self._log.emit(
            LogLevel.info if new else LogLevel.warn,
            "{name}: {old} -> {new}",
            event="name",
            name=str(self._wanted),
            old="not resolved" if old is None else shown(old),
            new=shown(new) if new else f"none ({self._source.denial})",
        )
        self.notify()
