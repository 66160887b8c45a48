// search.js NAME FOLDER DIMENSION THREADS: milliseconds for the exact 10 nearest of one query, elsewhere.
//
// NAME is sqlite-vec or usearch (npm install sqlite-vec better-sqlite3 usearch, where this is run).  FOLDER is
// bench_search's.  Prints the median of searches for some queries, one after the other.
const fs = require("fs");
const path = require("path");
const { createRequire } = require("module");
const load = createRequire(path.join(process.cwd(), "here.js"));

const [name, folder, dimensionText, threadsText] = process.argv.slice(2);
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
let search;
if (name === "sqlite-vec") {
  const Database = load("better-sqlite3");
  const database = new Database(path.join(folder, "sqlite-vec.db"));
  load("sqlite-vec").load(database);
  database.pragma("journal_mode = OFF");
  database.pragma("cache_size = -4000000");
  database.exec(`CREATE VIRTUAL TABLE IF NOT EXISTS v USING vec0(e float[${dimension}] distance_metric=cosine)`);
  if (database.prepare("SELECT count(*) AS n FROM v").get().n !== total) {
    database.exec("DELETE FROM v");
    const insert = database.prepare("INSERT INTO v (e) VALUES (?)");
    for (let first = 0; first < total; first += 10000) {
      const count = Math.min(10000, total - first);
      const some = readFloats("vectors.f32", first * dimension, count * dimension);
      database.transaction(() => {
        for (let i = 0; i < count; i++)
          insert.run(Buffer.from(some.buffer, i * dimension * 4, dimension * 4));
      })();
    }
  }
  const best = database.prepare("SELECT rowid, distance FROM v WHERE e MATCH ? AND k = 10 ORDER BY distance");
  search = (query) => best.all(Buffer.from(query.buffer, query.byteOffset, query.byteLength));
} else {
  const usearch = load("usearch");
  const vectors = readFloats("vectors.f32", 0, total * dimension);
  search = (query) => usearch.exactSearch(vectors, query, dimension, 10, usearch.MetricKind.IP, Number(threadsText));
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
