/* Models with channels 30 and 100 times as large as the others, as trained CLIP has them: int8
 * stays near float32; and where it cannot, it is not chosen. */
#include "core/clip/fidelity.h"
#include "core/clip/ranges.h"
#include "core/clip/samples.h"
#include "core/weights/checkpoint.h"
#include "tests/model_support.h"

/* One tensor of a block, to be changed in place. */
typedef struct part {
    const char *name; /* "ln_1.weight", or of no block: "visual.ln_pre.bias" */
    int layer;
    size_t rows, columns; /* a vector has one column */
    float *values;
} part;

typedef void (*change)(const part *part, float strength);

/* A few channels, other ones in each layer. */
static size_t channel(const part *p, size_t number, size_t count) {
    return (number * 29 + (size_t)p->layer * 7 + 3) % count;
}

static void scale_rows(const part *p, size_t first, size_t count, float factor) {
    for (size_t i = 0; i < 4; i++) {
        size_t row = first + channel(p, i, count);
        for (size_t column = 0; column < p->columns; column++)
            p->values[row * p->columns + column] *= factor;
    }
}

static void scale_columns(const part *p, float factor) {
    for (size_t i = 0; i < 4; i++)
        for (size_t row = 0; row < p->rows; row++)
            p->values[row * p->columns + channel(p, i, p->columns)] *= factor;
}

static bool is(const part *p, const char *name) {
    return strcmp(p->name, name) == 0;
}

/* What LayerNorm gives: the layers that read it make up for it with their weights. */
static void huge_gains(const part *p, float strength) {
    if (is(p, "ln_1.weight") || is(p, "ln_1.bias") || is(p, "ln_2.weight") || is(p, "ln_2.bias"))
        scale_rows(p, 0, p->rows, strength);
    if (is(p, "attn.in_proj_weight") || is(p, "mlp.c_fc.weight"))
        scale_columns(p, 1 / strength);
}

/* As above, but not wholly made up for: the function is another. */
static void huge_gains_that_count(const part *p, float strength) {
    if (is(p, "ln_1.weight") || is(p, "ln_1.bias") || is(p, "ln_2.weight") || is(p, "ln_2.bias"))
        scale_rows(p, 0, p->rows, strength);
    if (is(p, "attn.in_proj_weight") || is(p, "mlp.c_fc.weight"))
        scale_columns(p, powf(strength, -0.75f));
}

/* Values, and what the feed-forward half's activation gives: rare events, whose size a few samples
 * do not tell. */
static void huge_values_and_hidden(const part *p, float strength) {
    if (is(p, "attn.in_proj_weight") || is(p, "attn.in_proj_bias"))
        scale_rows(p, p->rows / 3 * 2, p->rows / 3, strength);
    if (is(p, "mlp.c_fc.weight") || is(p, "mlp.c_fc.bias"))
        scale_rows(p, 0, p->rows, strength);
    if (is(p, "attn.out_proj.weight") || is(p, "mlp.c_proj.weight"))
        scale_columns(p, 1 / strength);
}

/* Channels of the residual stream that are huge everywhere, with gains that differ. */
static void huge_residual(const part *p, float strength) {
    bool text = is(p, "positional_embedding");
    for (size_t i = 0; i < 3 && (text || is(p, "visual.ln_pre.bias")); i++)
        for (size_t row = 0; row < (text ? p->rows : 1); row++)
            p->values[text ? row * p->columns + channel(p, i, p->columns)
                           : channel(p, i, p->rows)] += i == 1 ? -strength : strength;
    const float gains[] = {0.1f, 0.5f, 1.5f};
    for (size_t i = 0; i < 3 && p->rows > 0 && (is(p, "ln_1.weight") || is(p, "ln_2.weight")); i++)
        p->values[(i * 29 + 2) % p->rows] *= gains[i]; /* the same in every layer */
}

