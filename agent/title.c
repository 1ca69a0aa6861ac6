/* The window title that programs set with OSC 0 or OSC 2; the sequences may be cut anywhere. */
#include "holder.h"

#include <string.h>

static void title_finish(struct terminal *t) {
    memcpy(t->title, t->pending_title, t->title_length);
    t->title[t->title_length] = 0;
    t->title_state = TITLE_GROUND;
}

static void title_byte(struct terminal *t, uint8_t byte) {
    switch (t->title_state) {
    case TITLE_ESCAPE:
        t->title_state = byte == ']' ? TITLE_NUMBER : byte == 0x1b ? TITLE_ESCAPE : TITLE_GROUND;
        t->title_number = UINT16_MAX;
        break;
    case TITLE_NUMBER:
        if (byte == ';' && (t->title_number == 0 || t->title_number == 2)) {
            t->title_state = TITLE_TEXT;
            t->title_length = 0;
        } else if (byte >= '0' && byte <= '9' && t->title_number == UINT16_MAX) {
            t->title_number = byte - '0';
        } else {
            t->title_state = byte == 0x1b ? TITLE_ESCAPE : TITLE_SKIP;
        }
        break;
    case TITLE_TEXT:
        if (byte == 0x07)
            title_finish(t);
        else if (byte == 0x1b)
            t->title_state = TITLE_TEXT_ESCAPE;
        else if (byte >= 0x20 && byte != 0x7f && t->title_length < TITLE_BYTES)
            t->pending_title[t->title_length++] = (char)byte;
        else if (byte == 0x18 || byte == 0x1a) /* CAN and SUB end every sequence */
            t->title_state = TITLE_GROUND;
        break;
    case TITLE_TEXT_ESCAPE:
        if (byte == '\\')
            title_finish(t);
        else
            t->title_state = byte == ']' ? TITLE_NUMBER : TITLE_GROUND;
        t->title_number = UINT16_MAX;
        break;
    default: /* another OSC: nothing in it concerns us, its end is found like any ESC */
        t->title_state = byte == 0x1b ? TITLE_ESCAPE : TITLE_GROUND;
    }
}

void title_scan(struct terminal *t, const uint8_t *bytes, size_t length) {
    const uint8_t *end = bytes + length;
    while (bytes < end) {
        if (t->title_state == TITLE_GROUND) {
            bytes = memchr(bytes, 0x1b, (size_t)(end - bytes));
            if (!bytes) return;
            t->title_state = TITLE_ESCAPE;
            bytes++;
        } else {
            title_byte(t, *bytes++);
        }
    }
}
