/* Weights and vocabularies made to do harm: each is refused in one line that names the file and the
 * cause, in bounded memory, and nothing in it runs.  What a single reader can show alone is in
 * test_zip, test_pickle, test_safetensors and test_checkpoint. */
#include "tests/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/files.h"
#include "core/text/tokenizer.h"
#include "core/text/vocabulary.h"
#include "core/weights/checkpoint.h"
#include "tests/archives.h"

/* A reader's own limits come to less than 384 MB; sanitizers add to each byte, or keep it when it
 * is freed. */
#if defined __SANITIZE_THREAD__
enum { MEMORY_MB = 3072 };
#elif defined __SANITIZE_ADDRESS__
enum { MEMORY_MB = 1024 };
#else
enum { MEMORY_MB = 384 };
#endif
enum { MINUTES = 5, LARGEST_READ = 1 << 20 };

/* Of a file's opening in a process of its own. */
typedef struct outcome {
    pix_status status;
    pix_error error;
    long memory_kb; /* more than before */
} outcome;

typedef pix_status opener(const char *path, pix_error *error);

/* Opens a checkpoint and reads whatever it says it has. */
static pix_status open_weights(const char *path, pix_error *error) {
    pix_checkpoint *checkpoint;
    pix_status status = pix_checkpoint_open(path, &checkpoint, error);
    float *values = malloc(LARGEST_READ * sizeof *values);
    for (size_t i = 0; values && !status && i < pix_checkpoint_count(checkpoint); i++) {
        const pix_tensor_info *info = pix_checkpoint_info(checkpoint, i);
        double elements = 1;
        pix_error reason;
        for (int k = 0; k < info->rank; k++)
            elements *= (double)info->shape[k];
        if (elements <= LARGEST_READ)
            (void)pix_checkpoint_read(checkpoint, info, values, &reason);
    }
    free(values);
    pix_checkpoint_close(checkpoint);
    return status;
}

/* As a vocabulary for a model of 520 tokens. */
static pix_status open_vocabulary(const char *path, pix_error *error) {
    pix_bytes merges = {0};
    pix_status status = pix_vocabulary_load(path, 520, &merges, error);
    pix_bytes_free(&merges);
    return status;
}

static long most_memory_kb(void) {
    struct rusage used;
    assert_int_equal(getrusage(RUSAGE_SELF, &used), 0);
    return used.ru_maxrss;
}

/* Runs `open` in a process that may take MINUTES and MEMORY_MB. */
static outcome in_bounds(opener *open, const char *path) {
    int ends[2], code = 0;
    outcome result = {0};
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)alarm(60 * MINUTES);
        long before = most_memory_kb();
        result.status = open(path, &result.error);
        result.memory_kb = most_memory_kb() - before;
        _exit(write(ends[1], &result, sizeof result) != (ssize_t)sizeof result);
    }
    assert_int_equal(close(ends[1]), 0);
    ssize_t got = read(ends[0], &result, sizeof result);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(waitpid(child, &code, 0), child);
    if (got != (ssize_t)sizeof result || code != 0)
        fail_msg("opening %s ended with %#x", path, (unsigned)code);
    if (result.memory_kb > (long)MEMORY_MB << 10)
        fail_msg("opening %s took %ld MB", path, result.memory_kb >> 10);
    return result;
}

static void assert_reason(const pix_error *error, const char *path, const char *text) {
    if (!strstr(error->text, text) || !strstr(error->text, path) || strchr(error->text, '\n'))
        fail_msg("\"%s\" does not say \"%s\" and \"%s\" in one line", error->text, path, text);
}

static void assert_refused(opener *open, const char *path, pix_status status, const char *text) {
    outcome result = in_bounds(open, path);
    assert_reason(&result.error, path, text);
    assert_int_equal(result.status, status);
}

/* The path of a file with this content; takes the content. */
static const char *file_of(pix_bytes content) {
    static char path[128];
    if (path[0] == '\0')
        (void)snprintf(path, sizeof path, "%s/file", test_folder());
    test_write_file(path, content.data ? content.data : "", content.size);
    pix_bytes_free(&content);
    return path;
}

static pix_bytes bytes_of(const void *data, size_t size) {
    pix_bytes bytes = {0};
    put_bytes(&bytes, data, size);
    return bytes;
}