/* A weight on a channel that is never anything but 0: in int8 it drowns its row's others. */
static void a_weight_that_drowns_the_others(const part *p, float strength) {
    if (is(p, "mlp.c_fc.weight") || is(p, "mlp.c_fc.bias"))
        memset(p->values, 0, p->columns * sizeof *p->values);
    if (is(p, "mlp.c_proj.weight"))
        for (size_t row = 0; row < p->rows; row++)
            p->values[row * p->columns] = strength;
}

/* Which block a tensor is of, and its name there. */
static part part_of(const pix_tensor_info *info, float *values) {
    const char *number = strstr(info->name, "resblocks.");
    part p = {.name = info->name, .layer = -1, .rows = 1, .columns = 1, .values = values};
    if (number) {
        p.layer = atoi(number + strlen("resblocks."));
        p.name = strchr(number + strlen("resblocks."), '.') + 1;
    }
    if (info->rank > 0)
        p.rows = (size_t)info->shape[0];
    for (int i = 1; i < info->rank; i++)
        p.columns *= (size_t)info->shape[i];
    return p;
}

/* The checkpoint with every tensor changed, as safetensors. */
static void write_changed(const char *source, const char *path, change how, float strength) {
    pix_checkpoint *checkpoint;
    pix_error error;
    pix_bytes header = {0}, data = {0}, file = {0};
    assert_ok(pix_checkpoint_open(source, &checkpoint, &error), &error);
    for (size_t i = 0; i < pix_checkpoint_count(checkpoint); i++) {
        const pix_tensor_info *info = pix_checkpoint_info(checkpoint, i);
        char text[256], shape[128] = "";
        size_t elements = 1;
        for (int axis = 0; axis < info->rank; axis++) {
            elements *= (size_t)info->shape[axis];
            (void)snprintf(shape + strlen(shape), sizeof shape - strlen(shape), "%s%d",
                           axis ? "," : "", (int)info->shape[axis]);
        }
        if (strncmp(info->dtype, "I", 1) == 0)
            continue;
        float *values = test_zeroed(elements, sizeof *values);
        assert_ok(pix_checkpoint_read(checkpoint, info, values, &error), &error);
        part p = part_of(info, values);
        how(&p, strength);
        (void)snprintf(text, sizeof text,
                       "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}",
                       header.size > 0 ? "," : "{", info->name, shape, data.size,
                       data.size + elements * sizeof *values);
        assert_int_equal(pix_bytes_append_text(&header, text), PIX_OK);
        assert_int_equal(pix_bytes_append(&data, values, elements * sizeof *values), PIX_OK);
        free(values);
    }
    assert_int_equal(pix_bytes_append_text(&header, "}"), PIX_OK);
    uint64_t length = header.size;
    assert_int_equal(pix_bytes_append(&file, &length, sizeof length), PIX_OK);
    assert_int_equal(pix_bytes_append(&file, header.data, header.size), PIX_OK);
    assert_int_equal(pix_bytes_append(&file, data.data, data.size), PIX_OK);
    test_write_file(path, file.data, file.size);
    pix_bytes_free(&header);
    pix_bytes_free(&data);
    pix_bytes_free(&file);
    pix_checkpoint_close(checkpoint);
}

/* Imports the checkpoint, changed. */
static pix_model *import_changed(const char *source, const char *vocabulary, change how,
                                 float strength, const pix_precision *precision) {
    char weights[4096], path[4096];
    pix_import_report report;
    pix_model *model;
    pix_error error;
    (void)snprintf(weights, sizeof weights, "%s/changed.safetensors", test_folder());
    (void)snprintf(path, sizeof path, "%s/changed.pixm", test_folder());
    (void)remove(path);
    write_changed(source, weights, how, strength);
    const pix_import_options options = {.vocabulary = vocabulary, .precision = precision};
    assert_ok(pix_model_import(weights, "changed", path, &options, &report, &error), &error);
    assert_ok(pix_model_open(path, &model, &error), &error);
    assert_memory_equal(pix_model_fidelity(model), &report.fidelity, sizeof report.fidelity);
    assert_int_equal(pix_model_precision(model), report.precision);
    return model;
}

enum { PICTURES = 24, FIRST_PICTURE = 1000 };

