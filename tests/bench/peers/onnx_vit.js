#!/usr/bin/env node
// Images a second of an ONNX model in ONNX Runtime (npm onnxruntime-node): a peer to compare with.
//
//     onnx_vit.js MODEL.onnx [THREADS [BATCH [SECONDS]]]
//
// onnxruntime-node is looked for from the current folder on, wherever this file is.
"use strict";
const { createRequire } = require("module");
const ort = createRequire(process.cwd() + "/")("onnxruntime-node");

async function main() {
  const [model, threads = "2", batch = "32", seconds = "10"] = process.argv.slice(2);
  const session = await ort.InferenceSession.create(model, {
    intraOpNumThreads: Number(threads),
    interOpNumThreads: 1,
    graphOptimizationLevel: "all",
  });
  const n = Number(batch);
  const values = Float32Array.from({ length: n * 3 * 224 * 224 }, () => Math.random() * 4 - 2);
  const pixels = new ort.Tensor("float32", values, [n, 3, 224, 224]);
  await session.run({ pixels });
  const start = performance.now();
  let done = 0;
  while (performance.now() - start < Number(seconds) * 1000) {
    await session.run({ pixels });
    done += n;
  }
  console.log(((done * 1000) / (performance.now() - start)).toFixed(1));
}

main().catch((error) => {
  console.error(`onnx_vit: ${error.message}`);
  process.exit(1);
});
