"""What secrets look like: the shapes of keys that providers and hubs give out, and names under which they are kept.

Patterns only, so that every stage can use the same ones. They are written to cost a linear time on any text, to begin
with something literal, and to leave alone what is merely random: git commits, digests, UUIDs, images in base64.

`detect-secrets` (Apache-2.0) was looked at as a source. It knows no key of the Hub, of Anthropic, Google, OpenRouter or
other model providers, finds lines and not places in them, and takes 2.4 ms for a text of 800 characters, a minute for
what 10,000 trials say; its entropy rules would take every digest for a secret. So the shapes are kept here.
"""

from __future__ import annotations

import re

import msgspec

# Before a shape: the start of a word, or an escape as it stands in JSON that is itself a string.
_START = r"(?:(?<![A-Za-z0-9_-])|(?<=\\[nrt]))"


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of secret.

    Attributes:
        kind: What it is called in placeholders: `openai-key`.
        pattern: A regular expression. What its group `v` holds is the secret; without one, all of it is.
        anchors: Lower-case ASCII texts with one of which every match begins; a text need only be tried there.
    """

    kind: str
    pattern: str
    anchors: tuple[str, ...]


def _token(kind: str, prefix: str, body: str, *anchors: str) -> Shape:
    return Shape(kind=kind, pattern=f"{_START}{prefix}{body}", anchors=anchors or (prefix.lower(),))


def _compound(last: str, *words: str) -> str:
    """A last word that follows one of `words`, with or without a line between; the rare part is looked for first."""
    first = f"[{last[0]}{last[0].upper()}]{last[1:]}"
    return first + "(?:" + "|".join(f"(?<={word}{line}{first})" for word in words for line in ("", "[_-]")) + ")"


_DIGIT = r"(?=[A-Za-z_-]{0,200}[0-9])"
_WORDY = "[A-Za-z0-9_-]"

SHAPES: tuple[Shape, ...] = (
    Shape(
        kind="private-key",
        pattern=r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
        r"[^-\"]*+(?:-(?!----)[^-\"]*+)*(?:-----END [A-Z0-9 ]{1,40}-----)?",
        anchors=("-----begin ",),
    ),
    _token("anthropic-key", "sk-ant-", f"{_WORDY}{{16,}}+"),
    _token("openrouter-key", "sk-or-", f"{_WORDY}{{16,}}+"),
    # The digit keeps names such as `sk-text-repr-fallback` out.
    _token("openai-key", "sk-", f"{_DIGIT}{_WORDY}{{16,}}+"),
    _token("hub-token", "(?:hf_|api_org_)", "[A-Za-z0-9]{20,}+", "hf_", "api_org_"),
    _token("github-token", "(?:gh[pousr]_|github_pat_)", r"\w{20,}+", *(f"gh{c}_" for c in "pousr"), "github_pat_"),
    _token("gitlab-token", "gl(?:pat|rt|ptt|dt)-", f"{_WORDY}{{20,}}+", "glpat-", "glrt-", "glptt-", "gldt-"),
    _token("google-key", "(?:AIza|GOCSPX-|ya29\\.)", f"{_WORDY}{{24,}}+", "aiza", "gocspx-", "ya29."),
    _token("aws-key-id", "(?:AKIA|ASIA|AROA|AIDA)", "[A-Z0-9]{16}(?![A-Za-z0-9])", "akia", "asia", "aroa", "aida"),
    _token(
        "provider-key",
        "(?:gsk_|xai-|pplx-|r8_|nvapi-|csk-|fw_|tgp_v1_|lsv2_(?:pt|sk)_|wandb_v1_|dapi)",
        f"{_DIGIT}{_WORDY}{{24,}}+",
        "gsk_", "xai-", "pplx-", "r8_", "nvapi-", "csk-", "fw_", "tgp_v1_", "lsv2_", "wandb_v1_", "dapi",
    ),
    _token("slack-token", "xox[abeoprs]-", f"{_DIGIT}{_WORDY}{{10,}}+", "xox"),
    Shape(kind="slack-hook", pattern=r"hooks\.slack\.com/services/(?P<v>[\w/]{20,}+)", anchors=("hooks.slack.com",)),
    _token(
        "stripe-key", "[rsw][kh](?:_live|_test|sec)_", "[A-Za-z0-9]{16,}+",
        *(f"{a}{b}{rest}_" for a in "rsw" for b in "kh" for rest in ("_live", "_test", "sec")),
    ),
    _token("package-token", "(?:pypi-AgE|npm_|dckr_pat_)", f"{_WORDY}{{20,}}+", "pypi-age", "npm_", "dckr_pat_"),
    _token("sendgrid-key", r"SG\.", rf"{_WORDY}{{16,}}+\.{_WORDY}{{16,}}+", "sg."),
    _token("gateway-token", "weigh-", f"(?=[a-z0-9_-]{{0,42}}[A-Z]){_WORDY}{{43}}(?![A-Za-z0-9_-])"),
    _token("jwt", "eyJ", rf"{_WORDY}{{8,}}+\.eyJ{_WORDY}{{8,}}+\.{_WORDY}{{8,}}+"),
    Shape(
        kind="bearer-token",
        pattern=r"(?i:\bbearer)\s{1,4}(?P<v>(?=[A-Za-z._~+/=-]{0,200}[0-9])[A-Za-z0-9._~+/=-]{16,}+)",
        anchors=("bearer",),
    ),
    Shape(
        kind="basic-auth",
        pattern=r"(?i:\bauthorization)\W{1,8}(?i:basic)\s{1,4}(?P<v>[A-Za-z0-9+/=]{8,}+)",
        anchors=("authorization",),
    ),
    Shape(
        kind="url-password",
        pattern=r"://[^\s:@/\"'<>\\]{0,100}:(?P<v>[^\s@/\"'<>\\]{1,200})@(?=[\w\[])",
        anchors=("://",),
    ),
    Shape(kind="azure-key", pattern=r"(?:AccountKey|SharedAccessKey)=(?P<v>[A-Za-z0-9+/]{40,}+={0,2})",
          anchors=("accountkey=", "sharedaccesskey=")),
    # As in an .env file and in `export`; a name of a variable, a call or a placeholder on the right is no secret.
    Shape(
        kind="assigned-secret",
        pattern=r"(?:KEY(?:(?<=_KEY)|(?==))|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?)\\?[\"']?\s{0,3}(?:=|:)\s{0,3}\\?[\"']?"
        r"(?P<v>(?=[^\s\"'`\\,;]{6})(?!(?i:none|null|true|false|dummy|changeme|example|your)\b)"
        r"[^\s\"'`,;()\[\]{}<>|&\\$*]++)(?![(\[{<$*])",
        anchors=("key", "token", "secret", "passw", "passphrase", "credential"),
    ),
    # In configuration and code, the value in quotes or like a key: letters and digits.
    Shape(
        kind="assigned-secret",
        pattern=rf"(?:{_compound('key', 'api', 'access', 'secret', 'private', 'auth', 'account')}"
        rf"|{_compound('token', 'access', 'auth', 'api', 'refresh', 'bearer', 'secret', 'hub', 'hf')}"
        rf"|{_compound('secret', 'client', 'app')}|[pP]assword|[pP]asswd|[pP]assphrase)"
        r"\\?[\"']?\s{0,3}:?[=:]\s{0,3}"
        r"(?:\\?[\"'](?P<v>[^\s\"'`<>\\${}]{6,200})(?=\\?[\"'])"
        r"|(?P<w>(?=[A-Za-z_+/-]{0,60}[0-9])(?=[0-9_+/-]{0,60}[A-Za-z])[A-Za-z0-9_+/=-]{8,}+)(?![(\[.]))",
        anchors=("key", "token", "secret", "passw", "passphrase"),
    ),
)  # fmt: skip
"""In order: where two begin at one place the first wins."""

NAMES = re.compile(
    r"(keys?|token|secrets?|passwords?|passwd|passphrase|credentials?|authorization|cookies?)$", re.IGNORECASE
)
"""A name of an option, a variable or a header that holds a secret."""


def names_a_secret(name: str) -> bool:
    """Whether a name says that its value is secret: `api_key`, `Authorization`; `api_key_env` names a variable."""
    return NAMES.search(name) is not None
