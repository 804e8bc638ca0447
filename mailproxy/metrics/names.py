"""All metrics, in the order of docs/metrics.md."""

from __future__ import annotations

from mailproxy.metrics.definition import Definition, Type

METRICS: list[Definition] = []
"""Each metric; complete when this module is imported."""

_FRONTEND = ("frontend", "protocol")
_BACKEND = ("backend", "protocol")
_SERVER = ("backend", "protocol", "server")


def _define(name: str, type: Type, words: str, labels: tuple[str, ...] = ()) -> Definition:
    made = Definition(f"mailproxy_{name}", type, words, labels)
    METRICS.append(made)
    return made


# The service.

BUILD = _define(
    "build", "info", "Versions of mailproxy and of what it runs on; always 1.", ("version", "python", "openssl")
)
START = _define("start_time_seconds", "gauge", "Start of the service, in seconds since 1970.")
STOPPING = _define("stopping", "gauge", "1 from the beginning of the stop, else 0.")
CURRENT_SESSIONS = _define("current_sessions", "gauge", "Clients that are connected to all frontends.")
MAX_SESSIONS = _define("max_sessions", "gauge", "Most clients that may be connected at once.")
READINGS = _define(
    "configurations", "gauge", "Readings of the configuration in use: the latest, and earlier ones with sessions."
)
RELOADS = _define("reloads", "counter", "Reloads, by result: success or failure.", ("result",))
LAST_RELOAD = _define(
    "config_last_success_timestamp_seconds",
    "gauge",
    "When the configuration in use was read, at the start or by a reload, in seconds since 1970.",
)
LAST_RELOAD_OK = _define(
    "config_last_reload_successful", "gauge", "0 if the latest reload failed, so the file is not in use; else 1."
)
WORKERS = _define("workers", "gauge", "Workers that run; 0 if one process does everything.")
WORKERS_CONFIGURED = _define("workers_configured", "gauge", "Workers that should run.")
WORKERS_ENDED = _define("workers_ended", "counter", "Workers that ended unexpectedly; each is replaced.")
CPU = _define("process_cpu_seconds", "counter", "CPU time of all processes, ended workers included.")
LINES_DROPPED = _define(
    "log_lines_dropped", "counter", "Lines of the log that were dropped because the log's target was blocked or failed."
)
LAG = _define(
    "event_loop_lag_seconds",
    "histogram",
    "How late the event loops of all processes were, measured four times a second.",
)
LAG_MAX = _define(
    "process_event_loop_lag_max_seconds", "gauge", "Longest lag of the event loop in the last 5 to 10 s.", ("process",)
)
DESCRIPTORS = _define("process_open_fds", "gauge", "Open file descriptors.", ("process",))
MAX_DESCRIPTORS = _define("process_max_fds", "gauge", "Most file descriptors that may be open.", ("process",))
MEMORY = _define(
    "process_resident_memory_bytes", "gauge", "Resident memory; processes share a part of it.", ("process",)
)
PROCESS_START = _define(
    "process_start_time_seconds", "gauge", "Start of the process, in seconds since 1970.", ("process",)
)

# Frontends.

