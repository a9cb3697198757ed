"""llama.cpp's C interface, as far as scoring needs it, out of the shared object of the `xllamacpp` wheel.

The wheel's Python face has no log-probabilities of a prompt, but its library exports the C functions. Two of them
take structs by value whose fields move between versions, so the structs are opaque here: the library fills in its
defaults, the few fields that matter are found by the pattern of those defaults, and the result is checked against
what the library then says of itself. Where a pattern or a check does not hold, `Unusable` is raised and the caller
scores another way.

Scoring turns flash attention off and keeps the cache in float32: with flash attention on a CPU the same continuation
moves by up to 0.1 nats a token with what else is in the batch, without it by less than 0.005.
"""

from __future__ import annotations

import ctypes as c
import struct
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SIZES = struct.pack("4I", 512, 2048, 512, 1)
"""n_ctx, n_batch, n_ubatch, n_seq_max: what a context's parameters begin with, at their defaults."""
_KINDS = struct.pack("6i", 0, -1, -1, -1, -1, 0)
"""Before, rope scaling, pooling, attention, flash attention, after."""
_TYPES = struct.pack("4i", 0, 1, 1, 0)
"""Before, type of keys, type of values (1 is float16), after."""
_FLAGS = bytes([0, 1, 1, 1, 1, 0])
"""embeddings, offload_kqv, no_perf, op_offload, swa_full, kv_unified."""


class Unusable(Exception):
    """This build of the library is laid out in a way that is not understood here."""


class TooLong(Exception):
    """The tokens do not fit the context."""


class _Opaque(c.Structure):
    # Larger than any version of the structs: returned through a pointer, passed as the last argument on the stack, so
    # that the library sees its own fields first and never the rest.
    _fields_ = [("data", c.c_uint8 * 1024)]


class _Batch(c.Structure):
    _fields_ = [
        ("n_tokens", c.c_int32),
        ("token", c.POINTER(c.c_int32)),
        ("embd", c.c_void_p),
        ("pos", c.POINTER(c.c_int32)),
        ("n_seq_id", c.POINTER(c.c_int32)),
        ("seq_id", c.POINTER(c.POINTER(c.c_int32))),
        ("logits", c.POINTER(c.c_int8)),
        ("room", c.c_uint8 * 256),
    ]


_LOG = c.CFUNCTYPE(None, c.c_int, c.c_char_p, c.c_void_p)

_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "llama_backend_init": (None, []),
    "llama_log_set": (None, [_LOG, c.c_void_p]),
    "llama_context_default_params": (_Opaque, []),
    "llama_model_default_params": (_Opaque, []),
    "llama_model_load_from_file": (c.c_void_p, [c.c_char_p, _Opaque]),
    "llama_model_free": (None, [c.c_void_p]),
    "llama_model_get_vocab": (c.c_void_p, [c.c_void_p]),
    "llama_model_is_recurrent": (c.c_bool, [c.c_void_p]),
    "llama_model_is_hybrid": (c.c_bool, [c.c_void_p]),
    "llama_init_from_model": (c.c_void_p, [c.c_void_p, _Opaque]),
    "llama_free": (None, [c.c_void_p]),
    "llama_n_ctx": (c.c_uint32, [c.c_void_p]),
    "llama_n_ctx_seq": (c.c_uint32, [c.c_void_p]),
    "llama_n_batch": (c.c_uint32, [c.c_void_p]),
    "llama_n_seq_max": (c.c_uint32, [c.c_void_p]),
    "llama_set_n_threads": (None, [c.c_void_p, c.c_int32, c.c_int32]),
    "llama_batch_init": (_Batch, [c.c_int32, c.c_int32, c.c_int32]),
    "llama_batch_free": (None, [_Batch]),
    "llama_decode": (c.c_int32, [c.c_void_p, _Batch]),
    "llama_get_logits_ith": (c.POINTER(c.c_float), [c.c_void_p, c.c_int32]),
    "llama_get_memory": (c.c_void_p, [c.c_void_p]),
    "llama_memory_clear": (None, [c.c_void_p, c.c_bool]),
    "llama_memory_seq_rm": (c.c_bool, [c.c_void_p, c.c_int32, c.c_int32, c.c_int32]),
    "llama_memory_seq_cp": (None, [c.c_void_p, c.c_int32, c.c_int32, c.c_int32, c.c_int32]),
    "llama_vocab_n_tokens": (c.c_int32, [c.c_void_p]),
    "llama_vocab_bos": (c.c_int32, [c.c_void_p]),
    "llama_vocab_eos": (c.c_int32, [c.c_void_p]),
    "llama_tokenize": (
        c.c_int32,
        [c.c_void_p, c.c_char_p, c.c_int32, c.POINTER(c.c_int32), c.c_int32, c.c_bool, c.c_bool],
    ),
}

