// search.js FOLDER DIMENSION THREADS: milliseconds for the exact 10 nearest of one query with usearch.
//
// Wants `npm install usearch` where it is run.  FOLDER is bench_search's.  Prints the median of searches for some
// queries, one after the other.
const fs = require("fs");
const path = require("path");
const { createRequire } = require("module");
const usearch = createRequire(path.join(process.cwd(), "here.js"))("usearch");

const [folder, dimensionText, threadsText] = process.argv.slice(2);
const dimension = Number(dimensionText);
const queries = readFloats("queries.f32", 32 * dimension, 15 * dimension);

function readFloats(file, first, count) {
  const handle = fs.openSync(path.join(folder, file), "r");
  const floats = new Float32Array(count);
  const bytes = Buffer.from(floats.buffer);
  for (let done = 0; done < bytes.length; ) {
    const got = fs.readSync(handle, bytes, done, Math.min(bytes.length - done, 1 << 28), first * 4 + done);
    if (got === 0) throw new Error(`${file} is too short`);
    done += got;
  }
  fs.closeSync(handle);
  return floats;
}

const total = fs.statSync(path.join(folder, "vectors.f32")).size / 4 / dimension;
const vectors = readFloats("vectors.f32", 0, total * dimension);

function search(query) {
  usearch.exactSearch(vectors, query, dimension, 10, usearch.MetricKind.IP, Number(threadsText));
}

const times = [];
for (let i = 0; i < 15; i++) {
  const query = queries.subarray(i * dimension, (i + 1) * dimension);
  const start = process.hrtime.bigint();
  search(query);
  times.push(Number(process.hrtime.bigint() - start) / 1e6);
}
times.sort((a, b) => a - b);
console.log(times[7].toFixed(1));