/* An archive with this pickle, which it takes, and a storage of the six floats 0 to 5. */
static pix_bytes archive_of(pix_bytes pickle, bool deflated) {
    static const float numbers[] = {0, 1, 2, 3, 4, 5};
    zip_writer zip = {0};
    if (deflated)
        zip_add_deflated(&zip, "a/data.pkl", pickle.data, pickle.size);
    else
        zip_add(&zip, "a/data.pkl", pickle.data, pickle.size);
    zip_add(&zip, "a/data/0", numbers, sizeof numbers);
    zip_finish(&zip);
    pix_bytes_free(&pickle);
    pix_bytes_free(&zip.directory);
    return zip.file;
}

/* code */

/* Every way a pickle can ask for a call, and what Python would do with each: leave a file. */
static void nothing_in_a_pickle_runs(void **state) {
    (void)state;
    char canary[128], command[192];
    (void)snprintf(canary, sizeof canary, "%s/ran", test_folder());
    (void)snprintf(command, sizeof command, "touch %s", canary);
    static const struct {
        const char *before, *after, *text;
    } calls[] = {
        {"cos\nsystem\n(", "tR.", "global os system at byte 0"},
        {"cposix\nsystem\n(", "tR.", "global posix system at byte 0"},
        {"cbuiltins\neval\n(", "tR.", "global builtins eval at byte 0"},
        {"c__builtin__\nexec\n(", "tR.", "global __builtin__ exec at byte 0"},
        {"csubprocess\nPopen\n(", "t\x81.", "global subprocess Popen at byte 0"},
        {"(cos\nsystem\n", "o.", "global os system at byte 1"},
        {"(", "ios\nsystem\n.", "global os system at byte "},
        {"\x8c\2os\x8c\6system\x93(", "tR.", "global os system at byte 12"},
        {"ctorch.hub\nload\n(", "tR.", "global torch.hub load at byte 0"},
        {"ctorch.storage\n_load_from_bytes\n(", "tR.", "_load_from_bytes at byte 0"},
        {"ctorch\nFloatStorage\n(", "tR.", "global torch FloatStorage at byte "},
        {"}(", "\x82\1u.", "opcode EXT1 at byte "},
        {"c__torch__\nM\n)\x81}(", "cos\nsystem\nub.", "global os system at byte "},
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        pix_bytes pickle = {0}, legacy = {0};
        put_opcodes(&pickle, calls[i].before);
        put_text(&pickle, command);
        put_opcodes(&pickle, calls[i].after);
        put_legacy_file(&legacy, &pickle, "0", NULL, 0);
        outcome result = in_bounds(open_weights, file_of(legacy));
        assert_true(result.status == PIX_EUNSUPPORTED || result.status == PIX_EFORMAT);
        /* Where one pickle ends and the next begins is found first: only known opcodes get past. */
        assert_reason(&result.error, "/file: ",
                      strchr(calls[i].after, '\x82') ? "torch.save file" : calls[i].text);
        assert_false(test_exists(canary));
        pix_bytes bare = bytes_of("\x80\2", 2);
        put_bytes(&bare, pickle.data, pickle.size);
        assert_refused(open_weights, file_of(bare), PIX_EFORMAT,
                       "a Python pickle, but not one of torch.save");
        result = in_bounds(open_weights, file_of(archive_of(pickle, false)));
        assert_true(result.status == PIX_EUNSUPPORTED || result.status == PIX_EFORMAT);
        assert_reason(&result.error, "/file: a/data.pkl: ", calls[i].text);
        assert_false(test_exists(canary));
    }
}

/* tensors that are none */

#define STORAGE                                                                                    \
    "(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"                                             \
    "0X\3\0\0\0cpuK\6tQ"
#define BIG "\x8a\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"
#define HUGE "\x8a\x08\0\0\0\0\0\0\0\x40" /* 2^62 */
#define LITERAL(...) __VA_ARGS__, sizeof(__VA_ARGS__) - 1

/* {"x": FUNCTION(arguments)} */
static pix_bytes state_dict_of(const char *function, const char *arguments, size_t size) {
    pix_bytes pickle = bytes_of("\x80\2}", 3);
    put_text(&pickle, "x");
    put_opcodes(&pickle, "ctorch._utils\n");
    put_opcodes(&pickle, function);
    put_opcodes(&pickle, "\n");
    put_bytes(&pickle, arguments, size);
    put_opcodes(&pickle, "Rs.");
    return pickle;
}

