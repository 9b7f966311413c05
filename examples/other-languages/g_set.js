#!/usr/bin/env node
// A set that only grows, on every node: a node in JavaScript (Node.js), without a library.
//
// Each node tells the others all that it knows, again and again, so lost messages do no harm:
//
//     eddyline test -w g-set --bin examples/other-languages/g_set.js --nemesis partition
//
// With --once it tells each element once, when it is added. A test then finds a lost element:
//
//     eddyline test -w g-set --bin examples/other-languages/g_set.js --nemesis partition -- --once

const once = process.argv.includes("--once");
const elements = new Set();
let node;
let peers = [];

// One message is one line.
const send = (dest, body) => process.stdout.write(JSON.stringify({ src: node, dest, body }) + "\n");
const tellOthers = (value) => peers.forEach((peer) => send(peer, { type: "merge", value }));

const serve = {
  init(body) {
    node = body.node_id;
    peers = body.node_ids.filter((name) => name !== node);
    if (!once) setInterval(() => tellOthers([...elements]), 300);
  },
  add(body) {
    elements.add(body.element);
    if (once) tellOthers([body.element]);
  },
  read: () => ({ value: [...elements] }),
};

require("readline")
  .createInterface({ input: process.stdin })
  .on("line", (line) => {
    const { src, body } = JSON.parse(line);
    if (body.type === "merge") return body.value.forEach((element) => elements.add(element));
    const fields = serve[body.type](body);
    send(src, { type: body.type + "_ok", in_reply_to: body.msg_id, ...fields });
  })
  .on("close", () => process.exit(0));
