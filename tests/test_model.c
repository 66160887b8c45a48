#include "core/clip/model.h"

#include <dirent.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/files.h"
#include "core/clip/pixm.h"
#include "tests/model_support.h"

/* "FOLDER/NAME" in one of eight static buffers. */
static const char *in(const char *folder, const char *name) {
    static char buffers[8][4096];
    static int next;
    char *buffer = buffers[next++ % 8];
    (void)snprintf(buffer, sizeof buffers[0], "%s/%s", folder, name);
    return buffer;
}

static size_t entries(const char *folder) {
    DIR *stream = opendir(folder);
    assert_non_null(stream);
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(stream));)
        count += entry->d_name[0] != '.';
    (void)closedir(stream);
    return count;
}

/* The .pixm of a made-up model of these sizes, source beside it. */
static const char *make_pixm_of(const char *folder, const pix_clip_config *config) {
    pix_import_report report;
    pix_error error;
    test_write_checkpoint(in(folder, "source.safetensors"), config, NULL);
    const char *path = in(folder, "small.pixm");
    assert_ok(
        pix_model_import(in(folder, "source.safetensors"), "small", path, NULL, &report, &error),
        &error);
    return path;
}

static const char *make_pixm(const char *folder) {
    pix_clip_config config = test_small_config();
    return make_pixm_of(folder, &config);
}

static void note_progress(void *context, double done) {
    double *last = context;
    assert_true(done > *last && done <= 1);
    *last = done;
}

static void import_reports_what_it_made(void **state) {
    (void)state;
    const char *folder = test_folder(), *path = in(folder, "deep/er/p32.pixm");
    pix_import_report report;
    pix_error error;
    double last = 0;
    assert_ok(pix_model_import(test_golden("models/vit-p32/vit-p32.pt"), "p32", path,
                               &(pix_import_options){.progress = note_progress, .context = &last},
                               &report, &error),
              &error);
    assert_true(last == 1);
    assert_true(report.format[0] != '\0');
    assert_int_equal(report.config.embed_dim, 32);
    /* (512 + 77 + 2 + 32) x 128 + 2 blocks, (3072 + 1 + 10 + 4 + 32) x 64 + 2 blocks, the scale */
    assert_int_equal(report.parameters, 623 * 128 + 2 * (12 * 128 * 128 + 13 * 128) + 3119 * 64 +
                                            2 * (12 * 64 * 64 + 13 * 64) + 1);
    assert_string_equal(report.vocabulary, "");
    assert_true(strlen(report.no_vocabulary) > 20);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, report.file_bytes);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_true(report.file_bytes > 4 * report.parameters);

    pix_model *model;
    assert_ok(pix_model_open(path, &model, &error), &error);
    assert_string_equal(pix_model_name(model), "p32");
    assert_string_equal(pix_model_path(model), path);
    assert_string_equal(pix_model_source(model), test_golden("models/vit-p32/vit-p32.pt"));
    assert_string_equal(pix_model_source_sha256(model), report.source_sha256);
    assert_string_equal(pix_model_fingerprint(model), report.fingerprint);
    assert_int_equal(strlen(report.source_sha256), 64);
    assert_memory_equal(pix_model_config(model), &report.config, sizeof report.config);
    pix_model_close(model);
}

/* Codes stand for the weights, to half a step of the 127 up to the channel's largest. */
static void check_codes(const pix_clip_tensor *tensor, const float *ours, const float *values) {
    size_t in = (size_t)pix_clip_tensor_in(tensor), elements = pix_clip_tensor_elements(tensor);
    for (size_t first = 0; first < elements; first += in) {
        float largest = 0;
        for (size_t i = first; i < first + in; i++)
            largest = fmaxf(largest, fabsf(values[i]));
        assert_true(test_max_difference(ours + first, values + first, in) <=
                    0.5001 * (double)largest / 127);
    }
}

/* The only tensor that no checkpoint has. */
static void fill_with_ones(const pix_clip_tensor *tensor, float *values) {
    assert_non_null(strstr(tensor->name, ".mlp.scale"));
    for (size_t i = 0; i < pix_clip_tensor_elements(tensor); i++)
        values[i] = 1;
}

static void tensors_are_the_checkpoints_own(void **state) {
    (void)state;
    const char *source = test_golden("models/vit-p32/vit-p32.pt");
    pix_model *model = test_import(source, NULL);
    pix_checkpoint *checkpoint;
    pix_clip_tensor *tensors;
    size_t count;
    pix_error error;
    assert_ok(pix_checkpoint_open(source, &checkpoint, &error), &error);
    assert_ok(pix_clip_tensors(pix_model_config(model), &tensors, &count, &error), &error);
    for (size_t i = 0; i < count; i++) {
        /* Smoothed by what pictures show; of texts, which this model does not read, nothing is. */
        if (tensors[i].int8 && strstr(tensors[i].name, "visual.transformer."))
            continue;
        size_t elements = pix_clip_tensor_elements(&tensors[i]);
        float *values = test_zeroed(elements, sizeof *values);
        const char *name = pix_clip_tensor_source(&tensors[i]);
        const pix_tensor_info *info = pix_checkpoint_find(checkpoint, name);
        if (info)
            assert_ok(pix_checkpoint_read(checkpoint, info, values, &error), &error);
        else
            fill_with_ones(&tensors[i], values);
        float *ours = test_plain_tensor(model, &tensors[i]);
        if (tensors[i].int8 && tensors[i].packed)
            check_codes(&tensors[i], ours, values);
        else
            assert_memory_equal(ours, values, elements * sizeof *values);
        free(ours);
        free(values);
    }
    free(tensors);
    pix_checkpoint_close(checkpoint);
    pix_model_close(model);
}

static void one_model_in_two_files_has_one_fingerprint(void **state) {
    (void)state;
    pix_model *torch = test_import(test_golden("models/vit-p32/vit-p32.pt"), NULL);
    pix_model *hugging_face = test_import(test_golden("models/vit-p32/hf-f16"), NULL);
    pix_model *other = test_import(test_golden("models/vit-p14/hf-bf16"), NULL);
    assert_string_equal(pix_model_fingerprint(torch), pix_model_fingerprint(hugging_face));
    assert_string_not_equal(pix_model_source_sha256(torch), pix_model_source_sha256(hugging_face));
    assert_string_not_equal(pix_model_fingerprint(torch), pix_model_fingerprint(other));
    pix_model_close(torch);
    pix_model_close(hugging_face);
    pix_model_close(other);
}

