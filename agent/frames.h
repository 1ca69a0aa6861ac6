/* Bytes of the wire and of the saved state: bounded reading, growing writing. No I/O, no other state. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HEADER_BYTES = 8,
    PAYLOAD_MAX = 65536, /* largest payload that a client may send */
};

struct header {
    uint8_t type;
    uint32_t length;
};

/* Reads from left to right; after the first read beyond the end `bad` is set and every value is 0. */
struct reader {
    const uint8_t *at;
    size_t left;
    bool bad;
};

struct text {
    const uint8_t *at;
    size_t length;
};

/* A growing run of bytes; `failed` is set when memory ran out, and then nothing is added any more. */
struct buffer {
    uint8_t *at;
    size_t length, capacity;
    bool failed;
};

/* False when flags or reserved bits are set, or the length is above PAYLOAD_MAX. */
bool header_read(const uint8_t bytes[HEADER_BYTES], struct header *out);
void header_write(uint8_t bytes[HEADER_BYTES], uint8_t type, uint32_t length);

uint64_t read_uint(struct reader *r, unsigned bytes);
/* A 16 bit length and that many bytes without NUL; longer than `max` is bad. */
struct text read_text(struct reader *r, size_t max);
bool read_done(const struct reader *r);

void put_bytes(struct buffer *b, const void *bytes, size_t length);
void put_uint(struct buffer *b, uint64_t value, unsigned bytes);
/* Cuts texts above 65535 bytes. */
void put_text(struct buffer *b, const void *bytes, size_t length);
void buffer_drop_front(struct buffer *b, size_t length);
void buffer_free(struct buffer *b);
