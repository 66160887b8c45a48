/* Writes what fuzzing starts from: seeds FOLDER GOLDEN makes FOLDER/TARGET/NAME, small files that
 * are right, so that a changed byte leads deep. */
#include "core/base/files.h"
#include "core/clip/tensor_list.h"
#include "core/text/bpe.h"
#include "core/text/vocabulary.h"
#include "core/weights/zip.h"
#include "tests/archives.h"
#include "tests/fuzz/small_models.h"
#include "tests/pictures.h"

static const char *folder;

static void make_folder(const char *path) {
    pix_error error;
    if (pix_folder_make(path, &error)) {
        (void)fprintf(stderr, "seeds: %s\n", error.text);
        exit(1);
    }
}

/* The path FOLDER/TARGET/NAME, whose folder is made. */
static const char *path_of(const char *target, const char *name) {
    static char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", folder, target);
    make_folder(path);
    (void)snprintf(path, sizeof path, "%s/%s/%s", folder, target, name);
    return path;
}

/* Takes `content`. */
static void seed(const char *target, const char *name, pix_bytes content) {
    test_write_file(path_of(target, name), content.data ? content.data : "", content.size);
    pix_bytes_free(&content);
}

static pix_bytes bytes_of(const void *data, size_t size) {
    pix_bytes bytes = {0};
    put_bytes(&bytes, data, size);
    return bytes;
}

/* The first byte says how a target reads the rest; takes `content`. */
static pix_bytes after(char first, pix_bytes content) {
    pix_bytes bytes = bytes_of(&first, 1);
    put_bytes(&bytes, content.data, content.size);
    pix_bytes_free(&content);
    return bytes;
}

/* Every tensor of the model, all zeros; the sizes and shapes are what matters. */

static void put_tensor_entry(pix_bytes *header, const char *name, const char *dtype, int rank,
                             const int64_t *shape, size_t *offset, size_t width) {
    char text[96];
    size_t elements = 1;
    (void)snprintf(text, sizeof text, "\":{\"dtype\":\"%s\",\"shape\":[", dtype);
    put_opcodes(header, header->size > 0 ? ",\"" : "{\"");
    put_opcodes(header, name);
    put_opcodes(header, text);
    for (int i = 0; i < rank; i++) {
        (void)snprintf(text, sizeof text, "%s%d", i ? "," : "", (int)shape[i]);
        put_opcodes(header, text);
        elements *= (size_t)shape[i];
    }
    (void)snprintf(text, sizeof text, "],\"data_offsets\":[%zu,%zu]}", *offset,
                   *offset + elements * width);
    put_opcodes(header, text);
    *offset += elements * width;
}

static pix_bytes safetensors_of(const pix_clip_config *config, const char *dtype, size_t width) {
    pix_clip_tensor *tensors;
    pix_bytes header = {0}, file = {0};
    size_t count, offset = 0;
    if (pix_clip_checkpoint_tensors(config, &tensors, &count, NULL))
        exit(1);
    put_tensor_entry(&header, "logit_scale", dtype, 0, NULL, &offset, width);
    for (size_t i = 0; i < count; i++)
        put_tensor_entry(&header, tensors[i].name, dtype, tensors[i].rank, tensors[i].shape,
                         &offset, width);
    put_opcodes(&header, "}");
    put_number(&file, header.size, 8);
    put_bytes(&file, header.data, header.size);
    put_number(&file, 0, (int)offset);
    pix_bytes_free(&header);
    free(tensors);
    return file;
}

/* The pickle of a state dict with one tensor, all of storage 0. */
static pix_bytes state_dict(bool legacy) {
    pix_bytes pickle = bytes_of("\x80\2", 2);
    put_opcodes(&pickle, "ccollections\nOrderedDict\n)R(");
    put_text(&pickle, "logit_scale");
    put_whole_tensor(&pickle, "FloatStorage", "0", 0, NULL, legacy);
    put_opcodes(&pickle, "u}");
    put_text(&pickle, "_metadata");
    put_opcodes(&pickle, "}sb.");
    return pickle;
}

static pix_bytes module(void) {
    pix_bytes pickle = bytes_of("\x80\2", 2);
    put_opcodes(&pickle, "c__torch__.m\nModel\n)\x81}(");
    put_text(&pickle, "training");
    put_opcodes(&pickle, "\x89");
    put_text(&pickle, "visual");
    put_opcodes(&pickle, "c__torch__.m.___torch_mangle_1\nTower\n)\x81}(");
    put_text(&pickle, "weight");
    put_whole_tensor(&pickle, "HalfStorage", "0", 2, (const int64_t[]){2, 3}, false);
    put_text(&pickle, "bias");
    put_whole_tensor(&pickle, "FloatStorage", "1", 1, (const int64_t[]){3}, false);
    put_opcodes(&pickle, "ubub.");
    return pickle;
}

