/* Lengths are in 65,536ths of the picture's side, shares and angles' sines in 4,096ths. */
#include "core/clip/samples.h"

#include <stdbool.h>

enum { ONE = 4096, SIDE = 65536, SHAPES = 7 };

typedef struct colour {
    int32_t rgb[3]; /* in 4,096ths of white */
} colour;

typedef enum shape_kind { DISC, BAR, STRIPES, CHECKS } shape_kind;

typedef struct shape {
    shape_kind kind;
    int32_t x, y;           /* its middle */
    int32_t radius, height; /* a bar is less high than wide */
    int32_t cosine, sine;   /* of how it is turned */
    int32_t period;         /* of stripes and checks */
    colour colour;
} shape;

typedef struct scene {
    uint32_t seed;
    colour near, far;     /* between which the ground passes */
    int32_t cosine, sine; /* in which direction */
    int32_t horizon;      /* below it the texture is strong; or outside the picture */
    int32_t texture, tint, persistence, grain;
    int shape_count;
    shape shapes[SHAPES];
} scene;

/* Steele et al. 2014, "Fast splittable pseudorandom number generators". */
static uint32_t mix(uint64_t z) {
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return (uint32_t)((z ^ z >> 31) >> 32);
}

/* The next number in [least, least + count). */
static int32_t draw(uint64_t *state, int32_t least, int32_t count) {
    *state += 0x9E3779B97F4A7C15u;
    return least + (int32_t)((uint64_t)mix(*state) * (uint64_t)count >> 32);
}

/* A point within the circle, but not near its middle, is brought to the circle; the root is
 * Newton's. */
static void draw_direction(uint64_t *state, int32_t *cosine, int32_t *sine) {
    int32_t x, y, square;
    do {
        x = draw(state, -ONE, 2 * ONE + 1);
        y = draw(state, -ONE, 2 * ONE + 1);
        square = x * x + y * y;
    } while (square > ONE * ONE || square < ONE * ONE / 4);
    int32_t root = ONE;
    for (int i = 0; i < 6; i++)
        root = (root + square / root) / 2;
    *cosine = x * ONE / root;
    *sine = y * ONE / root;
}

static colour draw_colour(uint64_t *state) {
    /* A grey and what each part differs by: few things are of pure colours. */
    int32_t grey = draw(state, ONE / 16, ONE), vivid = draw(state, 0, ONE);
    colour c;
    for (int i = 0; i < 3; i++)
        c.rgb[i] = grey + draw(state, -vivid, 2 * vivid + 1) / 2;
    return c;
}

static shape draw_shape(uint64_t *state) {
    shape s = {.kind = (shape_kind)draw(state, DISC, CHECKS + 1),
               .x = draw(state, 0, SIDE),
               .y = draw(state, 0, SIDE),
               .radius = draw(state, SIDE / 20, SIDE / 3),
               .period = draw(state, SIDE / 80, SIDE / 8)};
    s.height = draw(state, s.radius / 8, s.radius);
    draw_direction(state, &s.cosine, &s.sine);
    s.colour = draw_colour(state);
    return s;
}

static scene draw_scene(uint32_t index) {
    uint64_t state = (uint64_t)index << 32 | 0x5CE7E;
    scene s = {.seed = index * 64};
    s.near = draw_colour(&state);
    s.far = draw_colour(&state);
    draw_direction(&state, &s.cosine, &s.sine);
    s.horizon = draw(&state, 0, 3) == 0 ? SIDE : draw(&state, SIDE / 4, SIDE / 2);
    s.texture = draw(&state, ONE / 16, ONE);
    s.tint = draw(&state, 0, ONE / 2);
    s.persistence = draw(&state, ONE * 2 / 5, ONE / 3); /* of an octave to the one before */
    s.grain = draw(&state, 0, ONE / 12);
    s.shape_count = draw(&state, 0, SHAPES + 1);
    for (int i = 0; i < s.shape_count; i++)
        s.shapes[i] = draw_shape(&state);
    return s;
}