/* A person's index is kept by fingerprint: the same weights must give the same one for ever. */
static void fingerprints_stay_what_they_are(void **state) {
    (void)state;
    static const char *const known[][2] = {
        {"models/vit-p32/vit-p32.pt",
         "8413e714a64a20e00cf819a9e12f7d386efaf8d3453ed7118f66d623ec4ccec7"},
        {"models/rn-tiny/rn-tiny.pt",
         "16409fe52d3299d59a1e203434830fbea31074a68558810d8645498db03372d9"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        pix_model *model = test_import(test_golden("%s", known[i][0]), NULL);
        assert_string_equal(pix_model_fingerprint(model), known[i][1]);
        pix_model_close(model);
    }
}

/* Kibibytes of the file's mapping that this process has touched. */
static long resident_kib(const char *path) {
    FILE *maps = fopen("/proc/self/smaps", "r");
    assert_non_null(maps);
    char line[4400];
    bool ours = false;
    long kib = -1;
    while (fgets(line, sizeof line, maps)) {
        unsigned long start, end;
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
            ours = strstr(line, path) != NULL;
        if (ours && strncmp(line, "Rss:", 4) == 0)
            kib = strtol(line + 4, NULL, 10);
    }
    (void)fclose(maps);
    return kib;
}

static void opening_touches_no_tensor(void **state) {
    (void)state;
    pix_model *model = test_import(test_golden("models/vit-p32/vit-p32.pt"), NULL);
    long kib = resident_kib(pix_model_path(model));
    assert_true(kib > 0);
    /* Header and directory are 13 KiB; the kernel maps up to 64 KiB around a touched page. */
    assert_true(kib <= 128);
    struct stat info;
    assert_int_equal(stat(pix_model_path(model), &info), 0);
    assert_true(info.st_size > 10L * 128 * 1024);
    pix_model_close(model);
}

static void checkpoints_that_cannot_run_are_refused(void **state) {
    (void)state;
    const char *folder = test_folder(), *path = in(folder, "out/bad.pixm");
    pix_import_report report;
    pix_error error;
    pix_clip_config config = test_small_config();
    const char *source = in(folder, "nan.safetensors");
    test_write_checkpoint(source, &config, "visual.proj");
    assert_int_equal(pix_model_import(source, "bad", path, NULL, &report, &error), PIX_EFORMAT);
    assert_non_null(strstr(error.text, "nan.safetensors: tensor visual.proj: value 1535 is not"));
    assert_int_equal(entries(in(folder, "out")), 0);

    source = in(folder, "junk.pt");
    test_write_file(source, "no weights at all", 17);
    assert_int_not_equal(pix_model_import(source, "bad", path, NULL, &report, &error), PIX_OK);
    assert_non_null(strstr(error.text, "junk.pt"));
    assert_int_equal(pix_model_import(in(folder, "absent.pt"), "bad", path, NULL, &report, &error),
                     PIX_ENOTFOUND);
    assert_non_null(strstr(error.text, "absent.pt"));
    assert_int_equal(entries(in(folder, "out")), 0);
}

/* Adds an empty tensor to a file of safetensors. */
static void add_tensor(const char *path, const char *name) {
    pix_bytes file = {0}, now = {0};
    char entry[128];
    pix_error error;
    assert_ok(pix_file_read(path, SIZE_MAX, &file, &error), &error);
    uint64_t length;
    memcpy(&length, file.data, sizeof length);
    int size = snprintf(entry, sizeof entry,
                        ",\"%s\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", name);
    uint64_t grown = length + (uint64_t)size - 1; /* in the place of the last brace */
    pix_bytes_append(&now, &grown, sizeof grown);
    pix_bytes_append(&now, file.data + 8, length - 1);
    pix_bytes_append(&now, entry, (size_t)size);
    pix_bytes_append(&now, file.data + 8 + length, file.size - 8 - length);
    test_write_file(path, now.data, now.size);
    pix_bytes_free(&file);
    pix_bytes_free(&now);
}

static void weights_without_a_place_are_refused_and_buffers_left_out(void **state) {
    (void)state;
    static const char *const weights[] = {
        "visual.head.weight",   "visual_projection.bias",   "transformer.resblocks.0.ls_1.gamma",
        "text_projection.bias", "positional_embedding_res", "token_embedding.bias"};
    static const char *const others[] = {"attn_mask", "transformer.resblocks.0.attn_mask",
                                         "optimizer.step"};
    pix_clip_config config = test_small_config();
    const char *folder = test_folder(), *source = in(folder, "model.safetensors");
    const char *path = in(folder, "m.pixm");
    pix_import_report report;
    pix_error error;
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++) {
        char expected[4400];
        test_write_checkpoint(source, &config, NULL);
        add_tensor(source, weights[i]);
        assert_int_equal(pix_model_import(source, "m", path, NULL, &report, &error),
                         PIX_EUNSUPPORTED);
        (void)snprintf(expected, sizeof expected,
                       "%s: tensor %s is not a part of a CLIP model as OpenAI's", source,
                       weights[i]);
        assert_string_equal(error.text, expected);
    }
    test_write_checkpoint(source, &config, NULL);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        add_tensor(source, others[i]);
    assert_ok(pix_model_import(source, "m", path, NULL, &report, &error), &error);
    assert_int_equal(report.ignored, sizeof others / sizeof *others);
}

/* The tensor of that name in the checkpoint, on the heap. */
static float *read_tensor(pix_checkpoint *checkpoint, const char *prefix, const char *name,
                          size_t elements) {
    char full[128];
    (void)snprintf(full, sizeof full, "%s%s", prefix, name);
    const pix_tensor_info *info = pix_checkpoint_find(checkpoint, full);
    assert_non_null(info);
    float *values = test_zeroed(elements, sizeof *values);
    pix_error error;
    assert_ok(pix_checkpoint_read(checkpoint, info, values, &error), &error);
    return values;
}

/* A convolution of the .pixm against the formula of its convolution and BatchNorm. */
static void check_folded(const pix_model *model, pix_checkpoint *checkpoint, const char *conv,
                         const char *norm, size_t out, size_t in, size_t k) {
    char name[128];
    (void)snprintf(name, sizeof name, "%s.weight", conv);
    const pix_clip_tensor tensor = test_named_tensor(model, name);
    float *folded = test_plain_tensor(model, &tensor);
    assert_int_equal(pix_clip_tensor_elements(&tensor), out * in * k * k);
    float *weight = read_tensor(checkpoint, "", name, out * in * k * k);
    (void)snprintf(name, sizeof name, "%s.bias", conv);
    const float *folded_bias = pix_model_tensor(model, name, out);
    float *gamma = read_tensor(checkpoint, norm, ".weight", out);
    float *beta = read_tensor(checkpoint, norm, ".bias", out);
    float *mean = read_tensor(checkpoint, norm, ".running_mean", out);
    float *variance = read_tensor(checkpoint, norm, ".running_var", out);
    for (size_t o = 0; o < out; o++) {
        double s = (double)gamma[o] / sqrt((double)variance[o] + 1e-5);
        double bias = (double)beta[o] - (double)mean[o] * s;
        assert_true(fabs((double)folded_bias[o] - bias) <= 1e-7 * fabs(bias));
        for (size_t i = 0; i < in; i++)
            for (size_t cell = 0; cell < k * k; cell++) {
                double want = (double)weight[(o * in + i) * k * k + cell] * s;
                double have = (double)folded[(o * k * k + cell) * in + i];
                assert_true(fabs(have - want) <= 1e-7 * fabs(want));
            }
    }
    free(folded);
    free(weight);
    free(gamma);
    free(beta);
    free(mean);
    free(variance);
}