static pix_bytes archive(const pix_bytes *pickle, bool zip64, const char *comment) {
    static const float values[6];
    zip_writer zip = {.zip64 = zip64};
    zip_add(&zip, "m/data.pkl", pickle->data, pickle->size);
    zip_add_deflated(&zip, "m/version", "3\n", 2);
    zip_add(&zip, "m/data/0", values, sizeof values);
    zip_finish(&zip);
    set_number(&zip.file, zip.file.size - 2, strlen(comment), 2);
    put_opcodes(&zip.file, comment);
    pix_bytes_free(&zip.directory);
    return zip.file;
}

static void make_zips(void) {
    pix_bytes pickle = state_dict(false);
    seed("zip", "plain", archive(&pickle, false, ""));
    seed("zip", "comment", archive(&pickle, false, "a comment"));
    seed("zip", "zip64", archive(&pickle, true, ""));
    pix_bytes_free(&pickle);
}

/* The pickle of a whole TorchScript model, as PyTorch wrote it. */
static void make_golden_pickle(const char *golden) {
    char path[4096];
    pix_mapping mapping;
    pix_zip *zip;
    pix_error error;
    (void)snprintf(path, sizeof path, "%s/models/vit-p32/vit-p32.pt", golden);
    if (pix_mapping_open(&mapping, path, &error) ||
        pix_zip_open(mapping.data, mapping.size, &zip, &error)) {
        (void)fprintf(stderr, "seeds: %s\n", error.text);
        exit(1);
    }
    const pix_zip_member *member = pix_zip_find(zip, "vit-p32/data.pkl");
    if (member) {
        seed("pickle", "torchscript", bytes_of(member->data, member->size));
        seed("checkpoint", "pickle-torchscript", after(1, bytes_of(member->data, member->size)));
    }
    pix_zip_close(zip);
    pix_mapping_close(&mapping);
}

static void make_pickles(void) {
    static const char text[] = "(dp0\nVa\\u20ac\np1\n(lp2\nI1\naI01\naL99L\naF2.5\naNa(I1\nI2\nt"
                               "as.",
                      old[] = "(ccollections\nOrderedDict\noS'a\\x61'\n(K\1J\1\0\0\0M\1\0ls.",
                      framed[] = "\x80\4\x95\x20\0\0\0\0\0\0\0}\x94\x8c\1a\x94]\x94(K\1\x88\x89G@"
                                 "\4\0\0\0\0\0\0)K\1\x85\x86\x8f(K\1\x90"
                                 "C\2abe\x8c\1b\x94h\2u.";
    seed("pickle", "protocol-0", bytes_of(text, sizeof text - 1));
    seed("pickle", "protocol-1", bytes_of(old, sizeof old - 1));
    seed("pickle", "protocol-4", bytes_of(framed, sizeof framed - 1));
    seed("pickle", "state-dict", state_dict(false));
    seed("pickle", "module", module());
}

static void make_checkpoints(void) {
    static const float one[1];
    pix_bytes pickle = state_dict(false), old = state_dict(true), legacy = {0};
    put_legacy_file(&legacy, &old, "0", one, 1);
    seed("checkpoint", "archive", after(0, archive(&pickle, false, "")));
    seed("checkpoint", "archive-zip64", after(0, archive(&pickle, true, "")));
    seed("checkpoint", "legacy", after(0, legacy));
    seed("checkpoint", "pickle-state-dict", after(1, pickle));
    seed("checkpoint", "pickle-module", after(1, module()));
    seed("checkpoint", "vit", after(0, safetensors_of(&small_vit, "BF16", 2)));
    seed("checkpoint", "resnet", after(0, safetensors_of(&small_resnet, "I8", 1)));
    pix_bytes_free(&old);
}

static void make_safetensors(void) {
    static const char small[] =
        "{\"__metadata__\":{\"format\":\"pt\"},\"a\":{\"dtype\":\"F32\",\"shape\":[2],"
        "\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[8,9]}}";
#define LAYER "\"text_model.encoder.layers.0.self_attn."
#define MATRIX "\":{\"dtype\":\"U8\",\"shape\":[2,2],\"data_offsets\":"
    static const char hugging_face[] =
        "{" LAYER "q_proj.weight" MATRIX "[0,4]}," LAYER "k_proj.weight" MATRIX "[4,8]}," LAYER
        "v_proj.weight" MATRIX "[8,12]},\"text_projection.weight" MATRIX "[12,16]}}";
    static const char *const headers[] = {small, hugging_face};
    static const char *const names[] = {"small", "hugging-face"};
    for (size_t i = 0; i < 2; i++) {
        pix_bytes file = {0};
        put_number(&file, strlen(headers[i]), 8);
        put_opcodes(&file, headers[i]);
        put_number(&file, 0, i == 0 ? 9 : 16);
        seed("safetensors", names[i], file);
    }
    seed("safetensors", "vit", safetensors_of(&small_vit, "BF16", 2));
}

