"""A configuration file that is wrong is told with file, line and key, whichever of the three forms it has."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from weigh.cli import flags
from weigh.define.config_file import read_config, read_values
from weigh.records.errors import DefinitionError

YAML_TWICE = "name: x\nlimits:\n  turns: 3\n  seconds: 9\n  turns: 4\n"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.yaml", YAML_TWICE, "key 'turns' is there twice (lines 3 and 5); keep one"),
        ("a.yml", "{a: 1, 'a': 2}", "key 'a' is there twice (line 1); keep one"),
        ("a.yaml", "tasks:\n- name: a\n- {name: b,\n   name: c}\n", "key 'name' is there twice (lines 3 and 4)"),
        ("a.json", '{"a": 1,\n "b": {"c d": 1,\n\n "c d": 2}}', "key 'c d' is there twice (lines 2, 4); keep one"),
        ("a.toml", "a = 1\nb = 2\na = 3\n", "Cannot overwrite a value (at line 3"),
        ("a.yaml", "a: [1\n", "expected ',' or ']'"),
        ("a.json", '{"a": }', "Expecting value: line 1 column 7"),
        ("a.yaml", "a: \x01", "special characters are not allowed"),
        ("a.ini", "a", "a configuration file ends in .toml, .yaml or .json"),
        ("a.yaml", "- a", "expected keys with values, got list"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, name: str, text: str, said: str) -> None:
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(DefinitionError) as told:
        read_config(file)
    assert str(told.value).startswith(f"{file}: ")
    assert said in str(told.value)


@pytest.mark.parametrize("name", ["a.yaml", "a.toml", "a.json"])
def test_a_file_that_is_no_text(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes("a: 1\nb: café\n".encode("latin-1"))
    with pytest.raises(DefinitionError, match=r"it is not UTF-8 text \(line 2\); save it as UTF-8"):
        read_config(file)


def test_what_is_no_mistake_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("base: &base {a: 1, b: 2}\none: {<<: *base, b: 3}\ntwo: {a: 4, b: 5}\n")
    assert read_config(file)["one"] == {"a": 1, "b": 3}
    file.write_text("")
    assert read_config(file) == {}
    listed = tmp_path / "a.json"
    listed.write_text('[{"a": 1}, {"a": 2}]')
    assert read_values(listed) == [{"a": 1}, {"a": 2}]


def test_a_file_of_flags_has_a_key_once_too(tmp_path: Path) -> None:
    file = tmp_path / "flags.yaml"
    file.write_text("store: a\nstore: b\n")
    command = ModuleType("example")
    command.HELP = ""  # type: ignore[attr-defined]
    command.add_arguments = flags.add_store  # type: ignore[attr-defined]
    with pytest.raises(flags.UsageError, match=r"key 'store' is there twice \(lines 1 and 2\)"):
        flags.parse(flags.build("example", command), ["-c", str(file)])