static void a_tensor_of_wrong_arguments_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *arguments;
        size_t size;
        const char *text;
    } cases[] = {
        {LITERAL(")"), "tensor x: malformed storage"},
        {LITERAL("(NNNNt"), "tensor x: malformed storage"},
        {LITERAL("(K\1K\2K\3K\4t"), "tensor x: malformed storage"},
        {LITERAL("(]K\0)))t"), "tensor x: malformed storage"},
        {LITERAL("(Pstorage\nK\0))t"), "tensor x: malformed storage"},
        {LITERAL("()QK\0))t"), "tensor x: malformed storage"},
        {LITERAL("((X\7\0\0\0storagetQK\0))t"), "tensor x: malformed storage"},
        {LITERAL("((X\7\0\0\0storageX\1\0\0\0FX\1\0\0\0"
                 "0NK\6tQK\0))t"),
         "tensor x: malformed storage"},
        {LITERAL("((X\7\0\0\0storagectorch\nFloatStorage\nK\0NK\6tQK\0))t"),
         "tensor x: its storage is not in the archive"},
        {LITERAL("((X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"
                 "0NG\0\0\0\0\0\0\0\0tQK\0))t"),
         "tensor x: malformed storage"},
        {LITERAL("((X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"
                 "0N" BIG "tQK\0))t"),
         "tensor x: malformed storage"},
        {LITERAL("((X\7\0\0\0storagectorch\nDoubleStorage\nX\1\0\0\0"
                 "0N" HUGE "tQK\0))t"),
         "tensor x: malformed storage"},
        {LITERAL("(" STORAGE "N))t"), "tensor x: malformed offset"},
        {LITERAL("(" STORAGE BIG "))t"), "tensor x: malformed offset"},
        {LITERAL("(" STORAGE "K\0t"), "tensor x: malformed shape"},
        {LITERAL("(" STORAGE "K\0}}t"), "tensor x: malformed shape"},
        {LITERAL("(" STORAGE "K\0K\6K\1t"), "tensor x: malformed shape"},
        {LITERAL("(" STORAGE "K\0K\1K\2\x86K\1\x85t"), "tensor x: malformed shape"},
        {LITERAL("(" STORAGE "K\0\x88\x85K\1\x85t"), "tensor x: malformed shape"},
        {LITERAL("(" STORAGE "K\0N\x85K\1\x85t"), "tensor x: malformed shape"},
        {LITERAL("(" STORAGE "K\0" BIG "\x85K\1\x85t"), "tensor x: malformed shape"},
        {LITERAL("(" STORAGE "K\0K\1\x85" BIG "\x85t"), "tensor x: malformed or negative stride"},
        {LITERAL("(" STORAGE "K\0" HUGE "K\4\x86K\0K\0\x86t"), "tensor x: more than"},
        {LITERAL("(" STORAGE "K\0" HUGE HUGE "\x86K\0K\0\x86t"), "tensor x: more than"},
        {LITERAL("(" STORAGE "K\0K\2K\2\x86" HUGE HUGE "\x86t"), "tensor x: reaches beyond"},
        {LITERAL("(" STORAGE HUGE ")"
                 ")t"),
         "tensor x: reaches beyond"},
        {LITERAL("(" STORAGE "K\6))t"), "tensor x: reaches beyond"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pix_bytes pickle = state_dict_of("_rebuild_tensor_v2", cases[i].arguments, cases[i].size);
        outcome result = in_bounds(open_weights, file_of(archive_of(pickle, false)));
        assert_reason(&result.error, "/file: ", cases[i].text);
        assert_true(result.status == PIX_EFORMAT || result.status == PIX_ELIMIT);
    }
    pix_bytes pickle = state_dict_of("_rebuild_sparse_tensor", LITERAL(")"));
    assert_refused(open_weights, file_of(archive_of(pickle, false)), PIX_EUNSUPPORTED,
                   "tensor x is made by torch._utils _rebuild_sparse_tensor");
    /* No elements need no storage, whatever the other extents; views may overlap. */
    pickle = state_dict_of("_rebuild_tensor_v2", LITERAL("(" STORAGE "K\0" HUGE "K\0" HUGE
                                                         "\x87" HUGE HUGE HUGE "\x87t"));
    assert_int_equal(in_bounds(open_weights, file_of(archive_of(pickle, false))).status, PIX_OK);
    pickle = state_dict_of("_rebuild_tensor_v2", LITERAL("(" STORAGE "K\0K\2K\5\x86K\1K\1\x86t"));
    assert_int_equal(in_bounds(open_weights, file_of(archive_of(pickle, false))).status, PIX_OK);
}

