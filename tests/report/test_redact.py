"""What is published holds no secret, and everything that only looks random stays as it is."""

from __future__ import annotations

import argparse
import base64
import json
import random
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from weigh.cli.redaction import add_redaction, is_redacting, redactor_of, scan, show_findings, show_names
from weigh.pipeline.provenance import redact_command
from weigh.records.errors import DefinitionError
from weigh.report.own_names import count_names
from weigh.report.redact import Machine, Redactor, Settings, describe, load_settings

ALICE = Machine(homes=("/home/alicew",), users=("alicew",), hosts=("gpu-node-7", "gpu-node-7.example.org"))


def letters(
    count: int, seed: int = 1, of: str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
) -> str:
    return "1" + "".join(random.Random(seed).choices(of, k=count - 1))


# Put together here, so that no file of the project holds what a scanner of secrets would stop at.
SECRETS = {
    "openai-key": ["sk-" + letters(48), "sk-proj-" + letters(80) + "-_" + letters(20)],
    "anthropic-key": ["sk-ant-" + "api03-" + letters(90)],
    "openrouter-key": ["sk-or-" + "v1-" + letters(64)],
    "hub-token": ["hf_" + letters(34)],
    "github-token": ["ghp_" + letters(36), "github_pat_" + letters(22) + "_" + letters(59)],
    "gitlab-token": ["glpat-" + letters(20)],
    "google-key": ["AIza" + letters(35), "ya29." + letters(60)],
    "aws-key-id": ["AKIA" + letters(16, of="ABCDEFGHIJ0123456789")],
    "provider-key": ["gsk_" + letters(52), "nvapi-" + letters(64), "xai-" + letters(80)],
    "slack-token": ["xoxb-" + letters(40)],
    "stripe-key": ["sk_live_" + letters(24)],
    "package-token": ["npm_" + letters(36), "pypi-AgE" + letters(80)],
    "sendgrid-key": ["SG." + letters(22) + "." + letters(43)],
    "gateway-token": ["weigh-" + letters(43)],
    "jwt": [".".join("eyJ" + letters(30, n) if n < 2 else letters(43, n) for n in range(3))],
    "private-key": [
        "-----BEGIN RSA PRIVATE"
        + " KEY-----\n"
        + letters(64)
        + "\n"
        + letters(64, 2)
        + "\n-----END RSA PRIVATE KEY-----"
    ],
}
PLACES = ["{}", "export X={}", "the key is {}, keep it", '{{"a": "{}"}}', "line\n{}\nline", "('{}')", "Use `{}`."]


@pytest.mark.parametrize(("kind", "secret"), [(k, s) for k, found in SECRETS.items() for s in found])
def test_known_shapes_are_replaced_wherever_they_stand(kind: str, secret: str) -> None:
    for place in PLACES:
        redactor = Redactor()
        shown = redactor.text(place.format(secret), "here")
        assert shown == place.format(f"<secret:{kind}#1>")
        assert [(f.kind, f.where, f.count) for f in redactor.findings] == [(kind, "here", 1)]
        assert secret not in redactor.findings[0].excerpt and len(redactor.findings[0].excerpt) < 30


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abc.DEF-1234567890xyz", "Authorization: Bearer <secret:bearer-token#1>"),
        ('-H "authorization: Basic dXNlcjpwYXNz"', '-H "authorization: Basic <secret:basic-auth#1>"'),
        ("git clone https://bob:s3cr3t@git.example.org/x", "git clone https://bob:<secret:url-password#1>@git.example.org/x"),
        ("redis://:hunter2@localhost:6379", "redis://:<secret:url-password#1>@localhost:6379"),
        ("OPENAI_API_KEY=abcdefgh12", "OPENAI_API_KEY=<secret:assigned-secret#1>"),
        ("export DB_PASSWORD='correct-horse'", "export DB_PASSWORD='<secret:assigned-secret#1>'"),
        ('"api_key": "abcdefgh-xyz"', '"api_key": "<secret:assigned-secret#1>"'),
        ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPx", "aws_secret_access_key = <secret:assigned-secret#1>"),
        ('password = "hunter22"', 'password = "<secret:assigned-secret#1>"'),
        ("client_secret: q1w2e3r4t5", "client_secret: <secret:assigned-secret#1>"),
        # JSON inside of a string of JSON, as tool calls carry it: escapes stand before the secret and end it.
        (r'{\"cmd\": \"echo\nhf_' + letters(34) + r'\"}', r'{\"cmd\": \"echo\n<secret:hub-token#1>\"}'),
        (r'{\"password\": \"hunter22\"}', r'{\"password\": \"<secret:assigned-secret#1>\"}'),
    ],
)  # fmt: skip
def test_what_is_secret_by_its_surroundings(text: str, shown: str) -> None:
    assert Redactor().text(text) == shown