static void batch_norms_are_folded_into_the_convolutions(void **state) {
    (void)state;
    const char *source = test_golden("models/rn-tiny/rn-tiny.pt");
    pix_model *model = test_import(source, NULL);
    pix_checkpoint *checkpoint;
    pix_error error;
    assert_ok(pix_checkpoint_open(source, &checkpoint, &error), &error);
    check_folded(model, checkpoint, "visual.conv1", "visual.bn1", 8, 3, 3);
    check_folded(model, checkpoint, "visual.layer3.1.conv2", "visual.layer3.1.bn2", 64, 64, 3);
    check_folded(model, checkpoint, "visual.layer4.0.downsample.0", "visual.layer4.0.downsample.1",
                 512, 256, 1);
    pix_checkpoint_close(checkpoint);
    pix_model_close(model);
}

static void a_resnet_has_the_parameters_that_were_trained(void **state) {
    (void)state;
    pix_import_report report;
    pix_error error;
    assert_ok(pix_model_import(test_golden("models/rn-tiny/rn-tiny.pt"), "rn",
                               in(test_folder(), "rn.pixm"), NULL, &report, &error),
              &error);
    assert_int_equal(report.config.vision_kind, PIX_VISION_RESNET);
    /* Counted by PyTorch. */
    assert_int_equal(report.parameters, 1541657);
}

/* Weights that pix_clip_config_infer cannot see are wrong. */
static void a_batch_norm_must_be_one(void **state) {
    (void)state;
    static const char *const names[] = {"visual.layer1.0.bn2.running_var", "visual.bn1.weight"};
    const char *folder = test_folder(), *path = in(folder, "bad.pixm");
    const char *source = in(folder, "nan.safetensors");
    pix_clip_config config = test_small_resnet_config();
    pix_import_report report;
    pix_error error;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char text[128];
        test_write_checkpoint(source, &config, names[i]);
        assert_int_equal(pix_model_import(source, "bad", path, NULL, &report, &error), PIX_EFORMAT);
        (void)snprintf(text, sizeof text, "nan.safetensors: tensor %s: value %d is nan", names[i],
                       i == 0 ? 23 : 11);
        assert_non_null(strstr(error.text, text));
        assert_false(test_exists(path));
    }
}

/* Where a tensor of test_write_checkpoint begins: by "NAME":{...,"data_offsets":[offset,end]}. */
static size_t tensor_offset(const pix_bytes *file, const char *name) {
    char key[128];
    uint64_t header;
    memcpy(&header, file->data, sizeof header);
    (void)snprintf(key, sizeof key, "\"%s\":", name);
    const char *entry = memmem(file->data, file->size, key, strlen(key));
    assert_non_null(entry);
    const char *offset = strchr(strstr(entry, "data_offsets"), '[') + 1;
    return sizeof header + (size_t)header + strtoul(offset, NULL, 10);
}

/* A weight and its BatchNorm, each of which is a number, can make one that float32 has not. */
static void a_weight_that_overflows_names_its_batch_norm(void **state) {
    (void)state;
    const char *folder = test_folder(), *source = in(folder, "large.safetensors");
    pix_clip_config config = test_small_resnet_config();
    pix_import_report report;
    pix_error error;
    test_write_checkpoint(source, &config, NULL);
    pix_bytes bytes = {0};
    assert_ok(pix_file_read(source, SIZE_MAX, &bytes, &error), &error);
    static const char *const names[] = {"visual.conv1.weight", "visual.bn1.weight"};
    const float large = 3e38f;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *data = bytes.data + tensor_offset(&bytes, names[i]);
        memcpy(data, &large, sizeof large);
    }
    test_write_file(source, bytes.data, bytes.size);
    pix_bytes_free(&bytes);
    assert_int_equal(pix_model_import(source, "bad", in(folder, "bad.pixm"), NULL, &report, &error),
                     PIX_EFORMAT);
    assert_non_null(strstr(error.text, "large.safetensors: tensor visual.conv1.weight: value 0 is "
                                       "not finite after folding visual.bn1"));
}

