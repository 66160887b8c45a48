/* exit.h - what pixgrepd's exit codes mean. */
#ifndef PIX_INDEXER_EXIT_H
#define PIX_INDEXER_EXIT_H

typedef enum pix_exit {
    PIX_EXIT_OK = 0,
    PIX_EXIT_FAILURES = 1, /* done, but files failed that had not failed before */
    PIX_EXIT_ERROR = 2,    /* wrong usage, or nothing could be done */
    PIX_EXIT_STOPPED = 3   /* by a signal or the time limit: run again to go on */
} pix_exit;

#endif