static void a_state_dict_inside_itself_ends(void **state) {
    (void)state;
    pix_bytes pickle = bytes_of("}q\0", 3);
    put_text(&pickle, "state_dict");
    put_bytes(&pickle, "h\0s.", 4);
    assert_refused(open_weights, file_of(archive_of(pickle, false)), PIX_EFORMAT,
                   "holds no tensors");
    /* A list that holds itself is none. */
    assert_refused(open_weights, file_of(archive_of(bytes_of("]q\0h\0a.", 7), false)), PIX_EFORMAT,
                   "holds a list, neither a module nor a state dict");
    /* An object whose state is a dict of itself, under a name without end. */
    pickle = bytes_of("c__torch__\nM\n)\x81q\0}q\1", 20);
    put_text(&pickle, "m");
    put_bytes(&pickle, "h\0sb.", 5);
    assert_refused(open_weights, file_of(archive_of(pickle, false)), PIX_EFORMAT,
                   "holds no tensors");
}

static void bombs_meet_a_limit(void **state) {
    (void)state;
    /* A dict of 65,536 entries copied, by six bytes each, until there is no more room. */
    pix_bytes pickle = bytes_of("ccollections\nCounter\nq\0}(", 25);
    for (int i = 0; i < 65536; i++)
        put_bytes(&pickle, "NN", 2);
    put_bytes(&pickle, "uq\1", 3);
    for (int i = 0; i < 10000; i++)
        put_bytes(&pickle, "h\0h\1\x85R", 6);
    assert_refused(open_weights, file_of(archive_of(pickle, true)), PIX_ELIMIT,
                   "a/data.pkl: it needs more than 268435456 bytes of memory");

    /* A stack, marks and a memo of all that a deflated megabyte can push. */
    static const struct {
        const char *opcodes, *text;
    } repeated[] = {{"N", "it needs more than 268435456 bytes of memory"},
                    {"]", "it needs more than 268435456 bytes of memory"},
                    {"N\x94", "it needs more than 268435456 bytes of memory"},
                    {"(", "truncated pickle: no STOP in its 16777216 bytes"}};
    for (size_t i = 0; i < sizeof repeated / sizeof *repeated; i++) {
        enum { TIMES = 16 << 20 };
        size_t size = strlen(repeated[i].opcodes);
        pickle = (pix_bytes){0};
        assert_int_equal(pix_bytes_reserve(&pickle, size * TIMES), PIX_OK);
        for (size_t k = 0; k < TIMES; k++)
            put_bytes(&pickle, repeated[i].opcodes, size);
        outcome result = in_bounds(open_weights, file_of(archive_of(pickle, true)));
        assert_reason(&result.error, "/file: a/data.pkl: ", repeated[i].text);
    }

    /* An archive of a few bytes with a pickle that says it has gigabytes. */
    zip_writer zip = {0};
    zip_entry(&zip, "a/data.pkl", 10, "\3\0", 2, 0xFFFFFFF0, 0, 8);
    zip_finish(&zip);
    pix_bytes_free(&zip.directory);
    assert_refused(open_weights, file_of(zip.file), PIX_ELIMIT,
                   "member a/data.pkl has 4294967280 bytes, more than the 67108864 allowed");
}

/* safetensors */

static pix_bytes safetensors_of(const char *header, size_t size) {
    pix_bytes file = {0};
    put_number(&file, size, 8);
    put_bytes(&file, header, size);
    put_number(&file, 0, 16);
    return file;
}