INNOCENT = [
    "commit 4fd0ecbdd43cb5f1e7c1d5be9a2e7cb3dd7a9f10",
    f"id {uuid.UUID(int=2**127 + 12345)}",
    "sha256:b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    "data:image/png;base64," + base64.b64encode(random.Random(3).randbytes(60_000)).decode(),
    base64.urlsafe_b64encode(random.Random(4).randbytes(60_000)).decode(),
    '<div class="sk-container-id-1 sk-text-repr-fallback">',
    "sorted(rows, key=lambda row: row['id'])",
    "token = tokenizer.encode(text)\nmax_tokens=128, token_count: 12345678",
    "password = input('Password: ')  # or getpass.getpass()",
    "api_key = os.environ['OPENAI_API_KEY']",
    "api_key_env=OPENAI_API_KEY",
    "API_KEY=$OPENAI_API_KEY; TOKEN=${TOKEN}; SECRET=<your secret>",
    "The key: a good night's sleep. The secret: practice, every day. Bearer of good news since yesterday-evening",
    "http://localhost:8000/v1 and https://example.org:443/@user and mailto:a@b.c, see https://x.org/a:b@c",
    "https://huggingface.co/org/model/resolve/main/tokenizer.json",
    "weigh-store/runs/demo-28edac4a and weigh-evaluation-of-a-very-long-name-of-a-package",
    "SORT KEY: ascending PRIMARY KEY (id)",
    "eyJhbGciOiJIUzI1NiJ9 alone is only a beginning",
    "hf_transfer and hf_hub_download, npm_config_registry=x, fw_bundle",
    "SECRET=None PASSWORD=changeme-please",
]


@pytest.mark.parametrize("text", INNOCENT, ids=range(len(INNOCENT)))
def test_what_only_looks_random_survives(text: str) -> None:
    redactor = Redactor(ALICE)
    assert redactor.text(text) == text
    assert redactor.value({"key": text, "token": text[:15], "x": [text]}) == {
        "key": text,
        "token": text[:15],
        "x": [text],
    }
    assert not redactor.findings


def test_rules_are_tried_wherever_they_could_match() -> None:
    """Few places of a text are tried; the rules that match are those that match anywhere at all."""
    machine = Machine(
        homes=("/home/jürgen", "/home/alicew"), users=("ünal99", "alicew"), hosts=("gpu-node-7",),
        values={"A": "Ärger-with-İ", "B": "plain-words"},
    )  # fmt: skip
    redactor = Redactor(machine, Settings(patterns={"ticket": r"T-\d+"}, words=("ab", "Project Falcon")))
    parts = [secret for found in SECRETS.values() for secret in found] + INNOCENT[5:]
    parts += ["/home/jürgen/x", "ünal99", "Ärger-with-İ", "a plain-words ab", "Project Falcon", "T-12", "\u2028\ud800é"]
    parts += ["AccountKey=" + letters(44), "SharedAccessKey=" + letters(44), "https://u:pw@x", "BEARER " + letters(20)]
    parts += ["on gpu-node-7", "https://hooks.slack.com/services/" + letters(24), "authorization: Basic dXNlcjpwYXNz"]
    parts += ["DB_PASSWORD=correct-horse", 'Secret_Access_Key: "abcdefgh1"', "wksec_" + letters(20), "sk-", "to", "se"]
    dice = random.Random(5)
    matched = set()
    for _ in range(400):
        text = dice.choice([" ", "é", "", "\n", '"']).join(dice.choices(parts, k=dice.randrange(6)))
        expected = [rule for rule in redactor._rules if not rule.anchors or rule.pattern.search(text)]
        assert redactor._matching(text) == expected, text
        matched |= {rule.kind for rule in expected}
    assert matched == {rule.kind for rule in redactor._rules}