static void a_full_disk_leaves_nothing_and_spoils_nothing(void **state) {
    (void)state;
    const char *folder = test_folder(), *path = make_pixm(folder);
    size_t before = entries(folder);
    pix_import_report report;
    pix_error error = {0};
    struct rlimit limit, old;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    limit = (struct rlimit){.rlim_cur = 1000000, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    pix_status status = pix_model_import(test_golden("models/vit-p32/vit-p32.pt"), "small", path,
                                         NULL, &report, &error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    (void)signal(SIGXFSZ, handler);
    assert_int_equal(status, PIX_EIO);
    assert_non_null(strstr(error.text, "cannot write"));
    assert_non_null(strstr(error.text, "small.pixm"));
    assert_int_equal(entries(folder), before);
    pix_model *model;
    assert_ok(pix_model_open(path, &model, &error), &error);
    assert_int_equal(pix_model_config(model)->embed_dim, 24);
    pix_model_close(model);
}

/* Opens the file after `change`, put at `offset`, and expects a refusal that contains `text`. */
static void refuses_change(const pix_bytes *good, size_t offset, const void *change, size_t size,
                           const char *text) {
    static const char *folder;
    if (!folder)
        folder = test_folder();
    const char *path = in(folder, "changed.pixm");
    test_write_file(path, good->data, good->size);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, (long)offset, SEEK_SET), 0);
    assert_int_equal(fwrite(change, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    pix_model *model;
    pix_error error = {0};
    assert_int_not_equal(pix_model_open(path, &model, &error), PIX_OK);
    assert_null(model);
    if (!strstr(error.text, path) || !strstr(error.text, text))
        fail_msg("expected \"%s\" in: %s", text, error.text);
}

static void other_files_and_versions_are_refused(void **state) {
    (void)state;
    const char *folder = test_folder(), *path = make_pixm(folder);
    pix_bytes good = {0};
    pix_error error;
    assert_ok(pix_file_read(path, SIZE_MAX, &good, &error), &error);
    const pix_pixm_header *h = (const pix_pixm_header *)good.data;
#define FIELD(name) offsetof(pix_pixm_header, name)
    char command[4400];
    (void)snprintf(command, sizeof command,
                   "was written by an older pixgrep; run: pixgrepd model import %s/source.safeten",
                   folder);
    refuses_change(&good, FIELD(version), &(uint32_t){0}, 4, command);
    refuses_change(&good, FIELD(version), &(uint32_t){9}, 4,
                   "was written by a newer pixgrep (format 9, this one reads 5)");
    refuses_change(&good, FIELD(magic), "NUMPY", 5, "not a pixgrep model");
    refuses_change(&good, FIELD(precision), &(int32_t){2}, 4, "its precision is unknown");
    refuses_change(&good, FIELD(fidelity.image_least), &(double){-1e300}, 8, "fidelity");
    refuses_change(&good, FIELD(fidelity.text_mean), &(double){1.1}, 8, "fidelity");
    refuses_change(&good, FIELD(fidelity.score_error), &(double){INFINITY}, 8, "fidelity");
    refuses_change(&good, FIELD(file_bytes), &(uint64_t){h->file_bytes + 1}, 8, "header says");
    refuses_change(&good, good.size, "x", 1, "header says");
    refuses_change(&good, FIELD(directory_offset), &(uint64_t){UINT64_MAX - 63}, 8, "directory");
    refuses_change(&good, FIELD(directory_count), &(uint64_t){UINT64_MAX / 120 + 2}, 8,
                   "directory");
    refuses_change(&good, FIELD(directory_count), &(uint64_t){h->directory_count - 1}, 8,
                   "directory");
    refuses_change(&good, FIELD(vocabulary_bytes), &(uint64_t){UINT64_MAX}, 8, "vocabulary");
    refuses_change(&good, FIELD(files_bytes), &(uint64_t){h->files_bytes + 1}, 8, "source files");
    refuses_change(&good, FIELD(files_bytes), &(uint64_t){h->files_bytes - 1}, 8, "source files");
    refuses_change(&good, FIELD(files_offset), &(uint64_t){0}, 8, "source files");
    refuses_change(&good, FIELD(config.embed_dim), &(int32_t){25}, 4, "its tensor text_projection");
    refuses_change(&good, FIELD(config.embed_dim), &(int32_t){-1}, 4, "embed_dim is -1");
    refuses_change(&good, FIELD(config.vision_kind), &(int32_t){1}, 4, "resnet_layers[0] is 0");
    refuses_change(&good, FIELD(config.vision_kind), &(int32_t){2}, 4, "vision_kind is 2");
    size_t entry = (size_t)h->directory_offset + 5 * sizeof(pix_pixm_tensor);
    refuses_change(&good, entry, "X", 1, "its tensor");
    refuses_change(&good, entry + offsetof(pix_pixm_tensor, offset), &(uint64_t){h->file_bytes}, 8,
                   "its tensor");
    refuses_change(&good, entry + offsetof(pix_pixm_tensor, offset), &(uint64_t){8196}, 8,
                   "its tensor");
    char long_name[sizeof h->name];
    memset(long_name, 'x', sizeof long_name);
    refuses_change(&good, FIELD(name), long_name, sizeof long_name, "not terminated");
#undef FIELD
    pix_bytes_free(&good);
}

/* Every number in bounds by itself, but not together. */
static void parts_that_overlap_are_refused(void **state) {
    (void)state;
    pix_bytes good = {0};
    pix_error error;
    assert_ok(pix_file_read(make_pixm(test_folder()), SIZE_MAX, &good, &error), &error);
    const pix_pixm_header *h = (const pix_pixm_header *)good.data;
    const pix_pixm_tensor *directory =
        (const pix_pixm_tensor *)(const void *)(good.data + h->directory_offset);
#define FIELD(name) offsetof(pix_pixm_header, name)
#define ENTRY(i, name)                                                                             \
    ((size_t)h->directory_offset + (i) * sizeof *directory + offsetof(pix_pixm_tensor, name))
    refuses_change(&good, FIELD(vocabulary_offset), &h->directory_offset, 8,
                   "its vocabulary overlaps its directory");
    refuses_change(&good, FIELD(vocabulary_bytes), &(uint64_t){65536}, 8,
                   "its tensor ln_final.bias overlaps what stands before it");
    refuses_change(&good, ENTRY(0, offset), &h->directory_offset, 8,
                   "its tensor ln_final.bias overlaps what stands before it");
    for (size_t i = 1; i < h->directory_count; i += 7) {
        char text[128];
        (void)snprintf(text, sizeof text, "its tensor %s overlaps what stands before it",
                       directory[i].name);
        refuses_change(&good, ENTRY(i, offset), &directory[i - 1].offset, 8, text);
        refuses_change(&good, ENTRY(i, offset), &directory[0].offset, 8, text);
    }
#undef ENTRY
#undef FIELD
    pix_bytes_free(&good);
}

static void numbers_that_cannot_be_are_refused(void **state) {
    (void)state;
    pix_bytes good = {0};
    pix_error error;
    assert_ok(pix_file_read(make_pixm(test_folder()), SIZE_MAX, &good, &error), &error);
    const pix_pixm_header *h = (const pix_pixm_header *)good.data;
#define FIELD(name) offsetof(pix_pixm_header, name)
#define ENTRY(i, name)                                                                             \
    ((size_t)h->directory_offset + (i) * sizeof(pix_pixm_tensor) + offsetof(pix_pixm_tensor, name))
    refuses_change(&good, FIELD(directory_count), &(uint64_t){UINT64_C(1) << 40}, 8,
                   "its directory lies outside");
    refuses_change(&good, FIELD(directory_offset), &(uint64_t){0}, 8, "its directory lies outside");
    refuses_change(&good, FIELD(vocabulary_offset), &(uint64_t){UINT64_MAX - 63}, 8,
                   "its vocabulary lies outside");
    refuses_change(&good, FIELD(header_bytes), &(uint32_t){64}, 4, "its header is cut short");
    const float scales[] = {NAN, INFINITY, -INFINITY, 0, -1};
    for (size_t i = 0; i < sizeof scales / sizeof *scales; i++)
        refuses_change(&good, FIELD(config.logit_scale), &scales[i], 4, "logit_scale is ");
    refuses_change(&good, FIELD(config.layer_norm_eps), &(float){NAN}, 4, "layer_norm_eps is ");
    refuses_change(&good, FIELD(config.image_size), &(int32_t){INT32_MAX}, 4, "image_size is ");
    refuses_change(&good, FIELD(config.patch_size), &(int32_t){0}, 4, "patch_size is 0");
    refuses_change(&good, FIELD(config.vision_heads), &(int32_t){0}, 4, "vision_heads is 0");
    refuses_change(&good, FIELD(config.text_layers), &(int32_t){256}, 4,
                   "its directory does not fit its configuration");
    refuses_change(&good, FIELD(config.vocab_size), &(int32_t){1 << 22}, 4,
                   "its tensor token_embedding.weight");
    refuses_change(&good, ENTRY(3, rank), &(int32_t){-1}, 4, "its tensor ");
    refuses_change(&good, ENTRY(3, rank), &(int32_t){5}, 4, "its tensor ");
    refuses_change(&good, ENTRY(3, shape), &(int64_t){INT64_MIN}, 8, "its tensor ");
    refuses_change(&good, ENTRY(3, bytes), &(uint64_t){UINT64_MAX}, 8, "its tensor ");
    char name[PIX_CLIP_NAME_MAX];
    memset(name, 'x', sizeof name); /* and no NUL behind it */
    refuses_change(&good, ENTRY(3, name), name, sizeof name, "its tensor ");
#undef ENTRY
#undef FIELD
    pix_bytes_free(&good);
}

static void a_file_cut_anywhere_is_refused(void **state) {
    (void)state;
    const char *folder = test_folder(), *path = make_pixm(folder), *cut = in(folder, "cut.pixm");
    pix_bytes good = {0};
    pix_error error;
    assert_ok(pix_file_read(path, SIZE_MAX, &good, &error), &error);
    for (size_t size = 0; size < good.size; size += 1 + size / 3) {
        test_write_file(cut, good.data, size);
        pix_model *model;
        assert_int_not_equal(pix_model_open(cut, &model, &error), PIX_OK);
        assert_null(model);
        assert_non_null(strstr(error.text, "cut.pixm"));
    }
    pix_bytes_free(&good);
}

/* Whatever single byte of header or directory is wrong, opening either refuses it or gives tensors
 * that can be read to their ends. */
static void try_wrong_bytes(const pix_clip_config *config) {
    const char *folder = test_folder(), *path = make_pixm_of(folder, config);
    const char *bad = in(folder, "bad.pixm");
    pix_bytes bytes = {0};
    pix_error error;
    assert_ok(pix_file_read(path, SIZE_MAX, &bytes, &error), &error);
    test_write_file(bad, bytes.data, bytes.size);
    FILE *file = fopen(bad, "r+b");
    assert_non_null(file);
    const pix_pixm_header *h = (const pix_pixm_header *)bytes.data;
    size_t end = (size_t)(h->directory_offset + h->directory_count * sizeof(pix_pixm_tensor));
    size_t opened = 0, refused = 0;
    double sum = 0;
    for (size_t at = 0; at < end; at += at < sizeof *h && at > 200 && at < 4000 ? 97 : 3) {
        char wrong = (char)(bytes.data[at] ^ (1 << at % 8));
        assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
        assert_int_equal(fwrite(&wrong, 1, 1, file), 1);
        assert_int_equal(fflush(file), 0);
        pix_model *model;
        if (pix_model_open(bad, &model, &error)) {
            refused++;
        } else {
            opened++;
            pix_clip_tensor *tensors;
            size_t count;
            assert_ok(pix_clip_tensors(pix_model_config(model), &tensors, &count, &error), &error);
            for (size_t i = 0; i < count; i++) {
                size_t elements = pix_clip_tensor_elements(&tensors[i]);
                float *values = test_plain_tensor(model, &tensors[i]);
                sum += (double)values[0] + (double)values[elements - 1];
                free(values);
            }
            free(tensors);
            pix_model_close(model);
        }
        assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
        assert_int_equal(fwrite(bytes.data + at, 1, 1, file), 1);
    }
    assert_int_equal(fclose(file), 0);
    assert_true(opened > 0 && refused > 1000 && sum == sum);
    pix_bytes_free(&bytes);
}

static void a_wrong_byte_never_leads_outside(void **state) {
    (void)state;
    pix_clip_config config = test_small_config();
    try_wrong_bytes(&config);
    config = test_small_resnet_config();
    config.image_size = 32;
    config.vision_width = 2;
    config.vision_heads = 1;
    try_wrong_bytes(&config);
}

static void flip(const char *path, long at) {
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, at, at < 0 ? SEEK_END : SEEK_SET), 0);
    int byte = fgetc(file);
    assert_int_equal(fseek(file, at, at < 0 ? SEEK_END : SEEK_SET), 0);
    assert_int_not_equal(fputc(byte ^ 1, file), EOF);
    assert_int_equal(fclose(file), 0);
}

