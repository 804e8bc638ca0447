"""The whole configuration, as `mailproxy.config.document.load` returns it."""

import os
from collections.abc import Mapping

from attrs import field, frozen

from mailproxy.config.admin import Admin
from mailproxy.config.backend import Backend
from mailproxy.config.bans import Bans
from mailproxy.config.duration import IDLE, LOOKS, RAMP
from mailproxy.config.frontend import Frontend
from mailproxy.config.key import Fields, Tables, about, about_table
from mailproxy.config.kind import Kind, WrongValue, integer, text
from mailproxy.config.limits import Limits
from mailproxy.config.log import Log
from mailproxy.config.measure import Counted, Measure
from mailproxy.config.model import MailProtocol
from mailproxy.config.resolvers import Resolvers
from mailproxy.config.rule import rule_key
from mailproxy.config.tls import TlsProfile
from mailproxy.config.words import described, quoted

MAX_WORKERS = 256
"""More processes than a machine has processors only cost memory."""


def _workers(value: int | str) -> int:
    needs = f'needs a whole number from 0 to {MAX_WORKERS}, or "auto"'
    if isinstance(value, str):
        if value == "auto":
            return len(os.sched_getaffinity(0))
        raise WrongValue(f"is {quoted(value)}, {needs}")
    if not 0 <= value <= MAX_WORKERS:
        raise WrongValue(f"is {described(value)}, {needs}")
    return value


_WORKERS: Kind[int] = Kind(
    (int, str),
    'a whole number or "auto"',
    _workers,
    schema={"oneOf": [{"type": "integer", "minimum": 0, "maximum": MAX_WORKERS}, {"const": "auto"}]},
)


