"""Remarks on rules that can never decide, and on keys of theirs without effect."""

from collections.abc import Iterator

from attrs import fields

from mailproxy.config.condition import ALWAYS, Condition
from mailproxy.config.config import Config
from mailproxy.config.frontend import Frontend
from mailproxy.config.place import UNIX, InetBind, UnixBind
from mailproxy.config.problems import Problem
from mailproxy.config.rule import Rule, rule_key, shown_rule
from mailproxy.config.words import key_path

_TLS_KEYS = {
    "sni": "sni",
    "alpn": "alpn",
    "tls_version": "tls-version",
    "cipher": "cipher",
    "group": "group",
    "resumed": "resumed",
}
_CLIENT_KEYS = {
    "client_cn": "client-cn",
    "client_san": "client-san",
    "client_issuer": "client-issuer",
    "client_fingerprint": "client-fingerprint",
    "client_verified": "client-verified",
}


def rule_remarks(config: Config) -> Iterator[Problem]:
    """Find rules that cannot decide, and conditions that are the same for every client."""
    for frontend in config.frontends:
        yield from _unreached(frontend)
        for number, rule in enumerate(frontend.rules):
            key = rule_key(frontend.name, number)
            for path, condition in rule.conditions:
                yield from _idle_conditions(config, frontend, f"{key}.{path}", condition)
            yield from _idle_tlv(config, frontend, key, rule)


def _unreached(frontend: Frontend) -> Iterator[Problem]:
    """Find rules after one that has decided for all their clients."""
    for number, rule in enumerate(frontend.rules):
        before = next((one for one in frontend.rules[:number] if one.decides and _covers(one.condition, rule)), None)
        if before is not None:
            why = (
                "is for every client"
                if before.condition.is_empty
                else "decides for all clients of this one's condition"
            )
            words = f"{shown_rule(rule.name)} is never reached: {shown_rule(before.name)} before it {why}"
            yield Problem(rule_key(frontend.name, number), words)


def _covers(condition: Condition, rule: Rule) -> bool:
    """Return whether a condition certainly matches every client of a rule."""
    later = rule.condition
    return condition.is_empty or condition == later or condition in later.all_of or _is_wider(condition, later)


def _is_wider(condition: Condition, later: Condition) -> bool:
    """Return whether each key of a condition has the same value in the later one, which has more keys."""
    return all(
        getattr(condition, field.name) in (getattr(later, field.name), getattr(ALWAYS, field.name))
        for field in fields(Condition)
    )


def _idle_conditions(config: Config, frontend: Frontend, key: str, condition: Condition) -> Iterator[Problem]:
    profile = None if frontend.tls_profile is None else config.tls.get(frontend.tls_profile)
    for field, name in (_TLS_KEYS | _CLIENT_KEYS).items():
        if getattr(condition, field) == getattr(ALWAYS, field):
            continue
        if frontend.tls == "none":
            yield Problem(key_path(key, name), f'is never true: {key_path("frontend", frontend.name)} has tls = "none"')
        elif field in _CLIENT_KEYS and profile is not None and profile.client_certificates == "none":
            yield Problem(
                key_path(key, name),
                f"is never true: {key_path('tls', profile.name)} asks clients for no certificate; write "
                'client-certificates = "optional"',
            )
    if condition.tlvs and not (frontend.accept_proxy or frontend.accept_proxy_optional):
        yield Problem(key_path(key, "tlv"), "is never true: there is no accept-proxy, so no PROXY header is read")
    if condition.port and all(isinstance(bind, UnixBind) for bind in frontend.bind):
        yield Problem(key_path(key, "port"), "is never true: the frontend binds UNIX sockets alone")
    if UNIX in condition.source and all(isinstance(bind, InetBind) for bind in frontend.bind):
        yield Problem(key_path(key, "source"), f'has "{UNIX}", and the frontend binds no UNIX socket')


def _idle_tlv(config: Config, frontend: Frontend, key: str, rule: Rule) -> Iterator[Problem]:
    if rule.tlv is None or rule.refusal is not None:
        return
    names = (rule.backend,) if rule.backend is not None else frontend.backends
    backends = [config.backends[name] for name in names if name in config.backends]
    if backends and not any(backend.send_proxy.startswith("v2") for backend in backends):
        yield Problem(
            key_path(key, "tlv"),
            f'has no effect: send-proxy = "{backends[0].send_proxy}" of {key_path("backend", backends[0].name)} sends '
            "no TLVs",
        )