/* In -ONE..ONE: a random value at each point of a grid, between them eased. */
static int32_t value_noise(uint32_t seed, int32_t x, int32_t y, int32_t cell) {
    int32_t column = x / cell, row = y / cell;
    int32_t in_x = (int32_t)((int64_t)(x % cell) * ONE / cell);
    int32_t in_y = (int32_t)((int64_t)(y % cell) * ONE / cell);
    in_x = (int32_t)((int64_t)in_x * in_x * (3 * ONE - 2 * in_x) / ((int64_t)ONE * ONE));
    in_y = (int32_t)((int64_t)in_y * in_y * (3 * ONE - 2 * in_y) / ((int64_t)ONE * ONE));
    int32_t corner[4];
    for (int i = 0; i < 4; i++) {
        uint64_t at =
            (uint64_t)seed << 40 | (uint64_t)(row + i / 2) << 20 | (uint64_t)(column + i % 2);
        corner[i] = (int32_t)(mix(at * 0x9E3779B97F4A7C15u) >> 19) - ONE;
    }
    int32_t top = corner[0] + (corner[1] - corner[0]) * in_x / ONE;
    int32_t bottom = corner[2] + (corner[3] - corner[2]) * in_x / ONE;
    return top + (bottom - top) * in_y / ONE;
}

/* Octaves of it, each half as wide and `persistence` as strong as the one before: 1/f noise. */
static int32_t texture(const scene *s, uint32_t layer, int octaves, int32_t x, int32_t y) {
    int32_t sum = 0, strength = ONE / 2, cell = SIDE / 3;
    for (int octave = 0; octave < octaves; octave++) {
        uint32_t seed = s->seed + layer * 16 + (uint32_t)octave;
        sum += value_noise(seed, x, y, cell) * strength / ONE;
        strength = strength * s->persistence / ONE;
        cell /= 2;
    }
    return sum;
}

static int32_t magnitude(int32_t value) {
    return value < 0 ? -value : value;
}

static bool is_odd(int32_t along, int32_t period) {
    return ((along + 16 * SIDE) / period) & 1;
}

static bool is_inside(const shape *s, int32_t x, int32_t y) {
    int64_t right = x - s->x, down = y - s->y;
    int32_t along = (int32_t)((right * s->cosine + down * s->sine) / ONE);
    int32_t across = (int32_t)((down * s->cosine - right * s->sine) / ONE);
    int64_t square = right * right + down * down;
    bool in_disc = square <= (int64_t)s->radius * s->radius;
    switch (s->kind) {
    case DISC:
        return in_disc;
    case BAR:
        return magnitude(along) <= s->radius && magnitude(across) <= s->height;
    case STRIPES:
        return in_disc && is_odd(along, s->period);
    case CHECKS:
        return in_disc && is_odd(along, s->period) != is_odd(across, s->period);
    }
    return false;
}

static void paint(const scene *s, int32_t x, int32_t y, uint32_t pixel, uint8_t *rgb) {
    int32_t light = texture(s, 0, 6, x, y), tint[3];
    int32_t strength = y < s->horizon ? s->texture / 4 : s->texture;
    int32_t along =
        (int32_t)(((int64_t)(x - SIDE / 2) * s->cosine + (int64_t)(y - SIDE / 2) * s->sine) /
                  SIDE) +
        ONE / 2;
    const shape *top = NULL;
    for (int i = 0; i < s->shape_count; i++)
        if (is_inside(&s->shapes[i], x, y))
            top = &s->shapes[i];
    tint[0] = texture(s, 1, 3, x, y);
    tint[1] = texture(s, 2, 3, x, y);
    tint[2] = -tint[0];
    int32_t grain =
        (int32_t)(mix(((uint64_t)s->seed << 32 | pixel) * 0x9E3779B97F4A7C15u) >> 19) - ONE;
    for (int i = 0; i < 3; i++) {
        int32_t value = s->near.rgb[i] + (s->far.rgb[i] - s->near.rgb[i]) * along / ONE;
        int32_t rough = strength;
        if (top) { /* shaded by what shades the ground */
            value = top->colour.rgb[i] * (3 * ONE + along) / (4 * ONE);
            rough = strength / 3;
        }
        value += light * rough / ONE + tint[i] * s->tint / ONE + grain * s->grain / ONE;
        value = value * 255 / ONE;
        rgb[i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
    }
}

void pix_sample_picture(uint32_t index, int size, uint8_t *rgb) {
    scene s = draw_scene(index);
    for (int row = 0; row < size; row++)
        for (int column = 0; column < size; column++, rgb += 3) {
            int32_t x = (int32_t)((int64_t)(2 * column + 1) * SIDE / (2 * (int64_t)size));
            int32_t y = (int32_t)((int64_t)(2 * row + 1) * SIDE / (2 * (int64_t)size));
            paint(&s, x, y, (uint32_t)(row * size + column), rgb);
        }
}