static void a_safetensors_header_that_lies_is_refused(void **state) {
    (void)state;
#define X "{\"x\":{\"dtype\":\"U8\",\"shape\":"
#define AT(from, to) ",\"data_offsets\":[" from "," to "]}}"
    static const struct {
        const char *header;
        size_t size;
        const char *text;
    } cases[] = {
        {LITERAL(X "[true]" AT("0", "1")), "tensor x: malformed shape"},
        {LITERAL(X "[\"1\"]" AT("0", "1")), "tensor x: malformed shape"},
        {LITERAL(X "[1e1]" AT("0", "10")), "tensor x: malformed shape"},
        {LITERAL(X "[[[[[1]]]]]" AT("0", "1")), "tensor x: malformed shape"},
        {LITERAL(X "[9223372036854775808]" AT("0", "1")), "not a JSON object"},
        {LITERAL(X "[1]" AT("false", "1")), "malformed data_offsets"},
        {LITERAL(X "[1]" AT("0", "1e0")), "malformed data_offsets"},
        {LITERAL(X "[9223372036854775807,9223372036854775807,3]" AT("0", "3")), "more than"},
        {LITERAL(X "[1],\"shape\":[2]" AT("0", "1")), "a name stands there twice"},
        {LITERAL("{\"\xff\":{\"dtype\":\"U8\",\"shape\":[1]" AT("0", "1")), "not a JSON object"},
        {LITERAL("{\"a\\u0000b\":{\"dtype\":\"U8\",\"shape\":[1]" AT("0", "1")),
         "not a JSON object"},
        {LITERAL("{\"a\\ud800\":{\"dtype\":\"U8\",\"shape\":[1]" AT("0", "1")),
         "not a JSON object"},
        {LITERAL("{\"a\\n\":{\"dtype\":\"U8\",\"shape\":[1]" AT("0", "1")), "not printable"},
        {LITERAL("{\"x\":{\"dtype\":null,\"shape\":[1]" AT("0", "1")), "tensor x: has no dtype"},
        {LITERAL("{\"x\":{\"dtype\":\"U8\\n\",\"shape\":[1]" AT("0", "1")), "has no dtype"},
        {LITERAL("{\"__metadata__\":{}}"), "holds no tensors"},
        {LITERAL("{\"x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}\0{}"),
         "not a JSON object"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        outcome result =
            in_bounds(open_weights, file_of(safetensors_of(cases[i].header, cases[i].size)));
        assert_reason(&result.error, "/file: ", cases[i].text);
        assert_true(result.status == PIX_EFORMAT || result.status == PIX_ELIMIT);
    }
    /* A header of 2^63 bytes is no safetensors file at all; one longer than the file is cut. */
    pix_bytes file = safetensors_of(LITERAL(X "[1]" AT("0", "1")));
    set_number(&file, 0, UINT64_C(1) << 63, 8);
    assert_refused(open_weights, file_of(file), PIX_EFORMAT, "not a checkpoint");
    file = safetensors_of(LITERAL(X "[1]" AT("0", "1")));
    set_number(&file, 0, 1 << 20, 8);
    assert_refused(open_weights, file_of(file), PIX_EFORMAT, "truncated safetensors file");
    /* Holes between tensors waste nothing but the file. */
    file = safetensors_of(LITERAL(X "[1]" AT("7", "8")));
    assert_int_equal(in_bounds(open_weights, file_of(file)).status, PIX_OK);
#undef AT
#undef X
}

/* every format, every byte */

/* A small file of each format, all of one tensor or two. */
static pix_bytes small_file(int format) {
    static const float values[] = {1, 2, 3, 4, 5, 6};
    pix_bytes pickle = {0}, file = {0};
    if (format == 3)
        return safetensors_of(LITERAL("{\"__metadata__\":{\"format\":\"pt\"},\"x\":{\"dtype\":"
                                      "\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]}}"));
    put_opcodes(&pickle, "\x80\2");
    put_opcodes(&pickle,
                format == 1 ? "c__torch__.m\nM\n)\x81}(" : "ccollections\nOrderedDict\n)R(");
    put_text(&pickle, "x");
    put_whole_tensor(&pickle, "FloatStorage", "0", 2, (const int64_t[]){2, 3}, format == 2);
    put_opcodes(&pickle, format == 1 ? "ub." : "u.");
    if (format != 2)
        return archive_of(pickle, false);
    put_legacy_file(&file, &pickle, "0", values, 6);
    pix_bytes_free(&pickle);
    return file;
}

enum { FORMATS = 4 };

static void small_files_are_right_to_begin_with(void **state) {
    (void)state;
    static const char *const names[] = {"PyTorch state dict", "TorchScript archive",
                                        "PyTorch state dict as before 1.6", "safetensors"};
    for (int format = 0; format < FORMATS; format++) {
        pix_checkpoint *checkpoint;
        pix_error error;
        pix_status status = pix_checkpoint_open(file_of(small_file(format)), &checkpoint, &error);
        assert_ok(status, &error);
        assert_string_equal(pix_checkpoint_format(checkpoint), names[format]);
        assert_non_null(pix_checkpoint_find(checkpoint, "x"));
        pix_checkpoint_close(checkpoint);
    }
}

static void weights_cut_anywhere_are_refused(void **state) {
    (void)state;
    for (int format = 0; format < FORMATS; format++) {
        pix_bytes whole = small_file(format);
        for (size_t size = 0; size < whole.size; size++) {
            pix_error error = {0};
            const char *path = file_of(bytes_of(whole.data, size));
            assert_int_not_equal(open_weights(path, &error), PIX_OK);
            assert_reason(&error, path, "");
        }
        pix_bytes_free(&whole);
    }
}

static void a_wrong_byte_in_weights_never_leads_outside(void **state) {
    (void)state;
    for (int format = 0; format < FORMATS; format++) {
        pix_bytes whole = small_file(format);
        size_t refused = 0;
        for (size_t bit = 0; bit < 8 * whole.size; bit++) {
            pix_error error = {0};
            pix_bytes wrong = bytes_of(whole.data, whole.size);
            wrong.data[bit / 8] = (char)(wrong.data[bit / 8] ^ 1 << bit % 8);
            const char *path = file_of(wrong);
            if (!open_weights(path, &error))
                continue;
            assert_reason(&error, path, "");
            refused++;
        }
        assert_true(refused > whole.size);
        pix_bytes_free(&whole);
    }
}

/* vocabularies */

static const char lines[] = "#version: 0.2\na b\nt h\ni n\ne r</w>\no n</w>\nt o</w>\n";

static pix_bytes gzip_of(const void *data, size_t size) {
    pix_bytes out = {0};
    assert_int_equal(pix_bytes_reserve(&out, size / 100 + 1024), PIX_OK);
    z_stream stream = {.next_in = (z_const Bytef *)data,
                       .avail_in = (uInt)size,
                       .next_out = (Bytef *)out.data,
                       .avail_out = (uInt)(size / 100 + 1024)};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    out.size = stream.total_out;
    assert_int_equal(deflateEnd(&stream), Z_OK);
    return out;
}

static void a_vocabulary_that_lies_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t size;
        pix_status status;
        const char *reason;
    } cases[] = {
        {LITERAL("ab\nt h\ni n\ne r\no n\nt o\n"), PIX_EFORMAT,
         "merge 1: \"ab\" is not two parts and the end of a line"},
        {LITERAL("a b c\nt h\ni n\ne r\no n\nt o\n"), PIX_EFORMAT, "merge 1: \"a b c\" is not two"},
        {LITERAL("a b\na b\ni n\ne r\no n\nt o\n"), PIX_EFORMAT,
         "merge 2: \"a b\" makes what an earlier merge made"},
        {LITERAL("a b\nab cd\ni n\ne r\no n\nt o\n"), PIX_EFORMAT,
         "merge 2: \"ab cd\" ends with what no earlier merge made"},
        {LITERAL("a b\nzz t\ni n\ne r\no n\nt o\n"), PIX_EFORMAT,
         "merge 2: \"zz t\" begins with what no earlier merge made"},
        {LITERAL("a \xff\nt h\ni n\ne r\no n\nt o\n"), PIX_EFORMAT, "merge 1: "},
        {LITERAL("a \0\nt h\ni n\ne r\no n\nt o\n"), PIX_EFORMAT, "merge 1: "},
        {LITERAL("\n\n\n\n\n\n\n\n"), PIX_EMISMATCH,
         "holds 0 merges, a model of 520 tokens needs 6"},
        {LITERAL("a b\n"), PIX_EMISMATCH, "holds 1 merges, a model of 520 tokens needs 6"},
        {LITERAL(""), PIX_EMISMATCH, "holds 0 merges"},
        {LITERAL("{"), PIX_EFORMAT, "line 1: "},
        {LITERAL("{}"), PIX_EFORMAT, "has no BPE model with vocab and merges"},
        {LITERAL("{\"model\":{\"vocab\":[],\"merges\":{}}}"), PIX_EFORMAT, "has no BPE model"},
        {LITERAL("{\"model\":{\"vocab\":{},\"merges\":[]}}"), PIX_EMISMATCH, "holds 0 merges"},
        {LITERAL("\x1f\x8b\x08\0"), PIX_EFORMAT, "gzip data is truncated"},
        {LITERAL("\x1f\x8b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff"), PIX_EFORMAT, "gzip data is"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refused(open_vocabulary, file_of(bytes_of(cases[i].text, cases[i].size)),
                       cases[i].status, cases[i].reason);
}

static void vocabulary_bombs_meet_a_limit(void **state) {
    (void)state;
    enum { ZEROS = 40 << 20 };
    char *zeros = calloc(1, ZEROS);
    assert_non_null(zeros);
    pix_bytes bomb = gzip_of(zeros, ZEROS);
    assert_true(bomb.size < 50000);
    assert_refused(open_vocabulary, file_of(bomb), PIX_ELIMIT,
                   "gzip data expands to more than 33554432 bytes");

    /* Objects of three bytes that would each take eighty times that, and the same many times. */
    static const char *const values[] = {"{},", "[],", "0,", "\"\","};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        size_t size = strlen(values[i]);
        pix_bytes json = bytes_of("{\"model\":[", 10);
        while (json.size + size < 31 << 20)
            put_bytes(&json, values[i], size);
        put_opcodes(&json, "0]}");
        pix_bytes packed = gzip_of(json.data, json.size);
        pix_bytes_free(&json);
        assert_refused(open_vocabulary, file_of(packed), PIX_ELIMIT,
                       "more than 2097152 values: not CLIP's vocabulary");
    }
    memset(zeros, '[', 1 << 20);
    zeros[0] = '{';
    assert_refused(open_vocabulary, file_of(bytes_of(zeros, 1 << 20)), PIX_EFORMAT, "line 1: ");
    memset(zeros, 'a', 30 << 20); /* one line without end */
    assert_refused(open_vocabulary, file_of(bytes_of(zeros, 30 << 20)), PIX_EMISMATCH,
                   "holds 1 merges");
    free(zeros);
}