def test_the_same_secret_has_one_placeholder_and_another_another() -> None:
    one, two = "hf_" + letters(34), "hf_" + letters(34, 2)
    redactor = Redactor()
    assert redactor.value([f"{one} {two}", {"deep": (one,)}]) == [
        "<secret:hub-token#1> <secret:hub-token#2>", {"deep": ("<secret:hub-token#1>",)}
    ]  # fmt: skip
    assert sum(f.count for f in redactor.findings) == 3
    again = Redactor()
    assert again.value(redactor.value([one])) == ["<secret:hub-token#1>"], "what is redacted stays as it is"
    assert not again.findings


def test_the_form_of_the_data_never_changes() -> None:
    secret = "sk-" + letters(48)
    data: dict[str, Any] = {
        "n": 1, "x": None, "flag": True, "f": 0.5, "messages": [{"role": "user", "content": f'say "{secret}"'}],
        "arguments": json.dumps({"command": f"export A={secret}\n# done", "cwd": "/home/alicew/p"}),
        "/home/alicew/a.py": "print(1)", "headers": {"Authorization": "Token abc", "X-Api-Key": "0123456789"},
    }  # fmt: skip
    shown = Redactor(ALICE).value(data)
    assert json.loads(shown["arguments"]) == {"command": "export A=<secret:openai-key#1>\n# done", "cwd": "~/p"}
    assert "~/a.py" in shown and secret not in json.dumps(shown) and "alicew" not in json.dumps(shown)
    assert shown["headers"] == {"Authorization": "<secret:field#1>", "X-Api-Key": "<secret:field#2>"}
    assert (
        {k: shown[k] for k in "nx"} == {"n": 1, "x": None}
        and shown["flag"] is True
        and list(data)[:4] == list(shown)[:4]
    )
    untouched = {"a": ["nothing here"]}
    assert Redactor(ALICE).value(untouched) is untouched


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/alicew/x/y.py:3", "~/x/y.py:3"),
        ("cd /home/alicew && ls", "cd ~ && ls"),
        ("/home/alicewonder/x", "/home/alicewonder/x"),
        ("/mnt/home/alicew", "/mnt/home/<user>"),
        ("alicew@gpu-node-7:~$", "<user>@<host>:~$"),
        ("at gpu-node-7.example.org.", "at <host>."),
        ("gpu-node-77 and malicew", "gpu-node-77 and malicew"),
    ],
)
def test_home_user_and_host_are_not_published(text: str, shown: str) -> None:
    assert Redactor(ALICE).text(text) == shown


def test_a_user_called_like_a_word_does_not_cost_the_word() -> None:
    redactor = Redactor(Machine(users=("mark", "root"), homes=("/root",)))
    assert redactor.text("mark the root; see /srv/mark/a, mark@box, /rootfs, /root/x") == (
        "mark the root; see /srv/<user>/a, <user>@box, /rootfs, ~/x"
    )


def test_values_of_the_users_own_variables_are_known_to_the_letter() -> None:
    redactor = Redactor(Machine(values={"MY_TOKEN": "plainwords-and-more"}))
    assert redactor.text("it printed plainwords-and-more!") == "it printed <secret:variable#1>!"


def test_patterns_and_words_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "redact.toml"
    file.write_text('words = ["Project Falcon"]\nkeep = ["jwt"]\n[patterns]\nticket = "TICKET-(?P<v>[0-9]+)"\n')
    redactor = Redactor(settings=load_settings(file, [r"badge=B\d{4}", r"^x=\d+$"]))
    assert (
        redactor.text("Project Falcon TICKET-12 B1234") == "<secret:word#1> TICKET-<secret:ticket#1> <secret:badge#1>"
    )
    assert redactor.value(["a", "x=12"]) == ["a", "<secret:pattern-2#1>"], "a pattern sees each text by itself"
    jwt = SECRETS["jwt"][0]
    assert redactor.text(jwt) == jwt
    with pytest.raises(DefinitionError, match="pattern 'bad' is no regular expression"):
        Redactor(settings=Settings(patterns={"bad": "("}))
    with pytest.raises(DefinitionError, match="unknown kind 'jwd'; did you mean 'jwt'"):
        Redactor(settings=Settings(keep=("jwd",)))
    file.write_text("word = []")
    with pytest.raises(DefinitionError, match="words"):
        load_settings(file)


