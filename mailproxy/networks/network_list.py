"""The lists of networks that a process uses, by their files; they outlast readings of the configuration."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from attrs import define, frozen

from mailproxy.networks.list_file import State, UnusableList, read_list, state_of
from mailproxy.networks.network_set import EMPTY, NetworkSet


@define(eq=False)
class NetworkList:
    """The networks of one file, which change when the file does (mutable)."""

    path: str
    networks: NetworkSet = EMPTY
    state: State = ()
    """The file's state when it was read; empty if that is unknown."""
    may_ban: bool = False
    """True if it was read as a list of bans, so that no network in it is too wide for one."""


@frozen
class ReadList:
    """The content of one file, and the file's state just before it was read."""

    path: str
    networks: NetworkSet
    state: State
    may_ban: bool = False
    """True if it was read as a list of bans."""


NO_LISTS: Mapping[str, NetworkList] = MappingProxyType({})


class NetworkLists:
    """The lists of a process, by path (mutable); conditions hold the lists, so that a changed one needs no look-up."""

    def __init__(self) -> None:
        self._lists: dict[str, NetworkList] = {}
        self.refused: dict[str, str] = {}
        """Why files cannot be used now, by path; their previous lists stay in use."""

    def at(self, path: str) -> NetworkList:
        """Return the list of a file; it is empty until `take` has its content."""
        if path not in self._lists:
            self._lists[path] = NetworkList(path)
        return self._lists[path]

    def take(self, read: ReadList) -> None:
        """Use the content of a file from now on."""
        kept = self.at(read.path)
        kept.networks, kept.state, kept.may_ban = read.networks, read.state, read.may_ban
        self.refused.pop(read.path, None)

    def refuse(self, path: str, problem: str) -> None:
        """Remember why a file cannot be used, until `take` has its content."""
        self.refused[path] = problem

    def keep(self, paths: Collection[str]) -> None:
        """Forget the lists of other files; conditions of earlier readings keep theirs."""
        self._lists = {path: kept for path, kept in self._lists.items() if path in paths}
        self.refused = {path: problem for path, problem in self.refused.items() if path in paths}

    def all(self) -> tuple[ReadList, ...]:
        """Return the content of all lists, to send it to another process."""
        return tuple(ReadList(kept.path, kept.networks, kept.state, kept.may_ban) for kept in self._lists.values())

    @property
    def known(self) -> Mapping[str, NetworkList]:
        """The lists by path."""
        return self._lists


def read_lists(
    paths: Collection[str], known: Mapping[str, NetworkList], banned: Collection[str] = ()
) -> tuple[tuple[ReadList, ...], tuple[UnusableList, ...]]:
    """
    Read the files that have changed since they were read; return the content of all, and the problems.

    The networks in the files `banned` are bans. A file that cannot be used keeps its previous content, if there is
    one of the same use. May run in a thread.
    """
    read: list[ReadList] = []
    problems: list[UnusableList] = []
    for path in paths:
        bans = path in banned
        before, state = known.get(path), state_of(path)
        if before is not None and bans and not before.may_ban:
            before = None  # it may have networks that are too wide
        if before is not None and before.state == state:
            read.append(ReadList(path, before.networks, state, before.may_ban))
            continue
        try:
            read.append(ReadList(path, read_list(path, bans=bans), state, bans))
        except UnusableList as error:
            problems.append(error.with_traceback(None))  # its frames would be a cycle with the list
            if before is not None and before.state:
                # With its previous state, so that it is read again the next time.
                read.append(ReadList(path, before.networks, before.state, before.may_ban))
    return tuple(read), tuple(problems)