static void a_packed_vocabulary_cut_or_changed_is_refused_or_right(void **state) {
    (void)state;
    pix_bytes whole = gzip_of(lines, sizeof lines - 1);
    pix_error error;
    assert_ok(open_vocabulary(file_of(bytes_of(whole.data, whole.size)), &error), &error);
    for (size_t size = 0; size < whole.size; size++) {
        const char *path = file_of(bytes_of(whole.data, size));
        assert_int_not_equal(open_vocabulary(path, &error), PIX_OK);
        assert_reason(&error, path, "");
    }
    size_t refused = 0;
    for (size_t bit = 0; bit < 8 * whole.size; bit++) {
        pix_bytes wrong = bytes_of(whole.data, whole.size);
        wrong.data[bit / 8] = (char)(wrong.data[bit / 8] ^ 1 << bit % 8);
        const char *path = file_of(wrong);
        if (!open_vocabulary(path, &error))
            continue;
        assert_reason(&error, path, "");
        refused++;
    }
    /* Its CRC finds every change but those of its time, flags and system. */
    assert_true(refused > 8 * (whole.size - 10));
    pix_bytes_free(&whole);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_in_a_pickle_runs),
        cmocka_unit_test(a_tensor_of_wrong_arguments_is_refused),
        cmocka_unit_test(a_state_dict_inside_itself_ends),
        cmocka_unit_test(bombs_meet_a_limit),
        cmocka_unit_test(a_safetensors_header_that_lies_is_refused),
        cmocka_unit_test(small_files_are_right_to_begin_with),
        cmocka_unit_test(weights_cut_anywhere_are_refused),
        cmocka_unit_test(a_wrong_byte_in_weights_never_leads_outside),
        cmocka_unit_test(a_vocabulary_that_lies_is_refused),
        cmocka_unit_test(vocabulary_bombs_meet_a_limit),
        cmocka_unit_test(a_packed_vocabulary_cut_or_changed_is_refused_or_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
