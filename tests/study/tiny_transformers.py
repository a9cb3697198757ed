"""Tiny models with random weights for the tasks of the transformers profile, and what they say.

    python tiny_transformers.py make             makes them in the working folder, under the names that the tasks give
    python tiny_transformers.py say < COMMANDS   {name: command} as JSON: what each prints, and what is right

Run by the Python of any release; nothing is downloaded. What is right is computed from the logits, without pipelines.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

t: Any = importlib.import_module("transformers")  # any release: types would hold for one of them only
torch: Any = importlib.import_module("torch")
tokenizers: Any = importlib.import_module("tokenizers")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
TEXTS = (
    "the quick brown fox jumps over the lazy dog . the soup was cold , and nobody said sorry . paris is the of "
    "france where does ida repair clocks ? ida has repaired clocks in a cellar in bergen since her uncle "
    "moved to rome "
    "ingrid solberg from trondheim to lisbon this example is cooking sports politics striker scored twice second half "
    "1 2 3 4 5 6 red circle blue square green tree what colour old iron bridge capital"
)
WORDS = list(dict.fromkeys([*SPECIAL, *TEXTS.split()]))
SMALL: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
LARGE: dict[str, Any] = {"initializer_range": 1.0}  # so that answers differ by more than another release's rounding
DECODER: dict[str, Any] = {
    "vocab_size": len(WORDS), "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "decoder_start_token_id": 2,
}  # fmt: skip
PICTURE: dict[str, Any] = {"image_size": 32, "patch_size": 16}
SST = "distilbert/distilbert-base-uncased-finetuned-sst-2-english"
NER, NLI, BERT = "dslim/bert-base-NER", "facebook/bart-large-mnli", "google-bert/bert-base-uncased"
SQUAD, BART, GPT2 = (
    "distilbert/distilbert-base-cased-distilled-squad",
    "sshleifer/distilbart-cnn-12-6",
    "openai-community/gpt2",
)
CLIP, DETR, VQA = "openai/clip-vit-base-patch32", "facebook/detr-resnet-50", "dandelin/vilt-b32-finetuned-vqa"
BLIP = "Salesforce/blip-image-captioning-base"
SOUND, SPEECH = "MIT/ast-finetuned-audioset-10-10-0.4593", "openai/whisper-tiny.en"
LETTERS = ["<pad>", "<s>", "</s>", "<unk>", "|", *"abcdefgh"]


def tokenizer(whole: bool = True, pairs: bool = True, kind: str = "PreTrainedTokenizerFast") -> Any:
    """One token a word. A `whole` text stands between [CLS] and [SEP], as BERT has it; `pairs` tells two apart."""
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    made.normalizer = tokenizers.normalizers.Lowercase()
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    if whole:
        ends = [("[CLS]", 2), ("[SEP]", 3)]
        made.post_processor = tokenizers.processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends
        )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    names |= {"mask_token": "[MASK]", "eos_token": "[SEP]"}
    given = ["input_ids", *(["token_type_ids"] if pairs else []), "attention_mask"]
    return getattr(t, kind)(tokenizer_object=made, model_max_length=128, model_input_names=given, **names)


def labels(*names: str) -> dict[str, Any]:
    return {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}}


def keep(name: str, model: Any, *more: Any) -> None:
    for part in (model, *more):
        part.save_pretrained(name)


def make() -> None:
    t.set_seed(7)
    words, plain = tokenizer(), tokenizer(pairs=False)
    bert = {"vocab_size": len(WORDS), **SMALL, **LARGE}
    classify = t.BertForSequenceClassification
    keep(SST, classify(t.BertConfig(**labels("NEGATIVE", "POSITIVE"), **bert)), words)
    keep(NLI, classify(t.BertConfig(**labels("contradiction", "neutral", "entailment"), **bert)), words)
    keep(NER, t.BertForTokenClassification(t.BertConfig(**labels("O", "PER", "LOC"), **bert)), words)
    keep(BERT, t.BertForMaskedLM(t.BertConfig(**bert)), words)
    keep(SQUAD, t.BertForQuestionAnswering(t.BertConfig(**bert)), words)
    gpt2 = {"n_embd": 16, "n_layer": 1, "n_head": 2, "bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}
    gpt2 |= {"vocab_size": len(WORDS), **LARGE}
    keep(GPT2, t.GPT2LMHeadModel(t.GPT2Config(**gpt2)), tokenizer(whole=False, pairs=False))
    bart = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "init_std": 1.0}
    bart |= {"decoder_attention_heads": 2, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "forced_eos_token_id": None}
    keep(BART, t.BartForConditionalGeneration(t.BartConfig(max_position_embeddings=128, **bart, **DECODER)), plain)
    bare = tokenizer(kind="BertTokenizerFast")  # the only kind that these processors take
    image = {"size": {"height": 32, "width": 32}}
    sides = {"text_config": {"vocab_size": len(WORDS), "eos_token_id": 3, "pad_token_id": 0, **SMALL},
             "vision_config": {**PICTURE, **SMALL}, "projection_dim": 16}  # fmt: skip
    keep(
        CLIP, t.CLIPModel(t.CLIPConfig(**sides)), plain, t.CLIPImageProcessor(crop_size=32, size={"shortest_edge": 32})
    )
    yolos = t.YolosConfig(
        image_size=[32, 32], patch_size=16, num_detection_tokens=3, **labels("stop sign", "cup"), **SMALL
    )
    keep(DETR, t.YolosForObjectDetection(yolos), t.YolosImageProcessor(size={"height": 32, "width": 32}))
    vilt = t.ViltConfig(vocab_size=len(WORDS), **PICTURE, **labels("red", "blue"), **SMALL, **LARGE)
    viewer = t.ViltImageProcessor(size={"shortest_edge": 32}, size_divisor=16)
    keep(VQA, t.ViltForQuestionAnswering(vilt), t.ViltProcessor(viewer, bare))
    written = {**DECODER, **SMALL, "is_decoder": True, "sep_token_id": 3, "encoder_hidden_size": 16, **LARGE}
    written.pop("decoder_start_token_id")
    blip = t.BlipConfig(text_config=written, vision_config={**PICTURE, **SMALL}, projection_dim=16)
    keep(BLIP, t.BlipForConditionalGeneration(blip), t.BlipProcessor(t.BlipImageProcessor(**image), bare))
    ast = t.ASTConfig(**labels("Sine wave", "Speech"), **SMALL, **LARGE)
    keep(SOUND, t.ASTForAudioClassification(ast), t.ASTFeatureExtractor())
    Path("letters.json").write_text(json.dumps({letter: i for i, letter in enumerate(LETTERS)}))
    heard = {"conv_dim": (16, 16), "conv_stride": (40, 40), "conv_kernel": (40, 40), "num_feat_extract_layers": 2}
    heard |= {"num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2, "vocab_size": len(LETTERS)}
    reader = t.Wav2Vec2Processor(t.Wav2Vec2FeatureExtractor(), t.Wav2Vec2CTCTokenizer("letters.json"))
    keep(SPEECH, t.Wav2Vec2ForCTC(t.Wav2Vec2Config(**heard, **SMALL, **LARGE)), reader)


def logits(kind: str, name: str, inputs: Any) -> Any:
    with torch.no_grad():
        return getattr(t, kind).from_pretrained(name)(**inputs)


def words_of(name: str, *texts: str) -> Any:
    return t.AutoTokenizer.from_pretrained(name)(*texts, return_tensors="pt")


def label(kind: str, name: str, inputs: Any) -> str:
    said: str = t.AutoConfig.from_pretrained(name).id2label[logits(kind, name, inputs).logits[0].argmax().item()]
    return said


def picture(name: str) -> Any:
    return importlib.import_module("PIL.Image").open(name).convert("RGB")


def sound(name: str) -> Any:
    _, heard = importlib.import_module("scipy.io.wavfile").read(name)
    return heard / 32768


def felt() -> str:
    return label("BertForSequenceClassification", SST, words_of(SST, "The soup was cold, and nobody said sorry."))


def entities() -> str:
    inputs = words_of(NER, "Ingrid Solberg moved from Trondheim to Lisbon.")
    names = logits("BertForTokenClassification", NER, inputs).logits[0].argmax(-1).tolist()
    found = {WORDS[i] for i, name in zip(inputs["input_ids"][0].tolist(), names, strict=True) if name == 1}
    return " ".join(sorted(found - {"[CLS]", "[SEP]"}))


def filled() -> str:
    inputs = words_of(BERT, "Paris is the [MASK] of France.")
    at = inputs["input_ids"][0].tolist().index(WORDS.index("[MASK]"))
    return WORDS[logits("BertForMaskedLM", BERT, inputs).logits[0, at].argmax().item()]


def sorted_under() -> str:
    def entailed(name: str) -> float:
        inputs = words_of(NLI, "The striker scored twice in the second half.", f"This example is {name}.")
        entailment: float = logits("BertForSequenceClassification", NLI, inputs).logits[0, 2].item()
        return entailment

    return max(("cooking", "sports", "politics"), key=entailed)


def answered() -> str:
    inputs = words_of(SQUAD, "Where does Ida repair clocks?", "Ida has repaired clocks in a cellar in Bergen.")
    said = logits("BertForQuestionAnswering", SQUAD, inputs)
    return WORDS[inputs["input_ids"][0, said.start_logits.argmax().item()]]


def continued() -> str:
    ids = words_of(GPT2, "1, 2, 3, 4, 5, 6,")["input_ids"]
    for _ in range(8):
        best = logits("GPT2LMHeadModel", GPT2, {"input_ids": ids}).logits[:, -1:].argmax(-1)
        ids = torch.cat([ids, best], 1)
        if best.item() == WORDS.index("[SEP]"):
            break
    return " ".join(WORDS[i] for i in ids[0, -8:].tolist() if WORDS[i] not in SPECIAL)


def written(kind: str, name: str, inputs: Any, steps: int) -> str:
    """What an encoder and a decoder write, greedily."""
    ids = [DECODER["decoder_start_token_id"]]
    while len(ids) <= steps and ids[-1] != DECODER["eos_token_id"]:
        said = logits(kind, name, {**inputs, "decoder_input_ids": torch.tensor([ids])})
        ids.append(said.logits[0, -1].argmax().item())
    return " ".join(WORDS[i] for i in ids if WORDS[i] not in SPECIAL)


def transcribed() -> str:
    heard = t.AutoProcessor.from_pretrained(SPEECH)(sound("spoken.wav"), sampling_rate=16000, return_tensors="pt")
    said = logits("Wav2Vec2ForCTC", SPEECH, heard).logits[0].argmax(-1).tolist()
    letters = [LETTERS[a] for a, b in zip(said, [None, *said], strict=False) if a != b and a]
    return "".join(letters).replace("|", " ").strip()


def chosen() -> str:
    names = ["a red circle", "a blue square", "a green tree"]
    seen = t.AutoImageProcessor.from_pretrained(CLIP)(picture("square.png"), return_tensors="pt")
    inputs = {**t.AutoTokenizer.from_pretrained(CLIP)(names, return_tensors="pt", padding=True), **seen}
    inputs = {key: inputs[key] for key in ("input_ids", "attention_mask", "pixel_values")}
    return names[logits("CLIPModel", CLIP, inputs).logits_per_image[0].argmax().item()]


def detected() -> str:
    seen = t.AutoImageProcessor.from_pretrained(DETR)(picture("sign.png"), return_tensors="pt")
    said = logits("YolosForObjectDetection", DETR, {"pixel_values": seen["pixel_values"]}).logits[0].softmax(-1)[:, :-1]
    return ("stop sign", "cup")[said.max(0).values.argmax().item()]


def captioned() -> str:
    seen = t.AutoProcessor.from_pretrained(BLIP)(images=picture("circle.png"), return_tensors="pt")
    ids: list[int] = [DECODER["bos_token_id"]]
    for _ in range(5):
        said = logits("BlipForConditionalGeneration", BLIP, {**seen, "input_ids": torch.tensor([ids])})
        ids.append(said.logits[0, -1].argmax().item())
    return " ".join(WORDS[i] for i in ids if WORDS[i] not in SPECIAL)


def seen_and_asked() -> Any:
    return t.ViltProcessor.from_pretrained(VQA)(
        picture("circle.png"), "What colour is the circle?", return_tensors="pt"
    )


RIGHT: dict[str, Callable[[], str]] = {
    "sentiment": felt,
    "entities": entities,
    "transcription": transcribed,
    "token-count": lambda: "10",
    "caption": captioned,
    "summary": lambda: written("BartForConditionalGeneration", BART, words_of(BART, "The old iron bridge"), 6),
    "question-answering": answered,
    "fill-mask": filled,
    "zero-shot": sorted_under,
    "image-classes": chosen,
    "objects": detected,
    "visual-question": lambda: label("ViltForQuestionAnswering", VQA, seen_and_asked()),
    "generation": continued,
    "audio-classes": lambda: label(
        "ASTForAudioClassification", SOUND,
        t.AutoFeatureExtractor.from_pretrained(SOUND)(sound("tone.wav"), sampling_rate=16000, return_tensors="pt"),
    ),
}  # fmt: skip


def say(command: str) -> str:
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
    if sys.argv[1] == "make":
        make()
    else:
        commands = json.load(sys.stdin)
        said = {name: say(command) for name, command in commands.items()}
        right = {name: work() for name, work in RIGHT.items()}
        print(json.dumps({"version": t.__version__, "said": said, "right": right}))
