#include "core/weights/hf_preprocessor.h"

#include "core/weights/json_file.h"
#include "core/weights/pictures.h"

static pix_status compare(const json_t *theirs, json_t *ours, pix_error *error) {
    const char *key;
    json_t *wanted;
    json_object_foreach(ours, key, wanted) {
        const json_t *value = json_object_get(theirs, key);
        if (value && !json_is_null(value) && !pix_pictures_fit(value, wanted))
            return pix_fail(error, PIX_EUNSUPPORTED, "%s is %s, but pixgrep has %s", key,
                            pix_json_show(value).text, pix_json_show(wanted).text);
    }
    return PIX_OK;
}

pix_status pix_hf_preprocessor_check(const char *path, int64_t image_size, pix_error *error) {
    json_t *theirs;
    pix_status status = pix_json_file_read(path, &theirs, error);
    if (status)
        return status;
    const json_t *nested = json_object_get(theirs, "image_processor");
    json_t *ours = pix_pictures_settings(image_size);
    status = ours ? compare(nested ? nested : theirs, ours, error) : pix_fail_memory(error);
    if (status)
        (void)pix_error_prefix(error, "%s", path);
    json_decref(ours);
    json_decref(theirs);
    return status;
}