/* A tokenizer.json of one merge. */
static pix_bytes tokenizer_json(const char *merge) {
    pix_bytes json = {0};
    char number[32];
    put_opcodes(&json, "{\"model\":{\"merges\":[");
    put_opcodes(&json, merge);
    put_opcodes(&json, "],\"vocab\":{");
    for (unsigned i = 0; i < 2 * 256; i++) {
        unsigned char byte = (unsigned char)(i % 256);
        uint32_t character = pix_alphabet_character(byte);
        put_opcodes(&json, character == '"' ? "\"\\" : character == '\\' ? "\"\\" : "\"");
        if (pix_bytes_append_utf8(&json, character))
            exit(1);
        (void)snprintf(number, sizeof number, "%s\":%u,", i < 256 ? "" : PIX_WORD_END,
                       (unsigned)pix_byte_symbol(byte) + (i < 256 ? 0 : 256));
        put_opcodes(&json, number);
    }
    put_opcodes(&json, "\"ab\":512,\"<|startoftext|>\":513,\"<|endoftext|>\":514}}}");
    return json;
}

static void make_vocabularies(void) {
    static const char header[] = "\"bpe_simple_vocab_16e6.txt#version: 0.2\n";
    pix_bytes lines = bytes_of(header, sizeof header - 1), packed = {0};
    put_opcodes(&lines, small_merges);
    uLongf size = compressBound(lines.size) + 32;
    if (pix_bytes_reserve(&packed, size))
        exit(1);
    z_stream stream = {.next_in = (z_const Bytef *)lines.data,
                       .avail_in = (uInt)lines.size,
                       .next_out = (Bytef *)packed.data,
                       .avail_out = (uInt)size};
    if (deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK ||
        deflate(&stream, Z_FINISH) != Z_STREAM_END)
        exit(1);
    packed.size = stream.total_out;
    (void)deflateEnd(&stream);
    seed("vocabulary", "plain", after(6, lines));
    seed("vocabulary", "packed", after(6, packed));
    seed("vocabulary", "json", after(1, tokenizer_json("\"a b\"")));
    seed("vocabulary", "json-pair", after(1, tokenizer_json("[\"a\",\"b\"]")));
}

static void make_texts(void) {
    static const char *const texts[] = {"a photo of a dog", "It\xe2\x80\x99s  caf\xc3\xa9 &amp;lt;",
                                        "\xc3\x83\xc2\xa9 \xf0\x9f\x98\x80 123rd <|endoftext|>"};
    static const char *const configs[] = {
        "{\"model_type\":\"clip\",\"text_config\":{\"hidden_act\":\"gelu\",\"num_attention_heads\":"
        "8,\"layer_norm_eps\":1e-5,\"eos_token_id\":2},\"vision_config\":{\"hidden_act\":\"gelu\"}"
        "}",
        "{\"text_config\":{},\"text_config_dict\":{\"num_attention_heads\":4},\"vision_config\":{}"
        "}"};
    char name[] = "0";
    for (size_t i = 0; i < 3; i++, name[0]++)
        seed("text", name, bytes_of(texts[i], strlen(texts[i])));
    for (size_t i = 0; i < 2; i++, name[0]++)
        seed("config", name, bytes_of(configs[i], strlen(configs[i])));
    /* As it is, and the highest byte of the directory's offset: far outside. */
    for (char kind = 0; kind < 2; kind++, name[0]++) {
        seed("pixm", name, bytes_of(&kind, 1));
        seed("pixm", kind ? "resnet-outside" : "vit-outside",
             after(kind, bytes_of("\x10\x9f\1", 3)));
    }
}

static void make_pictures(void) {
    uint8_t *pixels = scene(40, 30);
    make_jpeg(path_of("image", "jpeg"), pixels, 40, 30, &(jpeg_options){0});
    make_jpeg(path_of("image", "progressive"), pixels, 40, 30,
              &(jpeg_options){.progressive = true});
    make_bmp(path_of("image", "bmp"), pixels, 40, 30);
    free(pixels);
}

