#include "core/weights/pictures.h"

#include <math.h>
#include <string.h>

json_t *pix_pictures_settings(int64_t size) {
    const json_int_t side = size;
    return json_pack(
        "{s:s, s:s, s:b, s:{s:I}, s:i, s:b, s:{s:I, s:I}, s:b, s:f, s:b, s:[f,f,f], s:[f,f,f]}",
        "image_processor_type", "CLIPImageProcessor", "feature_extractor_type",
        "CLIPFeatureExtractor", "do_resize", 1, "size", "shortest_edge", side, "resample",
        3 /* as Pillow numbers bicubic */, "do_center_crop", 1, "crop_size", "height", side,
        "width", side, "do_rescale", 1, "rescale_factor", 1.0 / 255, "do_normalize", 1,
        "image_mean", 0.48145466, 0.4578275, 0.40821073, "image_std", 0.26862954, 0.26130258,
        0.27577711);
}

static bool fits_members(const json_t *value, json_t *ours) {
    bool fits = json_is_number(value) || json_object_size(value) == json_object_size(ours);
    const char *key;
    json_t *member;
    json_object_foreach(ours, key, member) {
        const json_t *theirs = json_is_number(value) ? value : json_object_get(value, key);
        fits = fits && json_is_number(theirs) && pix_pictures_fit(theirs, member);
    }
    return fits;
}

bool pix_pictures_fit(const json_t *value, const json_t *ours) {
    switch (json_typeof(ours)) {
    case JSON_OBJECT:
        return fits_members(value, (json_t *)ours);
    case JSON_ARRAY: {
        bool fits = json_array_size(value) == json_array_size(ours);
        for (size_t i = 0; fits && i < json_array_size(ours); i++)
            fits = pix_pictures_fit(json_array_get(value, i), json_array_get(ours, i));
        return fits;
    }
    case JSON_STRING: /* CLIPImageProcessor, its Fast, CLIPFeatureExtractor; ViT's read otherwise */
        return json_is_string(value) && strncmp(json_string_value(value), "CLIP", 4) == 0;
    case JSON_INTEGER:
    case JSON_REAL: {
        double number = json_number_value(ours);
        return json_is_number(value) && fabs(json_number_value(value) - number) <= 1e-4 * number;
    }
    default:
        return json_equal(value, ours);
    }
}