/* Unit features of pictures that the import has not seen, or of texts. */
static float *encode(pix_model *model, pix_precision precision, bool texts,
                     const pix_ranges *vision, const pix_ranges *text, size_t *count) {
    const pix_clip_config *c = pix_model_config(model);
    static const char *const captions[] = {"a red bird", "two dogs on a sofa", "the sea at night",
                                           "cake",       "an old man reading", "snow on a roof"};
    size_t size = (size_t)c->image_size * (size_t)c->image_size * 3, embed = (size_t)c->embed_dim;
    *count = texts ? sizeof captions / sizeof *captions : PICTURES;
    float *features = test_zeroed(*count * embed, sizeof *features);
    pix_session *session;
    pix_error error;
    assert_ok(pix_session_new(model, precision, PICTURES, 2, &session, &error), &error);
    pix_session_observe(session, vision, text);
    if (texts) {
        const pix_tokenizer *tokenizer;
        pix_ids ids = {0};
        assert_ok(pix_model_tokenizer(model, &tokenizer, &error), &error);
        for (size_t i = 0; i < *count; i++) {
            assert_int_equal(
                pix_tokenizer_encode(tokenizer, captions[i], strlen(captions[i]), &ids), PIX_OK);
            assert_ok(
                pix_session_encode_text(session, ids.data, ids.count, features + i * embed, &error),
                &error);
        }
        pix_ids_free(&ids);
    } else {
        uint8_t *rgb = test_zeroed(PICTURES, size);
        for (uint32_t i = 0; i < PICTURES; i++)
            pix_sample_picture(FIRST_PICTURE + i, c->image_size, rgb + i * size);
        assert_ok(pix_session_encode_images(session, rgb, PICTURES, features, &error), &error);
        free(rgb);
    }
    for (size_t i = 0; i < *count; i++)
        assert_ok(pix_normalise(features + i * embed, embed, &error), &error);
    pix_session_free(session);
    return features;
}

static int by_value(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* The largest reach of a channel at any place, as a multiple of the median one there. */
static double outlier(const pix_ranges *ranges) {
    double worst = 0;
    for (int layer = 0; layer < ranges->layers; layer++)
        for (int place = PIX_PLACE_LN_1; place <= PIX_PLACE_HIDDEN; place++) {
            const pix_range *range = pix_ranges_at(ranges, layer, (pix_place)place);
            int count = place == PIX_PLACE_HIDDEN ? ranges->mlp_width : ranges->width;
            float *reach = test_zeroed((size_t)count, sizeof *reach);
            for (int i = 0; i < count; i++)
                reach[i] = fmaxf(range[i].most, -range[i].least);
            qsort(reach, (size_t)count, sizeof *reach, by_value);
            worst = fmax(worst, (double)(reach[count - 1] / reach[count / 2]));
            free(reach);
        }
    return worst;
}

/* Float32 and int8 of a changed model: near, though channels are as unequal as they were made. */
static void stays_near(const char *what, const char *source, const char *vocabulary, change how,
                       float strength) {
    bool texts = vocabulary != NULL;
    pix_model *model = import_changed(source, vocabulary, how, strength, NULL);
    const pix_clip_config *c = pix_model_config(model);
    pix_ranges vision = {0}, text = {0};
    pix_error error;
    size_t count;
    assert_ok(
        pix_ranges_init(&vision, c->vision_layers, c->vision_width, c->vision_mlp_width, &error),
        &error);
    assert_ok(pix_ranges_init(&text, c->text_layers, c->text_width, c->text_mlp_width, &error),
              &error);
    float *fp32 =
        encode(model, PIX_FP32, texts, texts ? NULL : &vision, texts ? &text : NULL, &count);
    float *int8 = encode(model, PIX_INT8, texts, NULL, NULL, &count);
    double least, mean, unequal = outlier(texts ? &text : &vision);
    pix_fidelity_cosines(&(pix_feature_pairs){count, (size_t)c->embed_dim, fp32, int8}, &least,
                         &mean);
    char text_of[PIX_FIDELITY_TEXT];
    print_message("| %s x%.0f | %s | x%.0f | %.4f | %.4f | %s |\n", what, (double)strength,
                  texts ? "texts" : "pictures", unequal, mean, least,
                  pix_fidelity_text(pix_model_fidelity(model), text_of));
    assert_true(unequal > 20);
    assert_true(least >= 0.99 && mean >= 0.995);
    assert_true(pix_fidelity_is_enough(pix_model_fidelity(model)));
    assert_int_equal(pix_model_precision(model), PIX_INT8);
    pix_ranges_free(&vision);
    pix_ranges_free(&text);
    free(fp32);
    free(int8);
    pix_model_close(model);
}

static const struct injection {
    const char *name;
    change change;
} injections[] = {
    {"LayerNorm's gains, made up for", huge_gains},
    {"LayerNorm's gains, in part", huge_gains_that_count},
    {"values and hidden", huge_values_and_hidden},
    {"residual stream", huge_residual},
};

static const float strengths[] = {30, 100};

static void pictures_stay_near_whatever_is_huge(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof injections / sizeof *injections; i++)
        for (size_t k = 0; k < sizeof strengths / sizeof *strengths; k++)
            stays_near(injections[i].name, test_golden("models/vit-p32/vit-p32.pt"), NULL,
                       injections[i].change, strengths[k]);
}

