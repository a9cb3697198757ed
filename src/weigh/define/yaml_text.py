"""YAML in which a key that stands twice is a mistake; left alone, the last one would win without a word."""

from __future__ import annotations

from functools import cache
from typing import Any


def read_yaml(text: str, *, plain: bool = True) -> Any:
    """The values of a text.

    Args:
        plain: Whether scalars become what they mean (`yes` is true, `3` a number); else they stay text.

    Raises:
        ValueError: It is no YAML, or a table has a key twice; with the line.
    """
    import yaml

    try:
        return yaml.load(text, Loader=_loader(plain))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" (line {mark.line + 1})" if mark is not None else ""
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        raise ValueError(f"{problem}{line}") from None


@cache
def _loader(plain: bool) -> Any:
    import yaml

    base: Any = yaml.SafeLoader if plain else yaml.BaseLoader

    class Loader(base):  # type: ignore[misc]
        def compose_mapping_node(self, anchor: Any) -> Any:
            node = super().compose_mapping_node(anchor)
            lines: dict[str, int] = {}
            for key, _ in node.value:
                # `<<` takes over another table's keys, which those written here may replace.
                if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                    continue
                line = key.start_mark.line + 1
                if key.value in lines:
                    first = lines[key.value]
                    where = f"lines {first} and {line}" if first != line else f"line {line}"
                    problem = f"key {key.value!r} is there twice ({where}); keep one"
                    raise yaml.composer.ComposerError(None, None, problem, None)
                lines[key.value] = line
            return node

    return Loader