static pix_status verify(const char *path, bool *source_checked, pix_error *error) {
    pix_model *model;
    assert_ok(pix_model_open(path, &model, error), error);
    pix_status status = pix_model_verify(model, source_checked, error);
    pix_model_close(model);
    return status;
}

static void verify_finds_every_changed_byte(void **state) {
    (void)state;
    const char *folder = test_folder(), *path = make_pixm(folder);
    bool source_checked;
    pix_error error;
    assert_ok(verify(path, &source_checked, &error), &error);
    assert_true(source_checked);
    /* The last weight, one in the middle, the source's digest, the contents' digest. */
    const long places[] = {-64, 200000, offsetof(pix_pixm_header, source_sha256),
                           offsetof(pix_pixm_header, contents_sha256) + 7};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        flip(path, places[i]);
        assert_int_equal(verify(path, &source_checked, &error), PIX_EFORMAT);
        assert_false(source_checked);
        assert_non_null(strstr(error.text, "small.pixm: its contents are not what import wrote"));
        flip(path, places[i]);
    }
    assert_ok(verify(path, &source_checked, &error), &error);
    flip(in(folder, "source.safetensors"), -1);
    assert_int_equal(verify(path, &source_checked, &error), PIX_EMISMATCH);
    const char *changed = "source.safetensors: the file small was imported from has changed";
    assert_non_null(strstr(error.text, changed));
    test_write_file(in(folder, "source.safetensors"), "PK\3\4 cut", 8);
    assert_int_equal(verify(path, &source_checked, &error), PIX_EMISMATCH);
    assert_non_null(strstr(error.text, changed));
    assert_int_equal(unlink(in(folder, "source.safetensors")), 0);
    assert_int_equal(mkdir(in(folder, "source.safetensors"), 0700), 0);
    assert_int_equal(verify(path, &source_checked, &error), PIX_ENOTFOUND);
    assert_non_null(strstr(error.text, "the file small was imported from is no longer readable: "));
    assert_false(source_checked);
    assert_int_equal(rmdir(in(folder, "source.safetensors")), 0);
    assert_ok(verify(path, &source_checked, &error), &error);
    assert_false(source_checked);
}

