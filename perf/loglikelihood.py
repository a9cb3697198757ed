"""How long ranked choices take: seconds a question for a 30-token question with four continuations of 10 tokens.

    python perf/loglikelihood.py [--model NAME ...] [--questions 40] [--threads 2] [--forced]

`--forced` measures the way that needs only llama.cpp's server, one token at a time.
Real questions are not needed for time.
"""

from __future__ import annotations

import argparse
import asyncio
import time

from weigh.execute.providers.llamacpp import create, default_threads
from weigh.records.request import LoglikelihoodRequest

WORDS = ("river", "stone", "planet", "music", "engine", "garden", "winter", "copper", "letter", "market")


def question(i: int) -> LoglikelihoodRequest:
    a, b, c, d = (WORDS[(i * k + k) % 10] for k in (1, 3, 7, 9))
    context = f"Question {i}: Which of these is most like a {a} that was found beside the old {b} near a {c}?\nAnswer:"
    ends = (f" the {w} that stands beside the {d} of the {a}" for w in (a, b, c, d))
    return LoglikelihoodRequest(context=context, continuations=tuple(ends), unconditional_context="Answer:")


async def measure(model: str, questions: int, threads: int, forced: bool) -> None:
    async with create(model, {"threads": threads}, concurrency=8) as provider:
        provider.use_direct_scoring = not forced
        await provider.respond(question(999))
        gate = asyncio.Semaphore(8)

        async def one(i: int) -> int:
            async with gate:
                output = await provider.respond(question(i))
                return sum(c.num_tokens for c in output.continuations)

        start = time.perf_counter()
        tokens = sum(await asyncio.gather(*map(one, range(questions))))
        seconds = time.perf_counter() - start
    each, rate = seconds / questions, tokens / seconds
    print(f"{model}: {each:.3f} s a question, {rate:.0f} scored tokens/s, {questions} questions", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--model", action="append")
    parser.add_argument("--questions", type=int, default=40)
    parser.add_argument("--threads", type=int, default=default_threads())
    parser.add_argument("--forced", action="store_true")
    given = parser.parse_args()
    for model in given.model or ["smollm2-135m-instruct", "gemma3-270m"]:
        asyncio.run(measure(model, given.questions, given.threads, given.forced))


if __name__ == "__main__":
    main()
