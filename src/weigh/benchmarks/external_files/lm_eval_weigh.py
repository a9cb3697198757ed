# mypy: ignore-errors
"""Starts lm-eval with a model that asks the gateway. Runs in lm-eval's own environment, beside the questions.

lm-eval's `local-completions` wants the log-probabilities of a prompt's tokens, which no server here gives; this model
asks `/weigh/loglikelihood` instead, which scores continuations as weigh's own tasks do. Everything else is lm-eval's.
"""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

from lm_eval.__main__ import cli_evaluate
from lm_eval.api.model import LM
from lm_eval.api.registry import register_model

GATEWAY, TOKEN = os.environ["WEIGH_GATEWAY"], os.environ["WEIGH_TOKEN"]
THREADS = 32


def ask(route, body, question):
    head = {"Authorization": "Bearer " + TOKEN, "Content-Type": "application/json", "X-Weigh-Question": question}
    request = urllib.request.Request(GATEWAY + route, json.dumps(body).encode(), head)
    try:
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        # The gateway has counted it: the question becomes a failure whatever is scored here.
        print("the gateway answered", error.code, error.read(500).decode(errors="replace"), flush=True)  # noqa: T201
        return None


def question_of(request):
    return str(request.doc.get("id", ""))


@register_model("weigh")
class WeighModel(LM):
    """`--model weigh --model_args chat=true` asks in chats, else in raw text."""

    def __init__(self, chat="false", **_):
        super().__init__()
        self.chat = str(chat).lower() == "true"

    @classmethod
    def create_from_arg_obj(cls, arg_dict, additional_config=None):
        return cls(**arg_dict)

    @property
    def tokenizer_name(self):
        return "weigh"

    def chat_template(self, chat_template=False):
        return ""

    def apply_chat_template(self, chat_history, add_generation_prompt=True):
        return json.dumps(chat_history)

    def loglikelihood(self, requests, disable_tqdm=False):
        groups = defaultdict(list)
        for index, request in enumerate(requests):
            groups[request.arguments[0], question_of(request)].append(index)
        found = [(float("-inf"), False)] * len(requests)

        def score(item):
            (context, question), indexes = item
            body = {"context": context, "continuations": [requests[i].arguments[1] for i in indexes]}
            answer = ask("/weigh/loglikelihood", body, question)
            if answer is not None:
                for index, continuation in zip(indexes, answer["continuations"], strict=True):
                    # Whether it would be the greedy answer is not known; the wrapper refuses metrics that need it.
                    found[index] = (continuation["logprob"], False)

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(score, groups.items()))
        return found

    def generate_until(self, requests, disable_tqdm=False):
        def generate(request):
            context, settings = request.arguments
            body = {"max_tokens": settings.get("max_gen_toks", 256), "stop": settings.get("until") or None}
            body["temperature"] = settings.get("temperature", 0.0) if settings.get("do_sample") else 0.0
            if self.chat:
                try:
                    body["messages"] = json.loads(context)
                except ValueError:
                    body["messages"] = [{"role": "user", "content": context}]
                answer = ask("/v1/chat/completions", body, question_of(request))
                return answer["choices"][0]["message"]["content"] or "" if answer else ""
            body["prompt"] = context
            answer = ask("/v1/completions", body, question_of(request))
            return answer["choices"][0]["text"] if answer else ""

        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(generate, requests))

    def loglikelihood_rolling(self, requests, disable_tqdm=False):
        raise NotImplementedError("weigh: no rolling log-likelihood; a task of perplexity cannot be run this way")


if __name__ == "__main__":
    began = time.monotonic()
    cli_evaluate()
    print(f"lm-eval took {time.monotonic() - began:.1f} s", flush=True)  # noqa: T201