/* Six merges, the first of them FIRST: it tells vocabularies apart. */
static void write_vocabulary(const char *path, const char *first) {
    char text[256];
    (void)snprintf(text, sizeof text,
                   "#version: 0.2\n%s</w>\nt h\ni n\ne r</w>\no n</w>\nt o</w>\n", first);
    test_write_file(path, text, strlen(text));
}

/* Importing the model of `folder` uses the vocabulary `path`, in which `word` is the first merge.
 */
static void expect_vocabulary(const char *folder, const char *named, const char *path,
                              const char *word) {
    pix_import_report report;
    pix_error error;
    const char *pixm = in(folder, "out/made.pixm");
    assert_ok(pix_model_import(in(folder, "model.safetensors"), "made", pixm,
                               &(pix_import_options){.vocabulary = named}, &report, &error),
              &error);
    assert_string_equal(report.vocabulary, path);
    assert_string_equal(report.no_vocabulary, "");
    pix_model *model;
    const pix_tokenizer *tokenizer, *again;
    assert_ok(pix_model_open(pixm, &model, &error), &error);
    assert_true(pix_model_has_text(model, NULL));
    assert_ok(pix_model_tokenizer(model, &tokenizer, &error), &error);
    assert_ok(pix_model_tokenizer(model, &again, &error), &error);
    assert_ptr_equal(tokenizer, again);
    pix_ids ids = {0};
    assert_int_equal(pix_tokenizer_encode(tokenizer, word, strlen(word), &ids), PIX_OK);
    assert_int_equal(ids.count, 3);
    assert_int_equal(ids.data[0], 518);
    assert_int_equal(ids.data[1], 512);
    assert_int_equal(ids.data[2], 519);
    pix_ids_free(&ids);
    pix_model_close(model);
}

static char *make_folder(const char *folder, const char *name) {
    static char buffers[8][4096];
    static int next;
    char *path = buffers[next++ % 8];
    pix_error error;
    (void)snprintf(path, sizeof buffers[0], "%s/%s", folder, name);
    assert_ok(pix_folder_make(path, &error), &error);
    return path;
}

static void a_vocabulary_is_looked_for_in_order(void **state) {
    (void)state;
    const char *folder = test_folder();
    const char *home = make_folder(folder, "home"), *data = make_folder(folder, "data");
    const char *chosen = make_folder(folder, "chosen");
    const char *cache = make_folder(folder, "home/.cache/clip");
    const char *installed = make_folder(folder, "data/pixgrep/vocab");
    assert_int_equal(setenv("HOME", home, 1), 0);
    assert_int_equal(setenv("XDG_DATA_HOME", data, 1), 0);
    pix_clip_config config = test_small_config();
    test_write_checkpoint(in(folder, "model.safetensors"), &config, NULL);

    /* From the last place to the first: each goes before those already there. */
    write_vocabulary(in(cache, "bpe_simple_vocab_16e6.txt"), "a e");
    expect_vocabulary(folder, NULL, in(cache, "bpe_simple_vocab_16e6.txt"), "ae");
    write_vocabulary(in(installed, "merges.txt"), "a d");
    expect_vocabulary(folder, NULL, in(installed, "merges.txt"), "ad");
    write_vocabulary(in(chosen, "merges.txt"), "a c");
    assert_int_equal(setenv("PIXGREP_VOCAB", chosen, 1), 0);
    expect_vocabulary(folder, NULL, in(chosen, "merges.txt"), "ac");
    write_vocabulary(in(chosen, "any-name"), "a o");
    assert_int_equal(setenv("PIXGREP_VOCAB", in(chosen, "any-name"), 1), 0);
    expect_vocabulary(folder, NULL, in(chosen, "any-name"), "ao");
    write_vocabulary(in(folder, "merges.txt"), "a b");
    expect_vocabulary(folder, NULL, in(folder, "merges.txt"), "ab");
    write_vocabulary(in(folder, "bpe_simple_vocab_16e6.txt"), "a f");
    expect_vocabulary(folder, NULL, in(folder, "bpe_simple_vocab_16e6.txt"), "af");
    write_vocabulary(in(folder, "named"), "a g");
    expect_vocabulary(folder, in(folder, "named"), in(folder, "named"), "ag");
    /* One that does not fit is passed over. */
    test_write_file(in(folder, "bpe_simple_vocab_16e6.txt"), "a h\n", 4);
    expect_vocabulary(folder, NULL, in(folder, "merges.txt"), "ab");
    assert_int_equal(unsetenv("PIXGREP_VOCAB"), 0);
}

static void no_places(void) {
    const char *folder = test_folder();
    assert_int_equal(setenv("HOME", folder, 1), 0);
    assert_int_equal(setenv("XDG_DATA_HOME", folder, 1), 0);
    assert_int_equal(unsetenv("PIXGREP_VOCAB"), 0);
}

/* Ids of another vocabulary would be of other words. */
static void an_installed_vocabulary_does_not_stand_in_for_one_beside(void **state) {
    (void)state;
    no_places();
    const char *folder = test_folder(), *data = make_folder(folder, "data");
    const char *installed = make_folder(folder, "data/pixgrep/vocab");
    assert_int_equal(setenv("XDG_DATA_HOME", data, 1), 0);
    write_vocabulary(in(installed, "merges.txt"), "a d");
    pix_clip_config config = test_small_config();
    test_write_checkpoint(in(folder, "model.safetensors"), &config, NULL);
    static const char *const beside[] = {"a h\n", "{\"model\":7}", ""};
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
        test_write_file(in(folder, "tokenizer.json"), beside[i], strlen(beside[i]));
        pix_import_report report;
        pix_error error;
        assert_ok(pix_model_import(in(folder, "model.safetensors"), "m", in(folder, "m.pixm"), NULL,
                                   &report, &error),
                  &error);
        assert_string_equal(report.vocabulary, "");
        assert_non_null(strstr(report.no_vocabulary, in(folder, "tokenizer.json: ")));
    }
    assert_int_equal(unlink(in(folder, "tokenizer.json")), 0);
    expect_vocabulary(folder, NULL, in(installed, "merges.txt"), "ad");
}