_WARNING = 3


def _print_warning(level: int, text: bytes, _data: object) -> None:
    if level >= _WARNING and b"control-looking" not in text:
        sys.stderr.write(text.decode(errors="replace"))


_log = _LOG(_print_warning)  # kept here, since the library keeps only its address


Entry = tuple[int, int, Sequence[int], bool]
"""A token of a batch: token, position, the sequences it belongs to, whether its logits are wanted."""


class Model:
    """A model and one context for scoring, with a key-value cache that all its sequences share.

    Args:
        path: The GGUF file.
        n_ctx: Tokens that fit the cache, all sequences together.
        n_seq: How many sequences there may be.
        threads: For computing.
    """

    def __init__(self, path: str, *, n_ctx: int, n_seq: int, threads: int, n_batch: int = 512) -> None:
        self._lib = _library()
        self.model = self._lib.llama_model_load_from_file(path.encode(), self._lib.llama_model_default_params())
        if not self.model:
            raise Unusable(f"{path} could not be loaded")
        if self._lib.llama_model_is_recurrent(self.model) or self._lib.llama_model_is_hybrid(self.model):
            self._lib.llama_model_free(self.model)
            raise Unusable("the model is recurrent: its state cannot be shared between continuations")
        parameters = _parameters(self._lib, n_ctx=n_ctx, n_batch=n_batch, n_seq=n_seq)
        self.context = self._lib.llama_init_from_model(self.model, parameters)
        if not self.context:
            self._lib.llama_model_free(self.model)
            raise Unusable("no context could be made")
        self._check(n_ctx, n_batch, n_seq)
        self._lib.llama_set_n_threads(self.context, threads, threads)
        self.memory = self._lib.llama_get_memory(self.context)
        self.vocab = self._lib.llama_model_get_vocab(self.model)
        self.n_vocab: int = self._lib.llama_vocab_n_tokens(self.vocab)
        self.n_ctx, self.n_batch, self.n_seq = n_ctx, n_batch, n_seq
        self.outputs_per_batch = max(16, min(n_batch, (1 << 24) // self.n_vocab))
        self._batch = self._lib.llama_batch_init(n_batch, 0, n_seq)

    def _check(self, n_ctx: int, n_batch: int, n_seq: int) -> None:
        lib, context = self._lib, self.context
        got = (lib.llama_n_batch(context), lib.llama_n_seq_max(context))
        # The size is rounded up; that one sequence may fill all of it shows that the cache is shared.
        if lib.llama_n_ctx(context) < n_ctx or lib.llama_n_ctx_seq(context) < n_ctx or got != (n_batch, n_seq):
            raise Unusable("the library did not take the parameters of the context as expected")

    def tokenize(self, text: str) -> list[int]:
        """Tokens of a text, with a beginning token where the model wants one; special tokens are understood."""
        data = text.encode()
        room = len(data) + 8
        out = (c.c_int32 * room)()
        n = self._lib.llama_tokenize(self.vocab, data, len(data), out, room, True, True)
        return list(out[: max(n, 0)])

    @property
    def first_token(self) -> int:
        """What stands before a text that has nothing before it: the token of the beginning, else that of the end."""
        bos: int = self._lib.llama_vocab_bos(self.vocab)
        return bos if bos >= 0 else int(self._lib.llama_vocab_eos(self.vocab))

    def decode(self, entries: Sequence[Entry], use: Callable[[int, NDArray[np.float32]], None]) -> None:
        """Compute the entries in order and call `use(index, logits)` for each whose logits are wanted.

        Raises:
            TooLong: The cache is full.
        """
        start = 0
        while start < len(entries):
            outputs, end = 0, start
            while end < len(entries) and end - start < self.n_batch:
                outputs += entries[end][3]
                if outputs > self.outputs_per_batch:
                    break
                end += 1
            self._decode(entries[start:end])
            for i, entry in enumerate(entries[start:end]):
                if entry[3]:
                    row = self._lib.llama_get_logits_ith(self.context, i)
                    if not row:
                        raise Unusable("the library gave no logits")
                    use(start + i, np.ctypeslib.as_array(row, (self.n_vocab,)))
            start = end

    def _decode(self, entries: Sequence[Entry]) -> None:
        batch = self._batch
        for i, (token, position, sequences, wanted) in enumerate(entries):
            batch.token[i] = token
            batch.pos[i] = position
            batch.n_seq_id[i] = len(sequences)
            for j, sequence in enumerate(sequences):
                batch.seq_id[i][j] = sequence
            batch.logits[i] = wanted
        batch.n_tokens = len(entries)
        result = self._lib.llama_decode(self.context, batch)
        if result == 1:
            raise TooLong("the tokens do not fit the context")
        if result:
            raise RuntimeError(f"llama_decode failed with {result}")

    def clear(self) -> None:
        """Forget all sequences."""
        self._lib.llama_memory_clear(self.memory, False)

    def keep(self, sequence: int, length: int) -> None:
        """Forget what a sequence holds from position `length` on."""
        self._lib.llama_memory_seq_rm(self.memory, sequence, length, -1)

    def copy(self, source: int, target: int, length: int) -> None:
        """Let another sequence begin with the first `length` tokens of one; costs nothing, the cells are shared."""
        self._lib.llama_memory_seq_cp(self.memory, source, target, 0, length)

    def close(self) -> None:
        """Free all of it."""
        self._lib.llama_batch_free(self._batch)
        self._lib.llama_free(self.context)
        self._lib.llama_model_free(self.model)


def _library() -> Any:
    import xllamacpp

    try:
        library = c.CDLL(xllamacpp.xllamacpp.__file__)
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise Unusable(f"the library of xllamacpp lacks a function: {error}") from error
    library.llama_backend_init()
    library.llama_log_set(_log, None)
    return library


def _parameters(library: Any, *, n_ctx: int, n_batch: int, n_seq: int) -> _Opaque:
    parameters: _Opaque = library.llama_context_default_params()
    data = bytes(parameters.data)
    if not data.startswith(_SIZES):
        raise Unusable("the parameters of a context begin differently")
    flags = _find(data, _FLAGS, 64)
    struct.pack_into("4I", parameters.data, 0, n_ctx, n_batch, n_batch, n_seq)
    struct.pack_into("i", parameters.data, _find(data[:flags], _KINDS, 16) + 16, 0)  # flash attention off
    struct.pack_into("2i", parameters.data, _find(data[:flags], _TYPES, 64) + 4, 0, 0)  # float32
    parameters.data[flags + 5] = 1  # one cache for all sequences
    return parameters


def _find(data: bytes, pattern: bytes, start: int) -> int:
    """Where the pattern is; it must be there exactly once."""
    at = data.find(pattern, start)
    if at < 0 or data.find(pattern, at + 1) >= 0:
        raise Unusable("the parameters of a context are laid out differently")
    return at
