"""Specs as they are typed, and the one path from plain values to configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from weigh.define.decode import RawText, decode, replace
from weigh.define.harness import Harness, Limits, apply_overrides, load_harness
from weigh.define.spec import parse_model, parse_task, split_list
from weigh.records.errors import DefinitionError


@pytest.mark.parametrize(
    ("text", "name", "variants", "overrides", "file"),
    [
        ("sciq", "sciq", (), {}, None),
        ("sciq:mc:3shot", "sciq", ("mc", "3shot"), {}, None),
        ("sciq:mc::num_fewshot=2,limit=10-20", "sciq", ("mc",), {"num_fewshot": "2", "limit": "10-20"}, None),
        ("sciq::data_source.path=s3://b/k.jsonl", "sciq", (), {"data_source.path": "s3://b/k.jsonl"}, None),
        ('sciq::sampling_params.stop=["a","b"]', "sciq", (), {"sampling_params.stop": '["a","b"]'}, None),
        ("./my/bench.py:task:zero", "task", ("zero",), {}, "./my/bench.py"),
        ("bench.py", "", (), {}, "bench.py"),
    ],
)
def test_task_specs(
    text: str, name: str, variants: tuple[str, ...], overrides: dict[str, str], file: str | None
) -> None:
    spec = parse_task(text)
    assert (spec.name, spec.variants, spec.overrides, spec.file) == (name, variants, overrides, file)


def test_lists_split_only_between_specs() -> None:
    text = 'a:mc, b::x=1,y=[1,2],z="p,q",c:2shot,./d.py:e::k=v'
    assert split_list(text) == ["a:mc", 'b::x=1,y=[1,2],z="p,q"', "c:2shot", "./d.py:e::k=v"]


@pytest.mark.parametrize(
    ("text", "provider", "name"),
    [
        ("openai/gpt-x", "openai", "gpt-x"),
        ("openai/org/model", "openai", "org/model"),
        ("smollm2-135m-instruct", "llamacpp", "smollm2-135m-instruct"),
        ("./models/a.gguf", "llamacpp", "./models/a.gguf"),
        ("/abs/a.gguf", "llamacpp", "/abs/a.gguf"),
        ("https://host/a.gguf", "llamacpp", "https://host/a.gguf"),
        ("llamacpp//abs/a.gguf", "llamacpp", "/abs/a.gguf"),
    ],
)
def test_model_specs(text: str, provider: str, name: str) -> None:
    spec = parse_model(text)
    assert (spec.provider, spec.name) == (provider, name)


def test_a_models_own_keys_are_kept_apart_from_the_providers() -> None:
    spec = parse_model(
        "openai/m::base_url=http://127.0.0.1:8000/v1,step=1000,checkpoint=c1,size=1.5e8,label=tiny,n=3,x=true"
    )
    assert (spec.step, spec.checkpoint, spec.size, spec.label) == (1000, "c1", 1.5e8, "tiny")
    assert spec.options == {"base_url": "http://127.0.0.1:8000/v1", "n": 3, "x": True}
    for text, message in (
        ("openai/", "no name"),
        ("openai/m::step=late", "step: expected a number"),
        ("m::x", "not key=value"),
    ):
        with pytest.raises(DefinitionError, match=message):
            parse_model(text)


def test_one_mistake_has_one_text_wherever_it_is_made(tmp_path: Path) -> None:
    message = "limits.seconds: expected float | null, got 'soon'"
    toml, yaml = tmp_path / "h.toml", tmp_path / "h.yaml"
    toml.write_text('[limits]\nseconds = "soon"\n')
    yaml.write_text("limits:\n  seconds: soon\n")
    for call in (
        lambda: load_harness(toml),
        lambda: load_harness(yaml),
        lambda: apply_overrides(Harness(), ["limits.seconds=soon"]),
        lambda: decode({"limits": {"seconds": "soon"}}, Harness, "Python"),
        lambda: replace(Harness(), {"limits.seconds": "soon"}, "Python"),
    ):
        with pytest.raises(DefinitionError) as raised:
            call()
        assert str(raised.value).endswith(message), str(raised.value)


def test_unknown_keys_name_the_closest(tmp_path: Path) -> None:
    file = tmp_path / "h.toml"
    file.write_text("[limits]\nsecond = 3\n")
    for call in (lambda: load_harness(file), lambda: apply_overrides(Harness(), ["limits.second=3"])):
        with pytest.raises(DefinitionError, match=r"limits\.second: unknown key 'second'; did you mean 'seconds'"):
            call()
    with pytest.raises(DefinitionError, match=r"unknown key 'seconds'; did you mean 'limits\.seconds'"):
        apply_overrides(Harness(), ["seconds=3"])


def test_harness_from_a_preset_a_file_and_overrides(tmp_path: Path) -> None:
    assert load_harness("default") == Harness()
    file = tmp_path / "mine.toml"
    file.write_text('extends = "default"\nsystem_prompt = "Hi"\n[limits]\nturns = 3\n[provider]\ndtype = "float32"\n')
    mine = load_harness(file, ["limits.seconds=60", 'tools=["bash"]', "provider.base_url=http://127.0.0.1:1"])
    assert mine.limits == Limits(turns=3, seconds=60.0) and mine.tools == ("bash",)
    assert mine.provider == {"dtype": "float32", "base_url": "http://127.0.0.1:1"}
    assert mine.name == 'mine+limits.seconds=60,tools=["bash"]'
    with pytest.raises(DefinitionError, match="unknown harness 'defualt'; did you mean 'default'"):
        load_harness("defualt")
    with pytest.raises(DefinitionError, match=r"nope\.toml does not exist"):
        load_harness(tmp_path / "nope.toml")
    file.write_text("a = [\n")
    with pytest.raises(DefinitionError, match=r"mine\.toml: Invalid value"):
        load_harness(file)


def test_only_what_can_change_an_answer_is_identity() -> None:
    base = Harness().identity_digest()
    for same in ("concurrency=7", "retries=1", "provider.base_url=http://127.0.0.1:1", "provider.timeout=3", "name=x",
                 "helpers.judge=openai/j", 'required_secrets=["A"]', "sandbox=local"):  # fmt: skip
        assert apply_overrides(Harness(), [same]).identity_digest() == base, same
    for other in ("system_prompt=Hi", "provider.dtype=float32", "limits.turns=2",
                  'tools=["bash"]', "scaffold=tool_loop",
                  "helpers.user=openai/u"):  # fmt: skip
        assert apply_overrides(Harness(), [other]).identity_digest() != base, other


def test_secrets_are_not_shown() -> None:
    harness = Harness(provider={"api_key": "sk-1", "api_key_env": "MY_KEY", "headers": {"Authorization": "Bearer x"}})
    assert harness.public()["provider"] == {
        "api_key": "***", "api_key_env": "MY_KEY", "headers": {"Authorization": "***"},
    }  # fmt: skip


def test_text_from_the_command_line_is_read_by_the_fields_type() -> None:
    assert replace(Harness(), {"system_prompt": RawText("12")}, "-o").system_prompt == "12"
    assert replace(Harness(), {"concurrency": RawText("12")}, "-o").concurrency == 12
    with pytest.raises(DefinitionError, match="-o: concurrency: expected int"):
        replace(Harness(), {"concurrency": RawText("1.5")}, "-o")
