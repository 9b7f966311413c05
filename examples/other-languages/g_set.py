#!/usr/bin/env python3
"""A set that only grows, on every node: a node in Python, without a library.

Each node tells the others all that it knows, again and again, so lost messages do no harm:

    eddyline test -w g-set --bin examples/other-languages/g_set.py --nemesis partition

With --once it tells each element once, when it is added. A test then finds a lost element:

    eddyline test -w g-set --bin examples/other-languages/g_set.py --nemesis partition -- --once
"""

import json
import sys
import threading
import time

ONCE = "--once" in sys.argv
lock = threading.Lock()
node, peers, elements = None, [], set()


def send(dest, **body):
    # One message is one line, and must leave at once.
    print(json.dumps({"src": node, "dest": dest, "body": body}), flush=True)


def tell_others(news):
    for peer in peers:
        send(peer, type="merge", value=sorted(news))


def gossip():
    while True:
        time.sleep(0.3)
        with lock:
            tell_others(elements)


def serve(src, body):
    global node, peers
    kind, fields = body["type"], {}
    if kind == "merge":
        elements.update(body["value"])
        return
    if kind == "init":
        node = body["node_id"]
        peers = [name for name in body["node_ids"] if name != node]
        if not ONCE:
            threading.Thread(target=gossip, daemon=True).start()
    elif kind == "add":
        elements.add(body["element"])
        if ONCE:
            tell_others([body["element"]])
    elif kind == "read":
        fields = {"value": sorted(elements)}
    send(src, type=kind + "_ok", in_reply_to=body["msg_id"], **fields)


for line in sys.stdin:
    message = json.loads(line)
    with lock:
        serve(message["src"], message["body"])
