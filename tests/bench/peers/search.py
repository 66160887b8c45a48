#!/usr/bin/env python3
"""search.py NAME FOLDER DIMENSION THREADS: milliseconds for the exact 10 nearest of one query, elsewhere.

NAME is numpy, faiss (Debian's python3-numpy, python3-faiss) or the file of sqlite-vec's extension, vec0.so
(npm install sqlite-vec).  FOLDER is bench_search's.  Prints the median of searches for some queries, one after
the other, of vectors that are in memory already.
"""
import os
import sys
import time

name, folder, dimension, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = threads
os.environ.setdefault("OPENBLAS_CORETYPE", "SkylakeX" if "avx512f" in open("/proc/cpuinfo").read() else "Haswell")

import numpy as np

vectors = np.fromfile(f"{folder}/vectors.f32", np.float32).reshape(-1, dimension)
queries = np.fromfile(f"{folder}/queries.f32", np.float32).reshape(-1, dimension)[32:]
if name == "faiss":
    import faiss

    faiss.omp_set_num_threads(int(threads))
    index = faiss.IndexFlatIP(dimension)
    index.add(vectors)
    del vectors

    def search(query):
        index.search(query[None], 10)

elif name.endswith(".so"):
    import sqlite3

    database = sqlite3.connect(f"{folder}/sqlite-vec.db")
    database.enable_load_extension(True)
    database.load_extension(name)
    database.execute("PRAGMA journal_mode = OFF")
    database.execute("PRAGMA cache_size = -4000000")
    database.execute(f"CREATE VIRTUAL TABLE IF NOT EXISTS v USING vec0(e float[{dimension}] distance_metric=cosine)")
    if database.execute("SELECT count(*) FROM v").fetchone()[0] != len(vectors):
        database.execute("DELETE FROM v")
        database.executemany("INSERT INTO v (e) VALUES (?)", ((vector.tobytes(),) for vector in vectors))
        database.commit()
    del vectors

    def search(query):
        database.execute(
            "SELECT rowid, distance FROM v WHERE e MATCH ? AND k = 10 ORDER BY distance", (query.tobytes(),)
        ).fetchall()

else:

    def search(query):
        scores = vectors @ query
        best = np.argpartition(scores, -10)[-10:]
        return best[np.argsort(-scores[best])]


times = []
for query in queries[:15]:
    start = time.perf_counter()
    search(query)
    times.append(time.perf_counter() - start)
print(f"{sorted(times)[len(times) // 2] * 1e3:.1f}")
