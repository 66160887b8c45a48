#include <string.h>
#include <time.h>

#include "storage/mounts.h"
#include "storage/range.h"

/* What the index says of a path that was met. */
typedef struct known_photo {
    int64_t id; /* 0: nothing */
    bool same;  /* mtime and size */
    bool present;
    bool encoded;
} known_photo;

static pix_status look_up(pix_store *store, const pix_recipe *recipe, const char *path,
                          int64_t mtime_ns, int64_t size_bytes, known_photo *photo,
                          pix_error *error) {
    *photo = (known_photo){0};
    pix_statement s = pix_statement_begin(store, PIX_SQL_IMAGE_SEE);
    pix_bind_path(&s, path);
    pix_bind_integer(&s, recipe->model_id);
    pix_bind_text(&s, recipe->precision);
    pix_bind_integer(&s, recipe->ignore_rotation);
    pix_bind_integer(&s, recipe->exact);
    pix_status status = pix_statement_step(&s, error);
    if (!status && s.row)
        *photo = (known_photo){
            .id = sqlite3_column_int64(s.handle, 0),
            .same = sqlite3_column_int64(s.handle, 1) == mtime_ns &&
                    sqlite3_column_int64(s.handle, 2) == size_bytes,
            .present = sqlite3_column_int(s.handle, 3) != 0,
            .encoded = sqlite3_column_int(s.handle, 4) != 0,
        };
    pix_statement_end(&s);
    return status;
}

/* The failure of just this file, 0 for none. */
static pix_status find_failure(pix_store *store, const char *path, int64_t mtime_ns,
                               int64_t size_bytes, int64_t *id, pix_error *error) {
    *id = 0;
    pix_statement s = pix_statement_begin(store, PIX_SQL_FAILURE_FIND);
    pix_bind_path(&s, path);
    pix_bind_integer(&s, mtime_ns);
    pix_bind_integer(&s, size_bytes);
    pix_status status = pix_statement_step(&s, error);
    if (!status && s.row)
        *id = sqlite3_column_int64(s.handle, 0);
    pix_statement_end(&s);
    return status;
}

static pix_status clear_failure(pix_store *store, const char *path, pix_error *error) {
    pix_statement s = pix_statement_begin(store, PIX_SQL_FAILURE_CLEAR);
    pix_bind_path(&s, path);
    return pix_statement_run(&s, error);
}

static pix_status make_present(pix_store *store, int64_t run_id, int64_t id, const char *path,
                               pix_error *error) {
    pix_status status = pix_store_change(store, error);
    if (status)
        return status;
    pix_statement s = pix_statement_begin(store, PIX_SQL_IMAGE_RETURN);
    pix_bind_integer(&s, run_id);
    pix_bind_integer(&s, id);
    status = pix_statement_run(&s, error);
    return status ? status : clear_failure(store, path, error);
}

static pix_status mark_seen(pix_store *store, pix_id_set *seen, int64_t id, pix_error *error) {
    pix_status status = pix_id_set_add(seen, id, error);
    if (status == PIX_EFORMAT)
        (void)pix_error_prefix(error, "%s", store->path);
    return status;
}

static pix_status mark_photo(pix_store *store, int64_t id, pix_error *error) {
    pix_status status = mark_seen(store, &store->seen_images, id, error);
    return status ? status : pix_store_held_release(store, id, error);
}

static pix_status see(pix_store *store, int64_t run_id, const pix_recipe *recipe, const char *path,
                      int64_t mtime_ns, int64_t size_bytes, pix_photo_state *state,
                      pix_error *error) {
    pix_status status = pix_store_check_run(store, run_id, error);
    known_photo photo;
    if (status || (status = look_up(store, recipe, path, mtime_ns, size_bytes, &photo, error)))
        return status;
    /* A photo that is shown has no failure: pix_store_failure_put hides it. */
    int64_t failure = 0;
    if (!photo.present &&
        (status = find_failure(store, path, mtime_ns, size_bytes, &failure, error)))
        return status;
    if (failure) {
        *state = PIX_PHOTO_FAILED_BEFORE;
        return mark_seen(store, &store->seen_failures, failure, error);
    }
    if (photo.id == 0) {
        *state = PIX_PHOTO_NEW;
        return PIX_OK;
    }
    *state = !photo.same      ? PIX_PHOTO_CHANGED
             : !photo.encoded ? PIX_PHOTO_UNENCODED
             : photo.present  ? PIX_PHOTO_UNCHANGED
                              : PIX_PHOTO_RETURNED;
    /* One that is shown already is noted by pix_store_sweep, which compares with what was. */
    if (photo.same && !photo.present &&
        ((status = make_present(store, run_id, photo.id, path, error)) ||
         (status = mark_seen(store, &store->came, photo.id, error)) ||
         (status = pix_image_mount_note(store, photo.id, path, error))))
        return status;
    return mark_photo(store, photo.id, error);
}

pix_status pix_store_photo_see(pix_store *store, int64_t run_id, const pix_recipe *recipe,
                               const char *path, int64_t mtime_ns, int64_t size_bytes,
                               pix_photo_state *state, pix_error *error) {
    *state = PIX_PHOTO_NEW;
    pix_store_lock(store);
    pix_status status = see(store, run_id, recipe, path, mtime_ns, size_bytes, state, error);
    pix_store_unlock(store);
    return status;
}

