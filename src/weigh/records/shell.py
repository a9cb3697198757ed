"""The programs of a shell command line, with their arguments, redirections and here-documents.

A reader of what agents type, not a shell: it knows quotes, pipes, lists, redirections and here-documents, and looks
into `bash -c`. Expansions stay as they were typed. A line that no shell would take (an open quote) is read to its end.
"""

from __future__ import annotations

import re

import msgspec

_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_REDIRECTION = re.compile(r"<<<|<<-|<<|<>|<&|<|>>|>\||>&|>")
_KEYWORDS = frozenset({"if", "then", "else", "elif", "do", "while", "until", "!", "{"})
_WRAPPERS = {
    "sudo": "ugpCDhRrTt", "doas": "uC", "time": "fo", "nohup": "", "exec": "a", "command": "", "builtin": "",
    "env": "uCS", "nice": "n", "ionice": "cnp", "setsid": "", "stdbuf": "ioe", "xargs": "adEILnPs", "timeout": "ks",
}  # fmt: skip
"""Programs that run another one, with the letters of their options that take an argument of their own; options, numbers
and durations come before it."""
_LOOK_UP = re.compile(r"-[pvV]*[vV][pvV]*")
"""`command -v NAME` runs nothing."""
_AMOUNT = re.compile(r"\d+(\.\d+)?[smhd]?")
_SHELLS = frozenset({"bash", "sh", "zsh", "dash"})


class Simple(msgspec.Struct, frozen=True, kw_only=True):
    """One program of a command line.

    Attributes:
        words: The program and its arguments, quotes removed; assignments and wrappers (`sudo`, `timeout 5`, `uv run`)
            in front of it left out.
        inputs, outputs: Files it is redirected from and to.
        heredoc: Its here-document or here-string.
    """

    words: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    heredoc: str | None = None

    @property
    def program(self) -> str:
        """Its name without the folder; empty where there are only redirections."""
        return _name(self.words[0]) if self.words else ""

    @property
    def operands(self) -> tuple[str, ...]:
        """The arguments that are no options."""
        return tuple(w for w in self.words[1:] if not w.startswith("-"))

    @property
    def script(self) -> str | None:
        """What it runs where it is a shell: the text given by `-c`, or on its standard input."""
        if self.program not in _SHELLS:
            return None
        return self.after("-c") or (self.heredoc if not self.operands else None)

    def after(self, flag: str) -> str | None:
        """The argument after a flag (`-c`), also where the flag ends a group of letters (`-lc`)."""
        pairs = zip(self.words[1:], self.words[2:], strict=False)
        letter = flag[1:]
        return next((v for w, v in pairs if w == flag or re.fullmatch(rf"-[a-z]*{letter}", w)), None)


def _name(path: str) -> str:
    """What is called, without its folder. (Path objects would take half the time of reading a line.)"""
    return path.rstrip("/").rpartition("/")[2]


def simple_commands(line: str) -> tuple[Simple, ...]:
    """The programs of a command line in order, those given to `bash -c` after it."""
    found: list[Simple] = []
    for one in _Reader(line).read():
        found.append(one)
        if one.script:
            found += simple_commands(one.script)
    return tuple(found)


def programs(line: str) -> tuple[Simple, ...]:
    """Everything that a command line runs: its programs, also those within substitutions (`$(...)`, `<(...)`) and those
    that `find -exec` starts."""
    found: list[Simple] = []
    reader = _Reader(line)
    for one in reader.read():
        found.append(one)
        if one.script:
            found += programs(one.script)
        elif one.program == "find":
            starts = [i for i, word in enumerate(one.words) if word in ("-exec", "-execdir", "-ok")]
            found += [Simple(words=_bare(list(one.words[i + 1 :]))) for i in starts]
    for inner in reader.substituted:
        found += programs(inner)
    return tuple(found)


