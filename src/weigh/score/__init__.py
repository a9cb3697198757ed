"""Scorers: one value for one trial, or the reason why there is none.

A scorer is a frozen struct with a name, a digest and one method, `score(context)`. Modules: `answer` (text against a
gold answer), `math`, `choice` (multiple choice), `instruction` (verifiable constraints), `code` (tests run in a
sandbox). `registry` finds a scorer by name, `guard` runs the scorers of a task and turns what goes wrong into a
failed score. The modules are light; what is heavy is imported by the scorer that needs it, when it runs.
"""
