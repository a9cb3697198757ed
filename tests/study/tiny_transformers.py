"""Runs commands with the transformers of the Python that runs it, on tiny models with random weights.

They are made in the working folder under the names that the tasks give, so that nothing is downloaded. The commands are
JSON on standard input, `{name: command}`; what each printed is JSON on standard output.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import shlex
import sys
from pathlib import Path
from typing import Any

t: Any = importlib.import_module("transformers")  # any release: types would hold for one of them only

WORDS = ("the", "soup", "was", "cold", "paris", "is", "of", "france", "capital", "lisbon", ".", "[MASK]")
VOCABULARY = len(WORDS) + 4  # and those of BERT


def tokenizer(folder: str) -> None:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *dict.fromkeys(["[MASK]", *WORDS])]
    Path(folder).mkdir(parents=True)
    (Path(folder) / "vocab.txt").write_text("\n".join(words))
    t.BertTokenizer(str(Path(folder) / "vocab.txt")).save_pretrained(folder)


def make() -> None:
    t.set_seed(7)
    small: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
    }
    bert = t.BertConfig(vocab_size=VOCABULARY, **small)
    name = "distilbert/distilbert-base-uncased-finetuned-sst-2-english"
    tokenizer(name)
    labels = {"id2label": {0: "NEGATIVE", 1: "POSITIVE"}, "label2id": {"NEGATIVE": 0, "POSITIVE": 1}}
    t.BertForSequenceClassification(t.BertConfig(vocab_size=VOCABULARY, **labels, **small)).save_pretrained(name)
    name = "google-bert/bert-base-uncased"
    tokenizer(name)
    t.BertForMaskedLM(bert).save_pretrained(name)
    name = "distilbert/distilbert-base-cased-distilled-squad"
    tokenizer(name)
    t.BertForQuestionAnswering(bert).save_pretrained(name)
    name = "openai-community/gpt2"
    tokenizer(name)
    sounds = {"id2label": {0: "Sine wave", 1: "Speech"}, "label2id": {"Sine wave": 0, "Speech": 1}}
    name = "MIT/ast-finetuned-audioset-10-10-0.4593"
    t.ASTForAudioClassification(t.ASTConfig(**sounds, **small)).save_pretrained(name)
    t.ASTFeatureExtractor().save_pretrained(name)
    name = "facebook/tiny-vit"
    t.ViTForImageClassification(t.ViTConfig(image_size=32, patch_size=16, **small)).save_pretrained(name)
    t.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(name)


def run(command: str) -> str:
    """What `python -c CODE` prints, without a new process; an error's last line where it fails."""
    program, flag, code = shlex.split(command)
    assert (program, flag) == ("python", "-c")
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        try:
            exec(compile(code, command[:40], "exec"), {"__name__": "__main__"})
        except Exception as error:  # the command's own failure is what is looked at
            print(f"{type(error).__name__}: {error}")
    return out.getvalue()


if __name__ == "__main__":
    commands = json.load(sys.stdin)
    make()
    print(json.dumps({"version": t.__version__, **{name: run(command) for name, command in commands.items()}}))