static void make_expressions(void) {
    static const char *const queries[] = {
        /* | between arguments */
        "horse|+|stripes", "2:golden retriever + ./swimming pool.jpg - 0.5:people",
        "./IMG - Copy.jpg|-|0.25:~/a.png|+|file:///p/%20b.jpg", "16:9|t-shirt|-5 degrees"};
    char name[] = "0";
    for (char kind = 0; kind < 4; kind++, name[0]++) {
        pix_bytes query = bytes_of(queries[(size_t)kind], strlen(queries[(size_t)kind]));
        for (size_t i = 0; i < query.size; i++)
            if (query.data[i] == '|')
                query.data[i] = '\0';
        seed("expression", name, after(kind, query));
    }
}

static void make_requests(void) {
    static const char *const lines[] = {
        "{\"call\":\"hello\",\"protocol\":2}\n{\"call\":\"status\"}\n",
        "{\"call\":\"hello\",\"protocol\":2,\"texts\":[{\"text\":\"a\"}],\"search\":{\"k\":9,"
        "\"photos\":2}}\n",
        "{\"call\":\"tokenize\",\"text\":\"a "
        "dog\"}\n{\"call\":\"tokenize\",\"text_base64\":\"YQ==\"}\n",
        "{\"call\":\"encode_text\",\"ids\":[[49406,320,49407],[1]]}\n",
        "{\"call\":\"encode_image\",\"exact\":true,\"ignore_rotation\":false}\n",
        "{\"call\":\"encode_text\",\"packed\":true,\"texts\":[{\"text\":\"a dog\"}]}\n",
        "{\"call\":\"search\",\"vectors\":[[0.6,-0.8],[1,0]],\"k\":10}\n",
        "{\"call\":\"search\",\"vectors\":[\"AAAAPwAAgL8=\"],\"k\":1,\"photos\":1,\"filter\":{}}\n",
        "{\"call\":\"select\",\"filter\":{\"folders\":[{\"path\":\"/a\"}],\"since\":\"2023\","
        "\"until\":\"2024-05\",\"camera\":\"canon\",\"formats\":[\"jpeg\"],"
        "\"orientations\":[\"landscape\",\"square\"],\"min_pixels\":1,\"min_long\":2,"
        "\"min_short\":3,\"place\":[48.86,2.35,10]}}\n",
        "{\"call\":\"rescan\",\"folders\":[{\"path\":\"/a\"},{\"path_base64\":\"L/8=\"}]}\n",
        "{\"call\":\"move\",\"paths\":[{\"path\":\"/a\"},{\"path_base64\":\"L/8=\"}]}\n",
        "{\"ok\":true,\"ids\":[1,2],\"cut\":0,\"cut_words\":\"\"}\n",
        "{\"ok\":true,\"vectors\":[0.5,0.5,0.5,0.5],\"path_base64\":\"L/8=\"}\n",
        "{\"ok\":false,\"code\":-5,\"error\":\"not found\"}\n",
    };
    char name[32];
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        (void)snprintf(name, sizeof name, "%zu", i);
        seed("control", name, bytes_of(lines[i], strlen(lines[i])));
    }
}

static void make_formats(void) {
    static const char *const formats[] = {"{score} {path}\\t{name}\\0", "{{{rank}}} {dir}\\\\\\n",
                                          "{taken}{camera}{width}{height}{type}{lat}{lon}{id}",
                                          "{query}{folded}"};
    char name[] = "0";
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++, name[0]++)
        seed("format", name, bytes_of(formats[i], strlen(formats[i])));
}

static void make_filter_values(void) {
    static const char *const values[] = {"2023",     "2024-02-29",      "2023-12-31T23:59:59",
                                         "12.5MP",   "1920x1080",       "48.86,2.35,10",
                                         "jpg,heif", "square,portrait", "-90, +180.0, 20038"};
    char name[] = "0";
    for (size_t i = 0; i < sizeof values / sizeof *values; i++, name[0]++)
        seed("filter_values", name, bytes_of(values[i], strlen(values[i])));
}

/* As fuzz_pixv.c reads them: nothing is changed; a count of vectors in a state; a dimension. */
static void make_vector_files(void) {
    seed("pixv", "whole", bytes_of("\7\0", 2));
    seed("pixv", "count", bytes_of("\2\0\20\40\1", 5));
    seed("pixv", "dimension", bytes_of("\1\0\14\0\30", 5));
}

int main(int argc, char **argv) {
    if (argc != 3) {
        (void)fprintf(stderr, "usage: seeds FOLDER GOLDEN\n");
        return 2;
    }
    folder = argv[1];
    make_zips();
    make_pickles();
    make_golden_pickle(argv[2]);
    make_checkpoints();
    make_safetensors();
    make_vocabularies();
    make_texts();
    make_expressions();
    make_requests();
    make_formats();
    make_filter_values();
    make_pictures();
    make_vector_files();
    return 0;
}
