#include "frames.h"

#include <stdlib.h>
#include <string.h>

static uint64_t decode(const uint8_t *at, unsigned bytes) {
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++) value |= (uint64_t)at[i] << (8 * i);
    return value;
}

bool header_read(const uint8_t bytes[HEADER_BYTES], struct header *out) {
    out->type = bytes[0];
    out->length = (uint32_t)decode(bytes + 4, 4);
    return bytes[1] == 0 && bytes[2] == 0 && bytes[3] == 0 && out->length <= PAYLOAD_MAX;
}

void header_write(uint8_t bytes[HEADER_BYTES], uint8_t type, uint32_t length) {
    memset(bytes, 0, HEADER_BYTES);
    bytes[0] = type;
    for (unsigned i = 0; i < 4; i++) bytes[4 + i] = (uint8_t)(length >> (8 * i));
}

uint64_t read_uint(struct reader *r, unsigned bytes) {
    if (r->bad || r->left < bytes) {
        r->bad = true;
        return 0;
    }
    uint64_t value = decode(r->at, bytes);
    r->at += bytes;
    r->left -= bytes;
    return value;
}

struct text read_text(struct reader *r, size_t max) {
    size_t length = read_uint(r, 2);
    if (r->bad || length > max || length > r->left || (length && memchr(r->at, 0, length))) {
        r->bad = true;
        return (struct text){(const uint8_t *)"", 0};
    }
    struct text found = {r->at, length};
    r->at += length;
    r->left -= length;
    return found;
}

bool read_done(const struct reader *r) { return !r->bad && r->left == 0; }

void put_bytes(struct buffer *b, const void *bytes, size_t length) {
    if (b->failed || length == 0) return;
    if (b->length + length > b->capacity) {
        size_t capacity = (b->length + length) * 2;
        uint8_t *grown = realloc(b->at, capacity);
        if (!grown) {
            b->failed = true;
            return;
        }
        b->at = grown;
        b->capacity = capacity;
    }
    memcpy(b->at + b->length, bytes, length);
    b->length += length;
}

void put_uint(struct buffer *b, uint64_t value, unsigned bytes) {
    uint8_t encoded[8];
    for (unsigned i = 0; i < bytes; i++) encoded[i] = (uint8_t)(value >> (8 * i));
    put_bytes(b, encoded, bytes);
}

void put_text(struct buffer *b, const void *bytes, size_t length) {
    if (length > UINT16_MAX) length = UINT16_MAX;
    put_uint(b, length, 2);
    put_bytes(b, bytes, length);
}

void buffer_drop_front(struct buffer *b, size_t length) {
    b->length -= length;
    if (b->length)
        memmove(b->at, b->at + length, b->length);
    else
        buffer_free(b); /* idle terminals and clients keep no buffers */
}

void buffer_free(struct buffer *b) {
    free(b->at);
    *b = (struct buffer){0};
}