class _Reader:
    """Reads a line from left to right, once."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.substituted: list[str] = []
        self.done: list[Simple] = []
        self.heredocs: list[tuple[int, str, bool]] = []
        self._begin()

    def _begin(self) -> None:
        self.words: list[str] = []
        self.inputs: list[str] = []
        self.outputs: list[str] = []
        self.heredoc: str | None = None
        self.word: list[str] | None = None
        self.redirection: str | None = None

    def read(self) -> list[Simple]:
        text = self.text
        while self.at < len(text):
            char = text[self.at]
            if char in " \t\r":
                self._end_word()
                self.at += 1
            elif char == "\n":
                self._end_command()
                self.at += 1
                self._bodies()
            elif char == "#" and self.word is None:
                self.at = self._find("\n")
            elif char in "'\"\\$`":
                self._quoted(char)
            elif char in "<>" or text.startswith("&>", self.at):
                self._redirect()
            elif char in ";|&()":
                self._end_command()
                self.at += 1
            else:
                self._add(char)
                self.at += 1
        self._end_command()
        return self.done

    def _add(self, text: str) -> None:
        if self.word is None:
            self.word = []
        self.word.append(text)

    def _find(self, what: str, start: int | None = None) -> int:
        found = self.text.find(what, self.at if start is None else start)
        return len(self.text) if found < 0 else found

    def _quoted(self, char: str) -> None:
        """Take in a quotation, an escape or a substitution."""
        text, at = self.text, self.at
        if char == "'":
            end = self._find("'", at + 1)
            self._add(text[at + 1 : end])
            self.at = end + 1
        elif char == '"':
            end = at + 1
            while end < len(text) and text[end] != '"':
                if text[end] == "`" or text.startswith("$(", end):
                    end = self._substitution(end)
                else:
                    end += 2 if text[end] == "\\" else 1
            self._add(re.sub(r'\\(["\\$`\n])', lambda m: m[1].strip("\n"), text[at + 1 : end]))
            self.at = end + 1
        elif char == "\\":
            if text[at + 1 : at + 2] != "\n":
                self._add(text[at + 1 : at + 2])
            self.at = at + 2
        else:
            end = self._substitution(at)
            self._add(text[at:end])
            self.at = end

    def _substitution(self, at: int) -> int:
        """Where `$(...)` or a back-quoted command that begins here ends (it is noted); one further for another `$`."""
        if self.text[at] == "`":
            end = self._find("`", at + 1)
            self.substituted.append(self.text[at + 1 : end])
            return end + 1
        if not self.text.startswith("(", at + 1):
            return at + 1
        depth, end = 0, len(self.text)
        for position in range(at + 1, len(self.text)):
            depth += {"(": 1, ")": -1}.get(self.text[position], 0)
            if depth == 0:
                end = position
                break
        if not self.text.startswith("((", at + 1):  # `$((1 + 2))` is a sum
            self.substituted.append(self.text[at + 2 : end])
        return end + 1

    def _redirect(self) -> None:
        text, at = self.text, self.at
        if text.startswith(("<(", ">("), at):
            end = self._substitution(at)
            self._add(text[at:end])
            self.at = end
            return
        if self.word is not None and "".join(self.word).isdigit():
            self.word = None  # the number of a stream: `2> FILE`
        self._end_word()
        if text[at] == "&":
            at += 1
        found = _REDIRECTION.match(text, at)
        assert found is not None
        self.redirection = found[0]
        self.at = found.end()

    def _end_word(self) -> None:
        if self.word is None:
            return
        word, kind = "".join(self.word), self.redirection
        self.word = self.redirection = None
        if kind is None:
            self.words.append(word)
        elif kind in ("<<", "<<-"):
            self.heredocs.append((len(self.done), word, kind == "<<-"))
        elif kind == "<<<":
            self.heredoc = word
        elif kind in ("<", "<>"):
            self.inputs.append(word)
        elif kind != "<&" and not (kind == ">&" and (word.isdigit() or word == "-")) and word != "/dev/null":
            self.outputs.append(word)

    def _end_command(self) -> None:
        self._end_word()
        waits = any(index == len(self.done) for index, _, _ in self.heredocs)
        words = _bare(self.words)
        if words or self.inputs or self.outputs or waits:
            made = Simple(words=words, inputs=tuple(self.inputs), outputs=tuple(self.outputs), heredoc=self.heredoc)
            self.done.append(made)
        self._begin()

    def _bodies(self) -> None:
        """Read the here-documents that were announced on the line that ended."""
        for index, end, tabs in self.heredocs:
            lines: list[str] = []
            while self.at < len(self.text):
                stop = self._find("\n")
                line, self.at = self.text[self.at : stop], stop + 1
                line = line.lstrip("\t") if tabs else line
                if line.rstrip("\r") == end:
                    break
                lines.append(line)
            if index < len(self.done):
                body = "".join(f"{line}\n" for line in lines)
                self.done[index] = msgspec.structs.replace(self.done[index], heredoc=body)
        self.heredocs = []


def _bare(words: list[str]) -> tuple[str, ...]:
    """Words without the assignments, keywords and wrappers in front of the program."""
    rest = list(words)
    while rest:
        first = _name(rest[0])
        if _ASSIGNMENT.match(rest[0]) or first in _KEYWORDS:
            rest = rest[1:]
        elif first in _WRAPPERS and len(rest) > 1:
            if first == "command" and _LOOK_UP.fullmatch(rest[1]):
                break
            letters, rest = _WRAPPERS[first], rest[1:]
            while rest and (rest[0].startswith("-") or _ASSIGNMENT.match(rest[0]) or _AMOUNT.fullmatch(rest[0])):
                takes = len(rest[0]) == 2 and rest[0][0] == "-" and rest[0][1] in letters
                rest = rest[2:] if takes else rest[1:]
        elif rest[:2] in (["uv", "run"], ["poetry", "run"]) and len(rest) > 2:
            rest = rest[2:]
        else:
            break
    return tuple(rest)
