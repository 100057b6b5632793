"""A worker that needs nothing but Python: takes jobs over HTTP, one at a time, and does them.

    python3 worker.py job.greet
"""

import json
import os
import sys
import threading
import urllib.error
import urllib.request

SERVER = os.environ.get("HOLDFAST_URL", "http://127.0.0.1:8081")
TENANT = os.environ.get("HOLDFAST_TENANT", "default")
WORKER = f"python-{os.getpid()}"


def ask(path, body, timeout=90):
    """The answer's JSON, or None when there is none."""
    request = urllib.request.Request(
        f"{SERVER}/api/v1/workers/{path}",
        data=json.dumps({**body, "worker_id": WORKER}).encode(),
        headers={"content-type": "application/json", "x-tenant-id": TENANT},
    )
    with urllib.request.urlopen(request, timeout=timeout) as response:
        text = response.read()
        return json.loads(text) if text else None


class Cancelled(Exception):
    """Nobody waits for the outcome any more."""


def keep_alive(task, done, cancelled):
    """Heartbeats, three for each time-out, until the job is done; with no time-out, every ten seconds, to hear of a cancellation."""
    every = task["heartbeat_timeout_ms"] / 3000 or 10
    while not done.wait(every):
        try:
            if ask("heartbeat", {"lease": task["lease"]})["cancel_requested"]:
                cancelled.set()
                return
        except OSError as error:
            print(f"heartbeat: {error}", file=sys.stderr)


def greet(task, cancelled):
    """The work itself. Looks at `cancelled` when it takes long."""
    [argument] = task["input"]
    if cancelled.is_set():
        raise Cancelled
    if "name" not in argument:
        raise ValueError("whom to greet?")
    return {"greeting": f"Hello, {argument['name']}!", "attempt": task["attempt"]}


def work(task):
    done, cancelled = threading.Event(), threading.Event()
    beats = threading.Thread(target=keep_alive, args=(task, done, cancelled), daemon=True)
    beats.start()
    try:
        outcome = {"result": greet(task, cancelled)}
    except Cancelled:
        outcome = {"cancelled": True}
    except ValueError as error:
        # The input is wrong: it would be wrong again.
        outcome = {"error": {"message": str(error), "type": "BadInput", "retryable": False}}
    except Exception as error:  # noqa: BLE001
        outcome = {"error": {"message": str(error), "type": type(error).__name__}}
    finally:
        done.set()
    ask("complete", {"lease": task["lease"], **outcome})


def main(task_queue):
    print(f"{WORKER} waits for {task_queue}", flush=True)
    while True:
        try:
            task = ask("lease", {"task_queue": task_queue, "wait_ms": 30_000})
            if task is not None:
                print(f"{task['activity_type']} {task['job_id']}", flush=True)
                work(task)
        except urllib.error.HTTPError as error:
            print(f"{error.code}: {error.read().decode()}", file=sys.stderr)
            # 410: the attempt has timed out or was cancelled; the next task is not concerned.
            if error.code != 410:
                threading.Event().wait(1)
        except OSError as error:
            print(f"the server cannot be reached: {error}", file=sys.stderr)
            threading.Event().wait(1)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "job.greet")
