"""The program that runs inside the sandbox: loads what the model wrote, runs each test, reports each at once.

It is text, not a module to import, because it runs under the sandbox's Python. Reports go to a copy of standard
output made before the model's code runs; the code's own prints go nowhere, so that they cannot fill or forge it.
"""

from __future__ import annotations

DRIVER = r"""
import json, os, resource, signal, sys, time

def main():
    job = json.loads(sys.stdin.buffer.read())
    token, channel = job["token"], os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    owner, write, dumps, clock, getpid = os.getpid(), os.write, json.dumps, time.perf_counter, os.getpid
    leave, alarm = os._exit, signal.setitimer

    class Late(BaseException):
        pass

    def ring(*_):
        raise Late

    def report(**facts):
        if getpid() == owner:  # a forked copy of the program has nothing to report
            write(channel, (token + " " + dumps(facts) + "\n").encode())

    signal.signal(signal.SIGALRM, ring)
    signal.signal(signal.SIGPROF, ring)

    def allow(seconds, patience):
        alarm(signal.ITIMER_PROF, seconds)
        alarm(signal.ITIMER_REAL, patience)

    # Memory the interpreter holds already is not the program's.
    resource.setrlimit(resource.RLIMIT_AS, (job["memory"], job["memory"]))
    sys.argv = ["program"]
    sys.setrecursionlimit(5000)
    report(ready=True)

    def attempt(source, name, space):
        began = clock()
        status, message = "passed", ""
        try:
            code = compile(source, name, "exec")
            allow(job["seconds"], job["patience"])
            try:
                exec(code, space)
            finally:
                allow(0, 0)
        except Late:
            status, message = "timeout", "longer than %g s" % job["seconds"]
        except SystemExit as end:
            status, message = "exit", "called exit(%r)" % (end.code,)
        except AssertionError as error:
            status, message = "failed", str(error)[:300]
        except BaseException as error:
            try:
                message = "%s: %s" % (type(error).__name__, str(error)[:300])
            except BaseException:
                message = "an exception that cannot be shown"
            status = "error"
        return status, message, round(clock() - began, 4)

    space = {"__name__": "program"}
    for part, name in ((job["setup"], "setup"), (job["source"], "program")):
        status, message, seconds = attempt(part, name, space)
        if status != "passed":
            report(loaded=False, message="%s: %s %s" % (name, status, message))
            leave(1)
    report(loaded=True, message="")
    for index, test in enumerate(job["tests"]):
        status, message, seconds = attempt(test, "test %d" % (index + 1), dict(space))
        report(test=index, status=status, message=message, seconds=seconds)
    leave(0)

main()
"""