static void a_model_without_vocabulary_says_why_and_what_to_do(void **state) {
    (void)state;
    no_places();
    const char *folder = test_folder(), *pixm = in(folder, "m.pixm");
    pix_clip_config config = test_small_config();
    const char *source = in(folder, "model.safetensors");
    test_write_checkpoint(source, &config, NULL);
    pix_import_report report;
    pix_error error;
    assert_ok(pix_model_import(source, "m", pixm, NULL, &report, &error), &error);
    char expected[4400];
    (void)snprintf(expected, sizeof expected,
                   "text cannot be encoded: no vocabulary lies beside the weights or is installed; "
                   "run: pixgrepd model import --vocab FILE %s",
                   source);
    assert_string_equal(report.no_vocabulary, expected);
    pix_model *model;
    const pix_tokenizer *tokenizer;
    const char *why;
    assert_ok(pix_model_open(pixm, &model, &error), &error);
    assert_false(pix_model_has_text(model, &why));
    assert_string_equal(why, expected);
    assert_int_equal(pix_model_tokenizer(model, &tokenizer, &error), PIX_EUNSUPPORTED);
    assert_null(tokenizer);
    assert_non_null(strstr(error.text, expected));
    pix_model_close(model);

    test_write_file(in(folder, "merges.txt"), "#version: 0.2\na b\n", 18);
    assert_ok(pix_model_import(source, "m", pixm, NULL, &report, &error), &error);
    assert_string_equal(report.vocabulary, "");
    assert_non_null(strstr(report.no_vocabulary, "merges.txt"));
}

static void a_named_vocabulary_that_does_not_fit_is_left_out(void **state) {
    (void)state;
    no_places();
    const char *folder = test_folder();
    pix_clip_config config = test_small_config();
    test_write_checkpoint(in(folder, "model.safetensors"), &config, NULL);
    test_write_file(in(folder, "short"), "a b\n", 4);
    pix_import_report report;
    pix_error error;
    const char *source = in(folder, "model.safetensors"), *pixm = in(folder, "out/m.pixm");
    assert_ok(pix_model_import(source, "m", pixm,
                               &(pix_import_options){.vocabulary = in(folder, "short")}, &report,
                               &error),
              &error);
    assert_string_equal(report.vocabulary, "");
    assert_non_null(strstr(report.no_vocabulary, in(folder, "short: ")));
    assert_non_null(strstr(report.no_vocabulary, "; run: pixgrepd model import --vocab FILE "));
    assert_int_equal(unlink(pixm), 0);

    test_write_file(in(folder, "corrupt"), "{", 1);
    assert_int_equal(pix_model_import(source, "m", pixm,
                                      &(pix_import_options){.vocabulary = in(folder, "corrupt")},
                                      &report, &error),
                     PIX_EFORMAT);
    assert_non_null(strstr(error.text, "corrupt"));
    assert_int_equal(pix_model_import(source, "m", pixm,
                                      &(pix_import_options){.vocabulary = in(folder, "absent")},
                                      &report, &error),
                     PIX_ENOTFOUND);
    assert_non_null(strstr(error.text, "absent"));
    assert_false(test_exists(pixm));
}

static void a_bundle_has_nothing_of_its_makers_folders(void **state) {
    (void)state;
    no_places();
    const char *folder = test_folder();
    char before[4096];
    assert_non_null(getcwd(before, sizeof before));
    pix_clip_config config = test_small_config();
    test_write_checkpoint(in(folder, "model.safetensors"), &config, NULL);
    test_write_file(in(folder, "merges.txt"), "a b\n", 4);
    static const struct {
        const char *vocabulary, *reason;
    } cases[] = {{NULL, "it was made without a vocabulary; run: "}, {"merges.txt", "merges.txt: "}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char expected[128];
        pix_import_report report;
        pix_error error;
        assert_int_equal(chdir(folder), 0);
        pix_status status = pix_model_import(
            "model.safetensors", "m", "m.pixm",
            &(pix_import_options){.vocabulary = cases[i].vocabulary, .bundle = true}, &report,
            &error);
        assert_int_equal(chdir(before), 0);
        assert_ok(status, &error);
        (void)snprintf(expected, sizeof expected, "text cannot be encoded: %s", cases[i].reason);
        assert_memory_equal(report.no_vocabulary, expected, strlen(expected));
        assert_null(strstr(report.no_vocabulary, folder));
        assert_string_equal(report.vocabulary, "");
    }
}

static void a_chosen_vocabulary_that_is_not_there_is_told(void **state) {
    (void)state;
    no_places();
    const char *folder = test_folder(), *pixm = in(folder, "m.pixm");
    pix_clip_config config = test_small_config();
    test_write_checkpoint(in(folder, "model.safetensors"), &config, NULL);
    char before[4096], expected[4400];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(setenv("PIXGREP_VOCAB", "./absent", 1), 0);
    pix_import_report report;
    pix_error error;
    pix_status status = pix_model_import("model.safetensors", "m", pixm, NULL, &report, &error);
    assert_ok(status, &error);
    (void)snprintf(expected, sizeof expected,
                   "text cannot be encoded: PIXGREP_VOCAB: %s/absent: No such file or directory; ",
                   folder);
    assert_non_null(strstr(report.no_vocabulary, expected));
    assert_int_equal(unsetenv("PIXGREP_VOCAB"), 0);

    /* Every path that is kept or told is absolute. */
    test_write_file("short", "a b\n", 4);
    assert_ok(pix_model_import("model.safetensors", "m", pixm,
                               &(pix_import_options){.vocabulary = "short"}, &report, &error),
              &error);
    assert_non_null(strstr(report.no_vocabulary, in(folder, "short: ")));
    test_write_file("merges.txt", "a b\n", 4);
    assert_ok(pix_model_import("model.safetensors", "m", pixm, NULL, &report, &error), &error);
    assert_non_null(strstr(report.no_vocabulary, in(folder, "merges.txt: ")));
    write_vocabulary("merges.txt", "a b");
    assert_ok(pix_model_import(".", "m", pixm, NULL, &report, &error), &error);
    assert_string_equal(report.vocabulary, in(folder, "merges.txt"));
    assert_int_equal(chdir(before), 0);
}

static void a_different_model_under_the_same_name_is_kept(void **state) {
    (void)state;
    const char *folder = test_folder(), *path = make_pixm(folder);
    const char *other = test_golden("models/vit-p32/vit-p32.pt");
    pix_import_report report;
    pix_error error;
    size_t before = entries(folder);
    pix_bytes kept = {0}, now = {0};
    assert_ok(pix_file_read(path, SIZE_MAX, &kept, &error), &error);
    assert_int_equal(pix_model_import(other, "small", path, NULL, &report, &error), PIX_EINVALID);
    assert_string_equal(error.text, "a different model is named small: choose another --name, or "
                                    "run: pixgrepd model remove small");
    assert_ok(pix_file_read(path, SIZE_MAX, &now, &error), &error);
    assert_int_equal(now.size, kept.size);
    assert_memory_equal(now.data, kept.data, kept.size);
    assert_int_equal(entries(folder), before);
    /* The same weights may be imported again, and what is damaged or older makes room. */
    assert_ok(
        pix_model_import(in(folder, "source.safetensors"), "small", path, NULL, &report, &error),
        &error);
    flip(path, -64);
    assert_ok(pix_model_import(other, "small", path, NULL, &report, &error), &error);
    flip(path, offsetof(pix_pixm_header, version)); /* of another version */
    assert_ok(
        pix_model_import(in(folder, "source.safetensors"), "small", path, NULL, &report, &error),
        &error);
    pix_bytes_free(&kept);
    pix_bytes_free(&now);
}

