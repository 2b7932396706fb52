// `libas2` from npm, unchanged, as a process: it composes AS2 messages, takes them, and reads receipts, as standard input asks.
// Started in the folder of its packages, with the folder of keys, its own AS2 name and its partner's. Lines of input and output
// are those of as2_peer.py.
"use strict";
const fs = require("node:fs");
const { createRequire } = require("node:module");
const path = require("node:path");
const readline = require("node:readline");

const { AS2Composer, AS2Parser } = createRequire(path.join(process.cwd(), "/"))("libas2");
const [folder, us, them] = process.argv.slice(2);
const key = (name) => fs.readFileSync(path.join(folder, name), "utf8");
const bytes = (text) => Buffer.from(text, "base64");
const agreement = (terms) => ({
  host: {
    name: us, id: us, url: "https://peer.example/receipts", certificate: key("them.pem"), privateKey: key("them.key"),
    decrypt: true, sign: terms.sign ?? "sha-256", mdn: { async: terms.async ?? false, signing: "sha-256" },
  },
  partner: {
    name: them, id: them, url: "https://partner.example/as2", file: "EDIX12", certificate: key("us.pem"),
    encrypt: terms.encrypt ?? "aes256-CBC", verify: true, mdn: { async: false, signing: "sha-256" },
  },
});

async function posted(node) {
  const { headers, body } = await node.buildObject();
  return { headers: Object.entries(headers), body: Buffer.from(body, "utf8").toString("base64") };
}

const acts = {
  async build(asked) {
    const composer = new AS2Composer({
      message: { filename: asked.name, contentType: asked.kind, content: bytes(asked.content) },
      agreement: agreement(asked.terms),
      additionalHeaders: { "Message-ID": `<${asked.id}@peer.example>` },
    });
    return posted(await composer.compile());
  },
  async take(asked) {
    const node = await AS2Parser.parse({ headers: asked.headers.flat(), content: bytes(asked.body) });
    const { contentNode, dispositionNode, disposition } = await node.dispositionOut({ agreement: agreement({}) });
    const { processed, description } = disposition.notification.disposition;
    return {
      status: processed ? "processed" : "failed",
      error: description?.text ?? "",
      content: processed ? contentNode.content.toString("base64") : "",
      receipt: await posted(dispositionNode),
    };
  },
  async receipt(asked) {
    const node = await AS2Parser.parse({ headers: asked.headers.flat(), content: bytes(asked.body) });
    const { notification } = await node.dispositionIn({ cert: key("us.pem") });
    const { processed, description } = notification.disposition;
    const detail = description ? `${description.type}: ${description.text}` : "";
    return { status: processed ? "processed" : "failed", detail, mic: notification.receivedContentMic?.mic ?? "" };
  },
};

readline.createInterface({ input: process.stdin }).on("line", async (line) => {
  const asked = JSON.parse(line);
  let said;
  try {
    said = await acts[asked.do](asked);
  } catch (error) { // whatever the library says is the answer
    said = { failed: String(error) };
  }
  process.stdout.write(`${JSON.stringify(said)}\n`);
});
