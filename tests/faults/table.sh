#!/usr/bin/env bash
# Every fault at every place of a small run: a table of how often each was injected and how many rows of the index were lost.
# FAULTS=PATTERN plays those whose line below matches it; STEP=N takes only every Nth place after the first twenty; JOBS=N at a
# time.  `make faults`.
set -u
cd "$(dirname "$0")" || exit 2
# on SCENE FAULT CALL...
on() {
    local scene=$1 fault=$2 call
    shift 2
    for call; do echo "calls.sh $scene $fault $call"; done
}
list() {
    # The longest first.
    on watch kill pwrite64
    on index kill pwrite64
    on index EIO pwrite64
    on index ENOSPC pwrite64
    on index EIO+ pwrite64
    on first kill pwrite64
    on first ENOSPC pwrite64
    on index kill mmap fdatasync ftruncate unlink mkdir openat fcntl flock pread64 read newfstatat close
    on index ENOMEM mmap
    on index EIO fdatasync ftruncate unlink pread64 read newfstatat close
    on index EIO+ fdatasync
    on index ENOSPC ftruncate mkdir
    on index EINTR pread64 read openat
    on index EMFILE openat socketpair memfd_create
    on index EACCES openat mkdir
    on index EAGAIN fcntl clone3
    on index ENOLCK fcntl flock
    on first kill rename fdatasync ftruncate unlink mkdir openat fcntl
    on first EIO rename fdatasync ftruncate unlink pwrite64
    on first ENOSPC openat mkdir
    on import kill write fsync rename ftruncate mkdir flock mmap openat read pread64 close
    on import EIO write fsync rename ftruncate read pread64 close
    on import ENOSPC write openat mkdir
    on import ENOSPC+ write
    on import ENOMEM mmap
    on import EMFILE openat
    on import EACCES openat
    on salvage kill pwrite64 fdatasync ftruncate unlink link rename
    on salvage EIO pwrite64 pread64 fdatasync rename link
    on salvage ENOSPC pwrite64
    on query kill pwrite64 ftruncate unlink fcntl mmap openat
    on query EIO pwrite64 ftruncate unlink pread64 read
    on query ENOSPC pwrite64 openat
    on query ENOSPC+ pwrite64
    on query ENOMEM mmap
    on query EMFILE openat
    on query ENOLCK fcntl
    on watch kill fdatasync ftruncate openat pread64 mmap newfstatat
    on watch EIO fdatasync pread64 read newfstatat openat getdents64 statx readlink
    on watch ENOSPC pwrite64
    on watch EMFILE openat
    on start kill fdatasync bind inotify_add_watch
    on start EMFILE openat inotify_init1 socket epoll_create1 eventfd2
    on start ENOSPC+ inotify_add_watch
    on start EACCES bind
    on start EIO listen
    on start EAGAIN clone3
    for fault in losses power indexers busy clock changing corrupt full readonly; do echo "others.sh $fault"; done
}
printf '%-52s %8s %9s\n' fault injected "rows lost"
list | grep -E -- "${FAULTS:-}" | xargs -P "${JOBS:-$(nproc)}" -I FAULT bash -c 'bash FAULT' || exit 1
echo "table: nothing was lost"
