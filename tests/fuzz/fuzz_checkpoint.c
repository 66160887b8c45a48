/* A weights file of any format from open to the last tensor, as import reads it.  After a first
 * byte that is even come the file's own bytes; after an odd one the pickle of a PyTorch archive,
 * which is put around it, so that a pickle may change its length. */
#include "core/clip/config.h"
#include "tests/archives.h"
#include "tests/fuzz/fuzz.h"

enum { MAX_ELEMENTS = 1 << 20, MAX_READ = 64 << 20 };

static void write_archive(zip_writer *zip, const uint8_t *pickle, size_t size) {
    static const uint8_t storage[1024];
    zip_add(zip, "archive/data.pkl", pickle, size);
    zip_add(zip, "archive/byteorder", "little", 6);
    zip_add(zip, "archive/data/0", storage, sizeof storage);
    zip_add(zip, "archive/data/1", storage, 24);
    zip_finish(zip);
}

/* A stride of 0 makes a large tensor of one number: at most MAX_READ of them are read in all. */
static void read_all(pix_checkpoint *checkpoint) {
    static float values[MAX_ELEMENTS];
    size_t total = 0;
    for (size_t i = 0; i < pix_checkpoint_count(checkpoint) && total < MAX_READ; i++) {
        const pix_tensor_info *info = pix_checkpoint_info(checkpoint, i);
        demand(pix_checkpoint_find(checkpoint, info->name) == info);
        demand(info->rank >= 0 && info->rank <= PIX_TENSOR_MAX_RANK);
        double elements = 1;
        for (int k = 0; k < info->rank; k++) {
            demand(info->shape[k] >= 0);
            elements *= (double)info->shape[k];
        }
        if (elements > MAX_ELEMENTS)
            continue;
        pix_error error = {0};
        pix_status status = pix_checkpoint_read(checkpoint, info, values, &error);
        if (status)
            demand_reason(status, &error);
        total += (size_t)elements;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    zip_writer zip = {0};
    if (size == 0)
        return 0;
    bool wrapped = data[0] & 1;
    if (wrapped)
        write_archive(&zip, data + 1, size - 1);
    pix_checkpoint *checkpoint;
    pix_clip_config config;
    pix_error error = {0};
    const char *path =
        wrapped ? fuzz_file(zip.file.data, zip.file.size) : fuzz_file(data + 1, size - 1);
    pix_status status = pix_checkpoint_open(path, &checkpoint, &error);
    demand((status == PIX_OK) == (checkpoint != NULL));
    if (status)
        demand_reason(status, &error);
    else {
        read_all(checkpoint);
        status = pix_clip_config_infer(checkpoint, &config, &error);
        demand(!status || error.text[0]);
        demand(status || !pix_clip_config_check(&config, &error));
    }
    pix_checkpoint_close(checkpoint);
    zip_free(&zip);
    return 0;
}