FRONTEND = _define("frontend", "info", "How a frontend is configured; always 1.", (*_FRONTEND, "tls", "backend"))
FRONTEND_STATE = _define(
    "frontend_state",
    "gauge",
    "1 for the state of the frontend: open, drain or closing; 0 for the others.",
    (*_FRONTEND, "state"),
)
FRONTEND_CURRENT = _define("frontend_current_sessions", "gauge", "Clients that are connected.", _FRONTEND)
FRONTEND_MAX = _define("frontend_max_sessions", "gauge", "Most clients that may be connected at once.", _FRONTEND)
CONNECTIONS = _define("frontend_connections", "counter", "Connections that were accepted.", _FRONTEND)
SESSIONS = _define("frontend_sessions", "counter", "Sessions that reached a server.", _FRONTEND)
ERRORS = _define(
    "frontend_errors",
    "counter",
    "Sessions that ended by an error, by its kind, as `ctl show frontends` has them.",
    (*_FRONTEND, "error"),
)
TERMINATIONS = _define(
    "frontend_terminations",
    "counter",
    "Ends of sessions, by the two letters of the log line (docs/log.md) and the name of the ending.",
    (*_FRONTEND, "letters", "ending"),
)
REJECTIONS = _define(
    "frontend_rejections", "counter", "Clients that a ban or a limit rejected at accept, by which.", (*_FRONTEND, "by")
)
RULE_HITS = _define("frontend_rule_hits", "counter", "Clients that a rule has matched.", (*_FRONTEND, "rule"))
RECEIVED = _define("frontend_received_bytes", "counter", "Bytes from clients, without those of TLS.", _FRONTEND)
SENT = _define("frontend_sent_bytes", "counter", "Bytes from servers to clients, without those of TLS.", _FRONTEND)
RETRIES = _define("frontend_retries", "counter", "Attempts to reach a server after a session's first one.", _FRONTEND)
REFUSED_LOGINS = _define(
    "frontend_refused_logins",
    "counter",
    "Logins that servers refused, if log-refused-logins, auth-failures-per-session or a rule with auth-failures asks "
    "for them; else 0.",
    _FRONTEND,
)
HANDSHAKES = _define("frontend_tls_handshakes", "counter", "TLS handshakes that were completed.", _FRONTEND)
RESUMED = _define("frontend_tls_resumed", "counter", "TLS handshakes that resumed an earlier session.", _FRONTEND)
HANDSHAKE_FAILURES = _define(
    "frontend_tls_handshake_failures", "counter", "TLS handshakes that failed, by reason.", (*_FRONTEND, "reason")
)
VERSIONS = _define("frontend_tls_versions", "counter", "TLS handshakes by version.", (*_FRONTEND, "version"))
CIPHERS = _define("frontend_tls_ciphers", "counter", "TLS handshakes by cipher.", (*_FRONTEND, "cipher"))
GROUPS = _define(
    "frontend_tls_groups", "counter", "TLS handshakes by group of the key exchange.", (*_FRONTEND, "group")
)
DIALOGUES = _define(
    "frontend_starttls_dialogues",
    "counter",
    "Dialogues before STARTTLS by their end; `injected`: bytes followed STARTTLS, an attack.",
    (*_FRONTEND, "outcome"),
)
HEADERS = _define("frontend_proxy_headers", "counter", "PROXY headers that were accepted.", _FRONTEND)
HEADER_FAILURES = _define(
    "frontend_proxy_header_failures",
    "counter",
    "PROXY headers, or the lack of one, that were refused, by reason.",
    (*_FRONTEND, "reason"),
)
TLVS_LEFT_OUT = _define(
    "frontend_tlvs_left_out",
    "counter",
    "TLVs that the PROXY header to a server had no room for.",
    (*_FRONTEND, "tlv"),
)
DURATION = _define(
    "frontend_session_duration_seconds", "histogram", "From accept to the end of the session.", _FRONTEND
)
HANDSHAKE_TIME = _define(
    "frontend_handshake_duration_seconds",
    "histogram",
    "From accept to the end of the TLS handshake, with PROXY header, tarpit and the dialogue before STARTTLS.",
    _FRONTEND,
)
QUEUE_TIME = _define(
    "frontend_queue_duration_seconds", "histogram", "In a queue for a server; only of sessions that waited.", _FRONTEND
)
CONNECT_TIME = _define(
    "frontend_connect_duration_seconds",
    "histogram",
    "From the end of the handshake, or without TLS from accept, to the server's greeting, without the queue.",
    _FRONTEND,
)
FIRST_BYTE_TIME = _define(
    "frontend_first_byte_duration_seconds",
    "histogram",
    "From accept to the server's greeting, the first byte that a client gets from it.",
    _FRONTEND,
)

# Backends and servers.

