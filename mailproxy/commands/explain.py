"""Says which rule of a frontend decides for a client whose facts are stated, and why."""

import sys
import time

from mailproxy.config import ConfigError, Problem, load
from mailproxy.config.words import listed, nearest, quoted
from mailproxy.networks.network_list import NetworkLists, read_lists
from mailproxy.rules.explanation import explain, missing
from mailproxy.rules.facts import BadFacts, read_facts, stated_names
from mailproxy.rules.rules import Rules


def explain_rules(path: str, name: str, facts: str) -> int:
    """Print each rule that is tried, and the decision; 1 with the problems of the file or of the facts."""
    try:
        settings = load(path)
        lists = NetworkLists()
        read, problems = read_lists(settings.list_files, {}, settings.bans.lists)
        if problems:
            raise ConfigError([Problem(settings.list_files[one.path], str(one)) for one in problems], path)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 1
    for one in read:
        lists.take(one)
    frontends = {frontend.name: frontend for frontend in settings.frontends}
    if name not in frontends:
        meant = nearest(name, frontends)
        hint = f"did you mean {quoted(meant)}?" if meant else f"there are {listed(frontends)}"
        print(f"{path}: there is no frontend {quoted(name)}; {hint}", file=sys.stderr)
        return 1
    frontend = frontends[name]
    now = time.localtime()
    minute = (now.tm_wday * 24 + now.tm_hour) * 60 + now.tm_min
    try:
        client, surroundings = read_facts(facts, settings, frontend, lists, minute)
    except BadFacts as error:
        print(error, file=sys.stderr)
        return 1
    rules = Rules(frontend.rules, surroundings)
    if surroundings.is_banned is True and not frontend.judges_bans:
        when = "after its PROXY header" if frontend.accept_proxy or frontend.accept_proxy_optional else "at accept"
        print(f"banned, and no rule of this frontend has `banned`: closed {when}; without the ban:")
    for line in explain(rules, client):
        print(line)
    given = set(stated_names(facts))
    if needed := [name for name in missing(rules, client) if name not in given]:
        print(f"missing facts: {' '.join(f'{name}=' for name in needed)}")
    return 0
