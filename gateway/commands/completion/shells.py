"""Completion scripts for bash, zsh and fish: a command line's places, written out once, so that Tab starts nothing.

It knows the shells' languages. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.commands.completion.words import Flag, Place

BASH = """\
# Completion of {prog} for bash: source <({prog} completion bash)
_{name}() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} place="" words="" i
    COMPREPLY=()
    if [[ $word == "=" ]]; then
        word=""
    elif [[ $before == "=" ]]; then
        before=${{COMP_WORDS[COMP_CWORD - 2]}}
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "$place ${{COMP_WORDS[i]}}" in
            {paths}) place="$place ${{COMP_WORDS[i]}}" ;;
        esac
    done
    case "$place $before" in
{values}
    esac
    case "$place" in
{words}
    esac
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -F _{name} {prog}
"""

ZSH = """\
#compdef {prog}
# Completion of {prog} for zsh: {prog} completion zsh > a file _{prog} in a folder of $fpath
_{name}() {{
    local place="" i
    local -a found
    for ((i = 2; i < CURRENT; i++)); do
        case "$place ${{words[i]}}" in
            {paths}) place="$place ${{words[i]}}" ;;
        esac
    done
    case "$place ${{words[CURRENT - 1]}}" in
{values}
    esac
    case "$place" in
{words}
    esac
    _describe '{prog}' found
}}
if [ "${{funcstack[1]}}" = "_{name}" ]; then
    _{name} "$@"
else
    compdef _{name} {prog}
fi
"""

FISH = """\
# Completion of {prog} for fish: {prog} completion fish > ~/.config/fish/completions/{prog}.fish
function __{name}_at
    set -l place ""
    for word in (commandline -opc)[2..-1]
        switch "$place $word"
            case {paths}
                set place "$place $word"
        end
    end
    test "$place" = "$argv[1]"
end
complete -c {prog} -f
{lines}
"""


def bash(prog: str, places: Sequence[Place]) -> str:
    """Words alone: bash shows no help."""
    values, words = [], []
    for place in places:
        at = _at(place)
        for flag in place.flags:
            if flag.value:
                then = "return"
                if flag.file:
                    then = 'compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$word"); return'
                elif flag.words:
                    then = f'COMPREPLY=($(compgen -W "{" ".join(flag.words)}" -- "$word")); return'
                values.append(f"        {'|'.join(_quoted(f'{at} {name}') for name in flag.names)}) {then} ;;")
        flags = " ".join(name for flag in place.flags for name in flag.names)
        following = " ".join(word for word, _ in place.words)
        if following:
            choose = f'if [[ $word == -* ]]; then words="{flags}"; else words="{following}"; fi'
        else:
            choose = f'words="{flags}"'
        words.append(f"        {_quoted(at)}) {choose} ;;")
    return _filled(BASH, prog, places, "|", values=values, words=words)


def zsh(prog: str, places: Sequence[Place]) -> str:
    """Words with their help."""
    values, words = [], []
    for place in places:
        at = _at(place)
        for flag in place.flags:
            if flag.value:
                then = "return"
                if flag.file:
                    then = "_files; return"
                elif flag.words:
                    then = f"compadd -- {' '.join(flag.words)}; return"
                values.append(f"        {'|'.join(_quoted(f'{at} {name}') for name in flag.names)}) {then} ;;")
        entries = [_described(word, help) for word, help in place.words]
        flags = [_described(name, flag.help) for flag in place.flags for name in flag.names]
        words.append(f"        {_quoted(at)}) found=({' '.join([*entries, *flags])}) ;;")
    return _filled(ZSH, prog, places, "|", values=values, words=words)


def fish(prog: str, places: Sequence[Place]) -> str:
    """One line for each thing that can be typed."""
    lines = []
    for place in places:
        begin = f"complete -c {prog} -n {_fish_quoted(f'__{_name(prog)}_at {_fish_quoted(_at(place))}')}"
        for word, help in place.words:
            lines.append(f"{begin} -a {word}" + (f" -d {_fish_quoted(help)}" if help else ""))
        lines += [f"{begin} {_fish_flag(flag)} -d {_fish_quoted(flag.help)}" for flag in place.flags]
    return _filled(FISH, prog, places, " ", lines=lines)


SHELLS: dict[str, Callable[[str, Sequence[Place]], str]] = {"bash": bash, "zsh": zsh, "fish": fish}


def _filled(script: str, prog: str, places: Sequence[Place], separator: str, **lines: list[str]) -> str:
    paths = separator.join(_quoted(_at(place)) for place in places if place.path)
    joined = {key: "\n".join(value) for key, value in lines.items()}
    return script.format(prog=prog, name=_name(prog), paths=paths or '" "', **joined)


def _at(place: Place) -> str:
    return "".join(f" {word}" for word in place.path)


def _name(prog: str) -> str:
    return prog.replace("-", "_")


def _quoted(text: str) -> str:
    return f'"{text}"'


def _described(word: str, help: str) -> str:
    escaped = help.replace("\\", "\\\\").replace("'", "'\\''")
    return f"'{word.replace(':', chr(92) + ':')}:{escaped}'"


def _fish_flag(flag: Flag) -> str:
    names = [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in flag.names]
    if flag.file:
        names.append("-r -F")
    elif flag.words:
        names.append(f"-x -a {_fish_quoted(' '.join(flag.words))}")
    elif flag.value:
        names.append("-x")
    return " ".join(names)


def _fish_quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