static pix_status find_content(pix_store *store, const uint8_t content[PIX_SHA256_BYTES],
                               const char *path, int64_t *id, pix_error *error) {
    *id = 0;
    pix_statement s = pix_statement_begin(store, PIX_SQL_CONTENT_FIND);
    pix_bind_bytes(&s, content, PIX_SHA256_BYTES);
    pix_status status = pix_statement_step(&s, error);
    if (!status && s.row)
        *id = sqlite3_column_int64(s.handle, 0);
    else if (!status)
        status = pix_fail(error, PIX_EINVALID, "%s: its content is not in the index", path);
    pix_statement_end(&s);
    return status;
}

static pix_status is_shown(pix_store *store, const char *path, int64_t content_id, bool *shown,
                           pix_error *error) {
    pix_statement s = pix_statement_begin(store, PIX_SQL_IMAGE_SHOWS);
    pix_bind_path(&s, path);
    pix_bind_integer(&s, content_id);
    pix_status status = pix_statement_step(&s, error);
    *shown = !status && s.row;
    pix_statement_end(&s);
    return status;
}

static pix_status put(pix_store *store, int64_t run_id, int64_t root_id, const char *path,
                      int64_t mtime_ns, int64_t size_bytes, const uint8_t content[PIX_SHA256_BYTES],
                      pix_error *error) {
    int64_t content_id, id = 0;
    bool stays;
    pix_status status = pix_store_check_run(store, run_id, error);
    if (status || (status = pix_store_change(store, error)) ||
        (status = find_content(store, content, path, &content_id, error)) ||
        (status = is_shown(store, path, content_id, &stays, error)))
        return status;
    pix_statement s = pix_statement_begin(store, PIX_SQL_IMAGE_PUT);
    pix_bind_integer(&s, root_id);
    pix_bind_path(&s, path);
    pix_bind_integer(&s, mtime_ns);
    pix_bind_integer(&s, size_bytes);
    pix_bind_integer(&s, content_id);
    pix_bind_integer(&s, run_id);
    if (!(status = pix_statement_step(&s, error))) {
        id = sqlite3_column_int64(s.handle, 0);
        status = pix_statement_step(&s, error);
    }
    pix_statement_end(&s);
    if (status || (status = clear_failure(store, path, error)) ||
        (!stays && ((status = mark_seen(store, &store->came, id, error)) ||
                    (status = pix_image_mount_note(store, id, path, error)))))
        return status;
    return mark_photo(store, id, error);
}

pix_status pix_store_photo_put(pix_store *store, int64_t run_id, int64_t root_id, const char *path,
                               int64_t mtime_ns, int64_t size_bytes,
                               const uint8_t content[PIX_SHA256_BYTES], pix_error *error) {
    pix_store_lock(store);
    pix_status status = put(store, run_id, root_id, path, mtime_ns, size_bytes, content, error);
    pix_store_unlock(store);
    return status;
}

static pix_status put_failure(pix_store *store, int64_t run_id, int64_t root_id, const char *path,
                              int64_t mtime_ns, int64_t size_bytes, const char *stage,
                              const char *reason, pix_error *error) {
    int64_t now = time(NULL), id = 0;
    pix_status status = pix_store_check_run(store, run_id, error);
    if (status || (status = pix_store_change(store, error)))
        return status;
    pix_statement s = pix_statement_begin(store, PIX_SQL_FAILURE_PUT);
    pix_bind_integer(&s, root_id);
    pix_bind_path(&s, path);
    pix_bind_integer(&s, mtime_ns);
    pix_bind_integer(&s, size_bytes);
    pix_bind_text(&s, stage);
    pix_bind_text(&s, reason);
    pix_bind_integer(&s, now);
    pix_bind_integer(&s, run_id);
    if (!(status = pix_statement_step(&s, error))) {
        id = sqlite3_column_int64(s.handle, 0);
        status = pix_statement_step(&s, error);
    }
    pix_statement_end(&s);
    if (status)
        return status;
    s = pix_statement_begin(store, PIX_SQL_IMAGE_HIDE_PATH);
    pix_bind_integer(&s, now);
    pix_bind_path(&s, path);
    status = pix_statement_run(&s, error);
    return status ? status : mark_seen(store, &store->seen_failures, id, error);
}

pix_status pix_store_failure_put(pix_store *store, int64_t run_id, int64_t root_id,
                                 const char *path, int64_t mtime_ns, int64_t size_bytes,
                                 const char *stage, const char *reason, pix_error *error) {
    pix_store_lock(store);
    pix_status status =
        put_failure(store, run_id, root_id, path, mtime_ns, size_bytes, stage, reason, error);
    pix_store_unlock(store);
    return status;
}

pix_status pix_store_knows_below(pix_store *store, const char *path, pix_known_photos *known,
                                 pix_error *error) {
    *known = PIX_KNOWN_NONE;
    pix_range range;
    pix_status status = pix_range_init(&range, path, error);
    if (status)
        return status;
    pix_store_lock(store);
    pix_statement s = pix_statement_begin(store, PIX_SQL_KNOWN_BELOW);
    pix_bind_range(&s, &range);
    status = pix_statement_step(&s, error);
    if (!status && s.row)
        *known = sqlite3_column_int(s.handle, 1)   ? PIX_KNOWN_PRESENT
                 : sqlite3_column_int(s.handle, 0) ? PIX_KNOWN_MISSING
                                                   : PIX_KNOWN_NONE;
    pix_statement_end(&s);
    pix_store_unlock(store);
    pix_range_free(&range);
    return status;
}