@frozen(kw_only=True)
class Config:
    """One configuration file."""

    workers: int = field(
        default=0,
        metadata=about(
            _WORKERS,
            "Processes that have the sessions, beside one that has the configuration, the checks and the names; "
            '[workers.md](workers.md). `"auto"`: one for each processor. 0: one process does everything, which is '
            "enough for a site with few processors. With `mailproxy run` alone. A change needs a restart.",
            values=f'0 to {MAX_WORKERS}, `"auto"`',
            haproxy=("nbthread", "nbproc"),
            needs_restart=True,
        ),
    )
    user: str | None = field(
        default=None,
        metadata=about(
            text('the name of a user such as "mailproxy"'),
            "The user that `mailproxy run`, started as root, becomes when it listens and has read the keys; "
            "[running.md](running.md). None: it stays who it is, which is right under systemd with "
            "`User=`. A change needs a restart.",
            haproxy=("user", "uid"),
            default="none",
            values="name",
            needs_restart=True,
        ),
    )
    group: str | None = field(
        default=None,
        metadata=about(
            text('the name of a group such as "mailproxy"'),
            "The group for that. None: the user's own. The user's further groups come with it. A change needs a "
            "restart.",
            haproxy=("group", "gid"),
            default="none",
            values="name",
            needs_restart=True,
        ),
    )
    maxconn: int = field(
        default=0,
        metadata=about(
            integer(0, 10_000_000),
            "The most clients of all frontends at once. 0: as many as the limit on open files allows (two per "
            "client), which differs between machines.",
            haproxy="maxconn",
        ),
    )
    hard_stop_after: float = field(
        default=10.0,
        metadata=about(
            IDLE,
            "After SIGTERM no client is accepted, and sessions have this time to end. IMAP sessions never end by "
            "themselves, so it should be short; mail clients reconnect. The times of the `drain-` keys come first.",
            haproxy="hard-stop-after",
        ),
    )
    drain_delay: float = field(
        default=0.0,
        metadata=about(
            RAMP,
            "For this time after SIGTERM mailproxy reports that it is not ready, but still accepts clients. For "
            "balancers, which need a few checks to send clients elsewhere.",
            haproxy="grace",
        ),
    )
    drain_timeout: float = field(
        default=0.0,
        metadata=about(
            RAMP,
            "After that, for this time no client is accepted, and sessions may end by themselves. Deliveries do so "
            "within minutes, IMAP does not.",
        ),
    )
    drain_spread: float = field(
        default=0.0,
        metadata=about(
            RAMP,
            "After that, sessions are ended at random moments of this time, so that ten thousand clients do not "
            "reconnect in the same second.",
            haproxy="close-spread-time",
        ),
    )
    watch: float = field(
        default=60.0,
        metadata=about(
            LOOKS,
            "How often the files of certificates, and lists of networks, are checked; new ones are used from then on. "
            "`0s`: only a reload checks. A check of a file costs a few microseconds. Less than `1s` means `1s`.",
        ),
    )
    log: Log = field(
        default=Log(),
        metadata=about_table(Fields(Log), "The log, [see below](#log).", haproxy="log"),
    )
    admin: Admin = field(
        default=Admin(),
        metadata=about_table(
            Fields(Admin),
            "How administrators reach a running service, [see below](#admin-asking-a-running-service).",
            haproxy="stats",
        ),
    )
    limits: Limits = field(
        default=Limits(),
        metadata=about_table(
            Fields(Limits),
            "What one source may ask of all frontends together, [see below](#limits).",
            haproxy=("stick-table", "track-sc0", "track-sc1"),
        ),
    )
    bans: Bans = field(
        default=Bans(),
        metadata=about_table(Fields(Bans), "Banned addresses and networks, [bans.md](bans.md)."),
    )
    tls: Mapping[str, TlsProfile] = field(
        factory=dict,
        metadata=about_table(
            Tables(Fields(TlsProfile)),
            "`[tls.NAME]`: TLS with clients.",
            values="tables",
            default="none",
            haproxy="bind … ssl",
        ),
    )
    frontends: tuple[Frontend, ...] = field(
        metadata=about_table(
            Tables(Fields(Frontend)),
            "`[frontend.NAME]`: what clients connect to.",
            values="tables",
            is_needed=True,
            haproxy=("frontend", "listen"),
            name="frontend",
        ),
    )
    backends: Mapping[str, Backend] = field(
        metadata=about_table(
            Tables(Fields(Backend)),
            "`[backend.NAME]`: the servers for clients.",
            values="tables",
            is_needed=True,
            haproxy="backend",
            name="backend",
        ),
    )
    resolvers: Resolvers = field(
        factory=Resolvers,
        metadata=about_table(
            Fields(Resolvers),
            "How host names are looked up, [see below](#resolvers-how-host-names-are-looked-up).",
            haproxy="resolvers",
        ),
    )
    text: str = field(default="", eq=False, repr=False)
    """The file's words, as they were read."""

    @property
    def used_backends(self) -> tuple[tuple[str, MailProtocol], ...]:
        """The backends that frontends and their rules name, each with a protocol that it is used for."""
        used = ((name, frontend.protocol) for frontend in self.frontends for name in frontend.backends)
        return tuple(dict.fromkeys(used))

    @property
    def measures(self) -> frozenset[Measure]:
        """What rules want to be counted of sources."""
        return frozenset(
            measure for frontend in self.frontends for rule in frontend.rules for measure in rule.condition.measures
        )

    @property
    def counts_refused_logins(self) -> bool:
        """True if a rule asks for the refused logins of sources, which may be at any frontend."""
        return any(one.counted == "auth-failures" for one in self.measures)

    @property
    def rule_rates(self) -> frozenset[tuple[Counted, float]]:
        """The rates of rules that differ from those of `limits`: what is counted, and in what time."""
        rates = {(one.counted, one.seconds) for one in self.measures if one.counted != "source-connections"}
        return frozenset(rates - set(self.limits.seconds.items()))

    @property
    def list_files(self) -> Mapping[str, str]:
        """The paths of the files that list networks, each with a key that names it."""
        banned = {path: f"bans.lists[{number}]" for number, path in enumerate(self.bans.lists)}
        return banned | {
            path: rule_key(frontend.name, number)
            for frontend in reversed(self.frontends)
            for number, rule in reversed(tuple(enumerate(frontend.rules)))
            for path in rule.list_files
        }

    @property
    def frontend_logs(self) -> Mapping[str, Log]:
        """The logs of the frontends that have their own, by the frontend's name."""
        logs = {frontend.name: frontend.log.over(self.log) for frontend in self.frontends}
        return {name: log for name, log in logs.items() if log != self.log}
