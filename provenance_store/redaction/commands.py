"""Secrets in command lines: ``curl -u me:secret``, ``mysql -psecret``, ``docker login -p secret``.

Only options whose names do not say what they take are here; ``--password secret`` is known by its
name, whatever the program.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from provenance_store.redaction.names import REDACTED, hides, is_placeholder
from provenance_store.redaction.urls import ALL, LONGEST_USER

__all__ = ["PROGRAMS", "has_short_option", "secrets_of_command", "without_command_secrets"]


class _Program(NamedTuple):
    """How a program is given secrets."""

    value: frozenset[str] = frozenset()
    """Options whose next word is a secret."""
    glued: tuple[str, ...] = ()
    """Options that a secret follows without a space."""
    pair: frozenset[str] = frozenset()
    """Options whose next word is ``user:secret``."""
    separator: str = ":"
    after: str = ""
    """Only behind this word: ``docker login -p secret``, but ``docker run -p 80:80``."""
    next_to: str = ""
    """The word that a secret follows by itself: ``wandb login secret``."""


def _program(
    value: str = "",
    glued: str = "",
    pair: str = "",
    separator: str = ":",
    after: str = "",
    next_to: str = "",
) -> _Program:
    options = frozenset(value.split()), tuple(glued.split()), frozenset(pair.split())
    return _Program(*options, separator, after, next_to)


def _programs() -> Iterator[tuple[str, _Program]]:
    client = _program(glued="-p")
    mongo = _program(value="-p", glued="-p")
    ldap = _program(value="-w", glued="-w")
    login = _program(value="-p", pair="--creds --src-creds --dest-creds", after="login")
    both = _program(value="-P", glued="-P")
    samba = _program(pair="-U --user", separator="%")
    for names, program in (
        ("curl", _program(value="--pass --proxy-pass", pair="-u --user -U --proxy-user")),
        ("http https xh", _program(pair="-a --auth")),
        ("mysql mysqldump mysqladmin mysqlimport mysqlcheck mysqlsh mariadb mariadb-dump", client),
        ("7z 7za 7zr 7zz", client),
        ("rar unrar", _program(glued="-hp -p")),
        ("sshpass mongo mongosh mongodump mongorestore mongoexport mongoimport", mongo),
        ("twine cqlsh", mongo),
        ("ldapsearch ldapmodify ldapadd ldapdelete ldapwhoami", ldap),
        ("ldappasswd", _program(value="-w -s -a", glued="-w")),
        ("docker podman nerdctl buildah helm oras az oc crane", login),
        ("skopeo", _program(value="-p", pair="--creds --src-creds --dest-creds --screds --dcreds")),
        ("sqlcmd bcp osql isql mosquitto_pub mosquitto_sub zip unzip zipcloak", both),
        ("redis-cli", _program(value="-a")),
        ("openssl", _program(value="-passin -passout -pass -k -K")),
        ("smbclient rpcclient smbget", samba),
        ("wandb vault", _program(next_to="login")),
        ("aws git npm pip dvc poetry gcloud globus conda mc rclone", _program()),
    ):
        for name in names.split():
            yield name, program


PROGRAMS = dict(_programs())

_NAMED = re.compile(
    r"(?<![\w.-])(" + "|".join(re.escape(name) for name in PROGRAMS) + r")(?:\.exe)?(?=[ \t])"
)
_PIECE = re.compile(
    r"(?P<space>(?:[ \t]|\\\r?\n)+" + ALL + r")|\"(?:[^\"\\\n]|\\.)*" + ALL + r"\"?|'[^'\n]*'?"
    r"|(?P<end>[|;\n)`]|&(?=[\s&]|\Z)|\Z)|\\.?|[^\s\"'|;&)`\\]+|[\s&]",
    re.DOTALL,
)
MOST_COMMANDS = 20_000
"""What follows more commands than these in one text is redacted unread."""
_SETS = frozenset({"config", "configure", "set", "modify"})


def has_short_option(text: str) -> bool:
    """Whether an option in a text may be one that a secret follows; `text` is in small letters."""
    return (
        " -u" in text or " -p" in text or " -a" in text or " -w" in text or " -hp" in text
        or " -k" in text or " -s " in text or "pass" in text or "key" in text or "token" in text
        or "auth" in text or "secret" in text or "cred" in text or "pw" in text or "cookie" in text
        or "otp" in text or "jwt" in text or "sess" in text or "user" in text
    )  # fmt: skip


def secrets_of_command(words: Sequence[object]) -> dict[int, str]:
    """Which words of a command line hold secrets, by their index, and what is shown instead."""
    found: dict[int, str] = {}
    program: _Program | None = None
    before: list[str] = []
    for index, word in enumerate(words):
        if not isinstance(word, str):
            program, before = None, []
            continue
        named = PROGRAMS.get(word[word.rfind("/") + 1 :]) if len(word) < 256 else None
        if named is not None and before[-1:] != ["-u"]:
            program, before = named, []
        elif program is not None:
            shown = _shown(program, before, word)
            if shown is not None and shown != word:
                found[index] = shown
            before = [*before[-7:], word]
    return found


def _shown(program: _Program, before: list[str], word: str) -> str | None:
    """What is shown of a word that holds a secret; None when it holds none."""
    option = before[-1] if before else ""
    if program.after and program.after not in before and option not in program.pair:
        return None
    if option in program.pair:
        return _shown_pair(word, program.separator)
    if option in program.value or (option and option == program.next_to and word[:1] != "-"):
        return word if is_placeholder(word) else REDACTED
    for glued in program.glued:
        if word.startswith(glued) and len(word) > len(glued) and not word.startswith("--"):
            return word if is_placeholder(word[len(glued) :]) else glued + REDACTED
    for pair in program.pair:
        if len(pair) == 2 and word.startswith(pair) and len(word) > 2:
            return pair + _shown_pair(word[2:], program.separator)
    if option[:1] != "-" and not _SETS.isdisjoint(before[:-1]) and hides(option, word):
        return REDACTED
    return None


def _shown_pair(word: str, separator: str) -> str:
    user, found, secret = word.partition(separator)
    shown = REDACTED if len(user) > LONGEST_USER and not is_placeholder(user) else user
    if not found or not secret or is_placeholder(secret):
        return f"{shown}{found}{secret}"
    return f"{shown}{found}{REDACTED}"


def without_command_secrets(text: str) -> str:
    """The text with ``[redacted]`` in the place of every secret of a command line in it."""
    parts: list[str] = []
    done = 0
    for count, found in enumerate(_NAMED.finditer(text)):
        if found.start() < done:
            continue
        if count >= MOST_COMMANDS:
            return "".join(parts) + text[done : found.start()] + REDACTED
        spans, end = _words(text, found.end())
        words = [found[1], *(_unquoted(text[slice(*span)]) for span in spans)]
        for index, shown in secrets_of_command(words).items():
            begin, stop = spans[index - 1]
            parts += (text[done:begin], _quoted_as(text[begin], shown))
            done = stop
        parts.append(text[done:end])
        done = end
    return "".join(parts) + text[done:]


def _words(text: str, begin: int) -> tuple[list[tuple[int, int]], int]:
    """Where the words of a command are, and where it ends."""
    spans: list[tuple[int, int]] = []
    start = -1
    while (piece := _PIECE.match(text, begin)) is not None:
        ends, space = piece["end"] is not None, piece["space"] is not None
        if (ends or space) and start >= 0:
            spans.append((start, begin))
            start = -1
        elif not ends and not space and start < 0:
            start = begin
        if ends:
            break
        begin = piece.end()
    return spans, begin


def _unquoted(word: str) -> str:
    if len(word) > 1 and word[0] in "\"'" and word[-1] == word[0]:
        return word[1:-1]
    return word


def _quoted_as(quote: str, shown: str) -> str:
    return f"{quote}{shown}{quote}" if quote in "\"'" else shown
