"""Finding and loading weights for the transformers provider: a folder, a hub id, a known model's name or a GGUF file.

A GGUF file is dequantised once (tens of seconds) and the result kept in the model cache by the file's digest; loading
that again takes well under a second.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec

from weigh.execute import models
from weigh.execute.models_catalogue import find
from weigh.records.digest import digest
from weigh.records.errors import CapabilityError


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """What to load.

    Attributes:
        source: What `from_pretrained` takes: a folder, or a hub id.
        identity: What it is: a file's digest, a folder's, or the hub's commit.
        revision: Of a hub id, resolved to a commit.
        template: A chat template that replaces the model's own.
    """

    source: str
    identity: dict[str, str]
    revision: str | None = None
    template: str | None = None


def resolve(model: str, *, revision: str | None = None, cache: str | None = None) -> Weights:
    """Find out what a model is, as cheaply as possible; downloads a known GGUF file where it has to.

    Raises:
        CapabilityError: The hub cannot be asked for an id that is not in its cache.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        return Weights(source=str(folder), identity={"folder": folder_digest(folder, models.cache_dir(cache))})
    if model.endswith(".gguf") or models.is_url(model) or find(model):
        file = models.fetch(model, cache=cache)
        return Weights(source=str(file.path), identity={"sha256": file.sha256}, template=file.template)
    commit = _commit(model, revision)
    return Weights(source=model, identity={"model": model, "commit": commit}, revision=commit)


def folder_digest(folder: Path, root: Path) -> str:
    """Digest of what shapes the answers: names and contents of weights, configuration and tokenizer files."""
    kinds = {".safetensors", ".bin", ".json", ".model", ".txt", ".jinja"}
    files = sorted(p for p in folder.iterdir() if p.is_file() and p.suffix in kinds and not p.name.startswith("."))
    return digest([(p.name, models.known_digest(p, root)) for p in files])


def _commit(model: str, revision: str | None) -> str:
    from huggingface_hub import HfApi, constants, try_to_load_from_cache

    cached = try_to_load_from_cache(model, "config.json", revision=revision or "main")
    if isinstance(cached, str) and constants.HF_HUB_OFFLINE:
        return Path(cached).parent.name
    try:
        return str(HfApi().model_info(model, revision=revision, timeout=5.0).sha)
    except Exception as error:
        if isinstance(cached, str):
            return Path(cached).parent.name
        raise CapabilityError(
            f"model {model!r} is no folder here, and the hub cannot be asked for it ({type(error).__name__}: {error})"
        ) from error


def load(weights: Weights, *, device: str, dtype: str, cache: str | None = None) -> tuple[Any, Any]:
    """The model, ready to be used, and its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = weights.source
    if source.endswith(".gguf"):
        source = str(dequantised(Path(source), weights.identity["sha256"], models.cache_dir(cache)))
    tokenizer = AutoTokenizer.from_pretrained(source, revision=weights.revision)
    network: Any = AutoModelForCausalLM.from_pretrained(source, revision=weights.revision, dtype=getattr(torch, dtype))
    if weights.template:
        tokenizer.chat_template = weights.template
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return network.to(device).eval(), tokenizer


def dequantised(path: Path, sha256: str, root: Path) -> Path:
    """The folder that holds a GGUF file's weights in float32; made if it is not there."""
    import torch
    from filelock import FileLock
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = root / "dequantised" / sha256[:32]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if folder.is_dir():
            return folder
        fresh = folder.with_suffix(".partial")
        shutil.rmtree(fresh, ignore_errors=True)
        tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
        network: Any = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
        # The weights are plain numbers now; the saved configuration must not say otherwise.
        if hasattr(network.config, "quantization_config"):
            del network.config.quantization_config
        network.hf_quantizer = None
        network.is_quantized = False
        network.save_pretrained(fresh)
        tokenizer.save_pretrained(fresh)
        fresh.rename(folder)
        return folder