def test_findings_are_told_without_the_secret() -> None:
    secret = "hf_" + letters(34)
    redactor = Redactor(ALICE)
    for name in "abcde":
        redactor.value({"output": f"{secret} in /home/alicew"}, f"trial {name}")
    lines = describe(redactor.findings)
    assert lines == [
        "hub-token, 5 times in trial a, trial b, trial c and 2 more: hf_1... (37 characters)",
        "home-path, 5 times in trial a, trial b, trial c and 2 more, shown as ~",
    ]


@pytest.mark.parametrize(
    "text",
    ["sk-" * 50_000, "eyJ" + "a" * 200_000, "-----BEGIN PRIVATE KEY-----" + "-a" * 100_000, "://" + "a:" * 100_000,
     "api_key=" * 30_000, "KEY: " * 40_000, "bearer " * 30_000, "AKIA" * 50_000, "password=\"" + "x" * 200_000],
    ids=lambda t: t[:12],
)  # fmt: skip
def test_hostile_texts_cost_a_linear_time(text: str) -> None:
    begin = time.process_time()
    Redactor(ALICE).text(text)
    assert time.process_time() - begin < 10, "it takes 0.1 s; a quadratic one takes minutes"


def test_commands_are_stored_without_secrets() -> None:
    long = "AIza" + letters(35)
    shown = redact_command(
        ["weigh", "run", "--api-key", "sk-abcdefghijkl", "-o", f"x={long}", "--url", "http://u:pw12@h/v1",
         "-m", "openai/x::api_key_env=MY_KEY", "--max-tokens", "128"]
    )  # fmt: skip
    assert shown == (
        "weigh run --api-key '***' -o 'x=***' --url 'http://u:***@h/v1' "
        "-m openai/x::api_key_env=MY_KEY --max-tokens 128"
    )


def test_the_flags_of_commands_that_publish(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_redaction(parser)
    args = parser.parse_args(["--redact-pattern", r"ticket=T-\d+"])
    assert is_redacting(args) and not is_redacting(parser.parse_args([]))
    redactor = redactor_of(args, hosts=["node-of-a-stored-run"])
    assert redactor.text("T-12 on node-of-a-stored-run", "trial a") == "<secret:ticket#1> on <host>"
    show_findings(redactor.findings, replaced=False)
    said = capsys.readouterr().err
    assert said.splitlines()[0].startswith("looks like secrets") and "ticket, 1 time in trial a: T... (4" in said


def test_what_is_published_as_it_is_is_scanned_first() -> None:
    secret = "hf_" + letters(34)
    records = [{"id": "a", "output": "nothing"}, {"id": "b", "steps": [{"content": f"line\n{secret}"}]}]
    chunks = [json.dumps(records[:1]).encode(), json.dumps(records).encode()]
    found = scan(b'{"page": "nothing"}', chunks)
    assert [(f.kind, f.where, f.count) for f in found] == [("hub-token", "trial b", 1)]
    assert not scan(b"{}", chunks[:1])
    (only,) = scan(json.dumps({"command": f"weigh run {secret}"}).encode(), [])
    assert only.where == "the page"


def test_names_are_counted_where_redaction_would_replace_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    value = {
        "cwd": "/home/alicew/work", "far": "/home/alicewonder", "said": 'alicew on gpu-node-7: "/home/alicew"',
        "more": ["gpu-node-7.example.org", "gpu-node-77", "nothing"],
    }  # fmt: skip
    text = json.dumps(value)
    found = count_names(ALICE, [text, "", text])
    assert found == {"your home folder": 4, "a host name": 4, "your user name": 2}
    redactor = Redactor(ALICE)
    redactor.value(value)
    assert {f.placeholder: 2 * f.count for f in redactor.findings} == {"~": 4, "<host>": 4, "<user>": 2}
    root = Machine(homes=("/",), users=("root",), hosts=("localhost",))
    assert count_names(root, ["root@localhost:/"]) == {}, "names that say nothing about anybody"
    monkeypatch.setenv("HOME", "/home/alicew")
    show_names([json.dumps({"a": "/home/alicew/x", "b": "on node-of-a-run"}).encode(), b"{}"], ["node-of-a-run"])
    said = capsys.readouterr().err
    assert said == "published as it is: your home folder 1 time, a host name 1 time (--redact replaces them)\n"
    show_names([b"{}"], [])
    assert capsys.readouterr().err == ""