static void *take_tokenizer(void *model) {
    const pix_tokenizer *tokenizer;
    (void)pix_model_tokenizer(model, &tokenizer, NULL);
    return (void *)(uintptr_t)tokenizer;
}

static void threads_share_one_tokenizer(void **state) {
    (void)state;
    no_places();
    const char *folder = test_folder();
    pix_clip_config config = test_small_config();
    test_write_checkpoint(in(folder, "model.safetensors"), &config, NULL);
    write_vocabulary(in(folder, "merges.txt"), "a b");
    pix_model *model = test_import(in(folder, "model.safetensors"), NULL);
    pthread_t threads[4];
    void *tokenizers[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_tokenizer, model), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], &tokenizers[i]), 0);
    for (int i = 0; i < 4; i++) {
        assert_non_null(tokenizers[i]);
        assert_ptr_equal(tokenizers[i], tokenizers[0]);
    }
    pix_model_close(model);
}

/* Ids are rows of the token embedding: a file whose vocabulary has more of them would lead outside.
 */
static void a_vocabulary_of_another_size_is_refused(void **state) {
    (void)state;
    no_places();
    const char *folder = test_folder(), *path = in(folder, "out/m.pixm");
    pix_clip_config config = test_small_config();
    test_write_checkpoint(in(folder, "model.safetensors"), &config, NULL);
    write_vocabulary(in(folder, "merges.txt"), "a b");
    pix_import_report report;
    pix_error error;
    assert_ok(pix_model_import(in(folder, "model.safetensors"), "m", path, NULL, &report, &error),
              &error);
    pix_bytes file = {0};
    assert_ok(pix_file_read(path, SIZE_MAX, &file, &error), &error);
    pix_pixm_header header;
    memcpy(&header, file.data, sizeof header);
    char *vocabulary = file.data + header.vocabulary_offset;
    static const struct {
        const char *tail, *text;
    } cases[] = {{"", "519 tokens in its vocabulary, 520 in its configuration"},
                 {"t o</w>\na a\n", "521 tokens in its vocabulary, 520 in its configuration"},
                 {"t o</w>", "merge 6: \"t o</w>\" is not two parts and the end of a line"},
                 {"q q q\n", "merge 6: \"q q q\" is not two parts and the end of a line"}};
    const uint64_t kept = header.vocabulary_bytes - strlen("t o</w>\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const pix_tokenizer *tokenizer;
        pix_model *model;
        memcpy(vocabulary + kept, cases[i].tail, strlen(cases[i].tail));
        header.vocabulary_bytes = kept + strlen(cases[i].tail);
        memcpy(file.data, &header, sizeof header);
        test_write_file(path, file.data, file.size);
        assert_ok(pix_model_open(path, &model, &error), &error);
        for (int again = 0; again < 2; again++) {
            assert_int_equal(pix_model_tokenizer(model, &tokenizer, &error), PIX_EFORMAT);
            assert_null(tokenizer);
            if (!strstr(error.text, cases[i].text) || !strstr(error.text, path))
                fail_msg("\"%s\" does not say \"%s\"", error.text, cases[i].text);
        }
        pix_model_close(model);
    }
    pix_bytes_free(&file);
}

static void a_relative_source_is_kept_absolute(void **state) {
    (void)state;
    const char *folder = test_folder();
    char before[4096];
    assert_non_null(getcwd(before, sizeof before));
    pix_clip_config config = test_small_config();
    test_write_checkpoint(in(folder, "model.safetensors"), &config, NULL);
    assert_int_equal(chdir(folder), 0);
    pix_import_report report;
    pix_error error;
    pix_status status = pix_model_import("model.safetensors", "m", "m.pixm", NULL, &report, &error);
    assert_int_equal(chdir(before), 0);
    assert_ok(status, &error);
    pix_model *model;
    assert_ok(pix_model_open(in(folder, "m.pixm"), &model, &error), &error);
    assert_string_equal(pix_model_source(model), in(folder, "model.safetensors"));
    pix_model_close(model);
}

int main(void) {
    no_places();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(import_reports_what_it_made),
        cmocka_unit_test(tensors_are_the_checkpoints_own),
        cmocka_unit_test(one_model_in_two_files_has_one_fingerprint),
        cmocka_unit_test(fingerprints_stay_what_they_are),
        cmocka_unit_test(opening_touches_no_tensor),
        cmocka_unit_test(checkpoints_that_cannot_run_are_refused),
        cmocka_unit_test(weights_without_a_place_are_refused_and_buffers_left_out),
        cmocka_unit_test(batch_norms_are_folded_into_the_convolutions),
        cmocka_unit_test(a_resnet_has_the_parameters_that_were_trained),
        cmocka_unit_test(a_batch_norm_must_be_one),
        cmocka_unit_test(a_weight_that_overflows_names_its_batch_norm),
        cmocka_unit_test(a_full_disk_leaves_nothing_and_spoils_nothing),
        cmocka_unit_test(other_files_and_versions_are_refused),
        cmocka_unit_test(parts_that_overlap_are_refused),
        cmocka_unit_test(numbers_that_cannot_be_are_refused),
        cmocka_unit_test(a_file_cut_anywhere_is_refused),
        cmocka_unit_test(a_wrong_byte_never_leads_outside),
        cmocka_unit_test(verify_finds_every_changed_byte),
        cmocka_unit_test(a_vocabulary_is_looked_for_in_order),
        cmocka_unit_test(an_installed_vocabulary_does_not_stand_in_for_one_beside),
        cmocka_unit_test(a_model_without_vocabulary_says_why_and_what_to_do),
        cmocka_unit_test(a_named_vocabulary_that_does_not_fit_is_left_out),
        cmocka_unit_test(a_bundle_has_nothing_of_its_makers_folders),
        cmocka_unit_test(a_chosen_vocabulary_that_is_not_there_is_told),
        cmocka_unit_test(a_different_model_under_the_same_name_is_kept),
        cmocka_unit_test(threads_share_one_tokenizer),
        cmocka_unit_test(a_vocabulary_of_another_size_is_refused),
        cmocka_unit_test(a_relative_source_is_kept_absolute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
