#!/usr/bin/env python3
"""search.py NAME FOLDER DIMENSION THREADS: milliseconds for the exact 10 nearest of one query, elsewhere.

NAME is numpy or faiss (Debian's python3-numpy, python3-faiss).  FOLDER is bench_search's.  Prints the median of
searches for some queries, one after the other, of vectors that are in memory already.
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