/* Of the bundled model's trained text tower. */
static void texts_stay_near_whatever_is_huge(void **state) {
    (void)state;
    char tiny[4096], vocabulary[4096];
    (void)snprintf(tiny, sizeof tiny, "%s", test_golden("../../models/tiny/tiny.pt"));
    (void)snprintf(vocabulary, sizeof vocabulary, "%s",
                   test_golden("../../models/tiny/vocabulary.txt.gz"));
    for (size_t i = 0; i < sizeof injections / sizeof *injections; i++)
        for (size_t k = 0; k < sizeof strengths / sizeof *strengths; k++)
            stays_near(injections[i].name, tiny, vocabulary, injections[i].change, strengths[k]);
}

static void int8_is_not_chosen_where_it_is_far(void **state) {
    (void)state;
    const char *source = test_golden("models/vit-p32/vit-p32.pt");
    char warning[PIX_FIDELITY_WARNING];
    pix_model *model = import_changed(source, NULL, a_weight_that_drowns_the_others, 1e4f, NULL);
    const pix_fidelity *fidelity = pix_model_fidelity(model);
    assert_true(fidelity->image_least < 0.99);
    assert_false(pix_fidelity_is_enough(fidelity));
    assert_int_equal(pix_model_precision(model), PIX_FP32);
    assert_false(pix_fidelity_warning("m", fidelity, PIX_FP32, warning));
    assert_true(pix_fidelity_warning("m", fidelity, PIX_INT8, warning));
    assert_non_null(strstr(warning, "in int8 m finds other photos than in fp32"));
    pix_model_close(model);
}

static void what_was_asked_for_is_chosen(void **state) {
    (void)state;
    const char *source = test_golden("models/vit-p32/vit-p32.pt");
    const pix_precision int8 = PIX_INT8, fp32 = PIX_FP32;
    pix_model *model = import_changed(source, NULL, a_weight_that_drowns_the_others, 1e4f, &int8);
    assert_int_equal(pix_model_precision(model), PIX_INT8);
    assert_false(pix_fidelity_is_enough(pix_model_fidelity(model)));
    pix_model_close(model);
    model = import_changed(source, NULL, huge_gains, 1, &fp32);
    assert_int_equal(pix_model_precision(model), PIX_FP32);
    assert_true(pix_fidelity_is_enough(pix_model_fidelity(model)));
    pix_model_close(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_stay_near_whatever_is_huge),
        cmocka_unit_test(texts_stay_near_whatever_is_huge),
        cmocka_unit_test(int8_is_not_chosen_where_it_is_far),
        cmocka_unit_test(what_was_asked_for_is_chosen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