BACKEND_UP = _define("backend_up", "gauge", "1 if a server takes sessions, full or not; else 0.", _BACKEND)
BACKEND_SERVERS = _define(
    "backend_servers",
    "gauge",
    "Servers that take sessions, full or not, by role: active or backup.",
    (*_BACKEND, "role"),
)
BACKEND_QUEUE = _define("backend_queued_sessions", "gauge", "Clients that wait for a place at a server.", _BACKEND)
SERVER_STATE = _define(
    "server_state",
    "gauge",
    "1 for the state of the server: up, drain, down, no-address or maint; 0 for the others.",
    (*_SERVER, "state"),
)
SERVER_CHANGED = _define(
    "server_last_change_timestamp_seconds",
    "gauge",
    "When the server's state changed, or the service started, in seconds since 1970.",
    _SERVER,
)
SERVER_CURRENT = _define("server_current_sessions", "gauge", "Sessions of the server now.", _SERVER)
SERVER_MAX = _define("server_max_sessions", "gauge", "Most sessions of the server at once; 0: no limit.", _SERVER)
SERVER_WEIGHT = _define("server_weight", "gauge", "Effective weight; 0: it gets no new sessions.", _SERVER)
SERVER_SESSIONS = _define("server_sessions", "counter", "Sessions that reached the server.", _SERVER)
SERVER_FAILED = _define(
    "server_connect_failures", "counter", "Attempts that did not reach the server, or got no greeting.", _SERVER
)
SERVER_REFUSED = _define("server_refusals", "counter", "Attempts that the server refused in words.", _SERVER)
SERVER_RETRIES = _define("server_retries", "counter", "Attempts after a failed one, at this server again.", _SERVER)
SERVER_REDISPATCHES = _define(
    "server_redispatches", "counter", "Attempts at another server after one at this server failed.", _SERVER
)
SERVER_RECEIVED = _define("server_received_bytes", "counter", "Bytes from clients to the server.", _SERVER)
SERVER_SENT = _define("server_sent_bytes", "counter", "Bytes from the server to clients.", _SERVER)
SERVER_DOWNTIMES = _define("server_downtimes", "counter", "How often checks or errors marked the server down.", _SERVER)
CHECKS = _define(
    "server_checks",
    "counter",
    "Checks by result: passed, failed, or misconfigured, if the check's own account was refused.",
    (*_SERVER, "result"),
)
CHECK_TIME = _define("server_check_duration_seconds", "histogram", "How long checks take.", _SERVER)

# Bans, sources and certificates.

BANS = _define(
    "bans",
    "gauge",
    "Bans in effect, by origin: ctl, rule, crowdsec, and names that ctl ban has given; lists are apart.",
    ("origin",),
)
CROWDSEC_FAILURES = _define(
    "crowdsec_failures", "gauge", "Requests in a row that CrowdSec has not answered; absent if it is not asked."
)
LIST_NETWORKS = _define("list_networks", "gauge", "Networks of a list file, as it was read last.", ("path",))
LIST_REFUSED = _define("list_refused", "gauge", "1 for each list file that is refused; absent if it is not.", ("path",))

SOURCES = _define("sources", "gauge", "Entries in the table of sources.")
SOURCES_MAX = _define("sources_max", "gauge", "Room in the table of sources.")
SOURCES_EVICTED = _define("sources_evicted", "counter", "Sources that left the table for newer ones.")
SOURCES_UNCOUNTED = _define(
    "sources_uncounted",
    "counter",
    "Connections that were not counted because the table of sources had no place.",
)
CERTIFICATE_EXPIRY = _define(
    "certificate_not_after_timestamp_seconds",
    "gauge",
    "When a certificate expires, in seconds since 1970; `name` is its first name.",
    ("profile", "name", "path"),
)
CERTIFICATE_REFUSED = _define(
    "certificate_refused",
    "gauge",
    "1 for each file of a profile that is refused; absent if it is not.",
    ("profile", "path"),
)
