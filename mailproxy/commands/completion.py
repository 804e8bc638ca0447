"""Prints what makes a shell complete the commands of mailproxy, with the names in the running service."""

from __future__ import annotations

import re
from argparse import REMAINDER, ArgumentParser, Namespace
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module

from mailproxy.commands import COMMANDS
from mailproxy.config import DEFAULT_FILE
from mailproxy.control.call import NoService, socket_of
from mailproxy.control.complete import following, live_names

# Each asks `mailproxy completion candidates` with the words so far, and completes files when there is no candidate.
SCRIPTS: Mapping[str, str] = {
    "bash": """\
# Completion of mailproxy for bash: for /etc/bash_completion.d/, or `source` it.
_mailproxy() {
    local IFS=$'\\n' words=() word before=
    # Bash splits words at colons, which names may have.
    for word in "${COMP_WORDS[@]:1:COMP_CWORD}"; do
        if [[ ${#words[@]} -gt 0 && ( $word == :* || $before == *: ) ]]; then
            words[${#words[@]}-1]+=$word
        else
            words+=("$word")
        fi
        before=$word
    done
    word=${words[${#words[@]}-1]}
    COMPREPLY=($("${COMP_WORDS[0]}" completion candidates "${words[@]}" 2>/dev/null))
    if [[ $COMP_WORDBREAKS == *:* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${word%"${word##*:}"}"}")
    fi
}
complete -o default -F _mailproxy mailproxy
""",
    "zsh": """\
#compdef mailproxy
# Completion of mailproxy for zsh: as _mailproxy in a folder of $fpath, or `source` it.
_mailproxy() {
    local -a found
    found=("${(@f)$("${words[1]}" completion candidates "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ -n "${found[1]}" ]]; then
        compadd -a found
    else
        _files
    fi
}
if [[ "${funcstack[1]}" == _mailproxy ]]; then
    _mailproxy "$@"
else
    compdef _mailproxy mailproxy
fi
""",
    "fish": """\
# Completion of mailproxy for fish: for /etc/fish/completions/mailproxy.fish, or `source` it.
function __mailproxy_complete
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    set -l found ($before[1] completion candidates $before[2..-1] "$current" 2>/dev/null)
    if set -q found[1]
        printf '%s\\n' $found
    else
        __fish_complete_path "$current"
    end
end
complete -c mailproxy -f -a '(__mailproxy_complete)'
""",
}

_OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")
_ACTION = re.compile(r"^    ([a-z]+)  +[a-z]", re.MULTILINE)
_TAKES_FILE = ("-c", "--config", "--socket", "--ca", "--certificate")


def configure(parser: ArgumentParser) -> None:
    """Name the arguments."""
    parser.add_argument("shell", choices=[*SCRIPTS, "candidates"], metavar="SHELL", help=", ".join(SCRIPTS))
    parser.add_argument("words", nargs=REMAINDER, metavar="", help="")


def run(arguments: Namespace) -> int:
    """Print the script for a shell, or the candidates for the last word, one a line."""
    if arguments.shell in SCRIPTS:
        print(SCRIPTS[arguments.shell], end="")
    else:
        *before, word = arguments.words or [""]
        for candidate in candidates(before):
            if candidate.startswith(word) and (word.startswith("-") or not candidate.startswith("-")):
                print(candidate)
    return 0


def candidates(before: Sequence[str]) -> Iterable[str]:
    """Return what may stand behind these words, options included."""
    if not before:
        return [*COMMANDS, "--help", "--version"]
    command, *words = before
    if command not in COMMANDS or (words and words[-1] in _TAKES_FILE):
        return []
    options = _options(command, words)
    if command == "completion":
        return [] if words else [*SCRIPTS, *options]
    if command != "ctl":
        return options
    words, path = _without_options(words)
    return [*following(words, live_names(path)), *options]


def _options(command: str, words: Sequence[str]) -> list[str]:
    """Return the options of a command, and its subcommands if it has some, as its help names them."""
    parser = ArgumentParser(prog=command)
    import_module(f"mailproxy.commands.{command.replace('-', '_')}").configure(parser)
    text, _, _ = parser.format_help().partition("\ncommands:\n")
    actions = [] if words else _ACTION.findall(text)
    return [*actions, *dict.fromkeys(_OPTION.findall(text))]


def _without_options(words: Sequence[str]) -> tuple[list[str], str]:
    """Return the words of a command of ctl alone, and the socket that its options name; "" if they name none."""
    left, rest = list(words), []
    file, path = DEFAULT_FILE, ""
    while left:
        word = left.pop(0)
        if word in ("-c", "--config"):
            file = left.pop(0) if left else file
        elif word == "--socket":
            path = left.pop(0) if left else path
        elif not word.startswith("-"):
            rest.append(word)
    try:
        return rest, path or socket_of(file)
    except NoService:
        return rest, ""
