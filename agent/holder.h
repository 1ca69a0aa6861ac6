/* The terminal holder's parts and what they share. One thread; everything happens in the loop of holder.c. */
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "frames.h"

enum {
    DATA_MAX = 32760,        /* bytes of output in one frame */
    TURN_BYTES = DATA_MAX,   /* bytes read from one PTY before the others have their turn: eight full reads, one frame */
    STREAM_US = 500,         /* output that follows other output so soon continues a stream, */
    STREAM_BYTES = 4096,     /* whose bytes beyond the first so many are gathered: they are sent once */
    GATHER_BYTES = DATA_MAX, /* so many are there or */
    GATHER_US = 2000,        /* the first of them has waited so long */
    LOOK_US = 300000,        /* what runs in a terminal is looked at so often while anybody is told of it, */
    LOOK_SOON_US = 30000,    /* so soon after input and output, */
    LOOK_APART_US = 100000,  /* but never more often than this */
    INPUT_WINDOW = 65536,    /* input bytes that a client may send ahead of the program */
    UNREAD_MAX = 65536,      /* unsent bytes of a client at which its requests are no longer read */
    CREDIT_MIN = 4096,
    RING_MIN = 262144,       /* half of it is the most credit that a client gets; the control plane counts on 128 KiB */
    KEPT_MIN = 65536,        /* output that a terminal keeps even when the memory limit is reached */
    SIZE_MAX_CELLS = 4096,   /* columns and rows */
    NAME_BYTES = 64,
    TITLE_BYTES = 256,
    PATH_BYTES = 4096,
    COMMAND_BYTES = 16384,
    TOKENS = 32,             /* remembered inputs per terminal */
    TERMINALS_MAX = 512,
    CLIENTS_MAX = 2048,
    LINGERING_MAX = 64,      /* ended terminals whose output is still kept */
    LINGER_MS = 300000,
    HELLO_MS = 10000,
    CLOSE_GRACE_MS = 2000,
};

enum error_code {
    ERROR_PROTOCOL = 1,      /* fatal: the connection is closed */
    ERROR_VERSION = 2,       /* fatal */
    ERROR_NO_TERMINAL = 3,
    ERROR_LIMIT = 4,
    ERROR_START = 5,
    ERROR_READONLY = 6,
    ERROR_OFFSET = 7,
    ERROR_REPLACED = 8,      /* fatal: another connection attached with the same token */
    ERROR_UPGRADE = 9,
};

enum kind { KIND_LISTENER, KIND_SIGNALS, KIND_CLIENT, KIND_TERMINAL };

/* The last bytes of a terminal's output. Backed by a memfd, so that an upgraded holder maps the same pages; only pages
 * that were written cost memory. Byte `offset` of the output lies at `offset % size` while start <= offset < end. */
struct ring {
    int fd;
    uint8_t *map;
    uint64_t start, end;
};

/* How much input came with a token: lets a client that lost its connection repeat without doubling. */
struct token {
    uint64_t value, received, used;
    struct client *client;
};

enum title_state { TITLE_GROUND, TITLE_ESCAPE, TITLE_NUMBER, TITLE_TEXT, TITLE_TEXT_ESCAPE, TITLE_SKIP };

struct terminal {
    enum kind kind;
    int fd;                  /* the PTY's master; -1 once all output has been read after the end */
    uint32_t armed;          /* epoll events in force; 0 = not in epoll, so that a hung up PTY cannot spin */
    pid_t pid;               /* 0 once reaped */
    bool closed;             /* somebody asked for its end */
    bool removed;            /* freed at the end of this turn of the loop */
    bool hung;               /* nobody has the slave open although the program lives: tried again every second */
    int32_t status;          /* exit code, or 128 + signal */
    uint64_t id, created_ms, active_ms;
    uint64_t ended_at, kill_at; /* monotonic ms; 0 = not yet */
    uint64_t read_us, gathering_us; /* monotonic: the last output; since when some of a stream waits, 0 = none does */
    size_t streamed, gathered; /* bytes since the stream began; since gathering_us */
    uint16_t cols, rows;
    struct ring ring;
    struct buffer input;     /* what the PTY did not take yet */
    struct client *clients;
    const struct client *sizer; /* the size of this one is in force, as far as has been told; never followed */
    struct buffer told;      /* the news that clients have been told or are about to be */
    uint64_t look_us, looked_us; /* monotonic: when to look for news, 0 = not now; when that was done last */
    struct token tokens[TOKENS];
    char name[NAME_BYTES + 1], title[TITLE_BYTES + 1];
    char pending_title[TITLE_BYTES + 1];
    uint16_t title_length, title_number;
    uint8_t title_state;
    char *command;
    struct terminal *next;
};

struct client {
    enum kind kind;
    int fd;
    uint32_t armed;
    bool dead;               /* closed; freed at the end of this turn of the loop */
    bool closing;            /* closed as soon as its output has been sent */
    bool greeted, readonly, window_due, size_due, news_due, exit_sent;
    bool hears_news;         /* speaks version 2 */
    uint64_t accepted_at;
    struct buffer in, out;
    struct terminal *terminal;
    struct token *token;
    uint64_t sent, acked, active;
    uint64_t received, input_limit;
    uint32_t credit;
    uint16_t cols, rows;
    struct client *next, *next_attached;
};

struct start {
    const char *shell, *command, *cwd; /* empty command: a login shell; empty cwd: the home directory */
    uint64_t id;
    uint16_t cols, rows;
};

struct holder {
    int epoll, listener, signals;
    const char *shell, *upgrade_path, *socket_path;
    const char *marks_path;  /* what bash is to read first; NULL where it could not be written */
    char **argv;
    size_t ring_bytes, memory_bytes;
    uint64_t incarnation, now_us, now_ms, clock_ms, turn;
    uint64_t kept;           /* output bytes in all rings */
    unsigned terminal_count, client_count;
    bool sweep_due, upgrade_due;
    uint64_t look_us;        /* monotonic: the earliest look for news at any terminal; 0 = none is due */
    bool gathering;          /* some terminal's stream waits for more, or for its time */
    struct terminal *terminals;
    struct client *clients;
};
extern struct holder holder;

/* Each file calls only files above it. */

/* loop.c */
void watch(int fd, uint32_t *armed, uint32_t wanted, void *owner);

/* ring.c */
bool ring_map(struct ring *ring);
int ring_span(const struct ring *ring, uint64_t offset, size_t length, struct iovec out[2]);
void ring_forget(struct ring *ring, uint64_t start);
void ring_advance(struct ring *ring, size_t length);

/* news.c */
void put_process(const struct terminal *t, struct buffer *out);
uint16_t attached_clients(const struct terminal *t);
void put_news(const struct terminal *t, struct buffer *out);

/* send.c */
void client_watch(struct client *c);
void client_drop(struct client *c);
void send_frame(struct client *c, uint8_t type, struct buffer *payload);
void client_error(struct client *c, enum error_code code, const char *message);
void fail(struct client *c, enum error_code code, const char *message);
void protocol_error(struct client *c, const char *message);
void client_grant(struct client *c);
void client_pump(struct client *c);

/* title.c */
void title_scan(struct terminal *t, const uint8_t *bytes, size_t length);

/* marks.c */
void marks_write(void);

/* spawn.c */
int spawn(const struct start *start, pid_t *pid);

/* terminal.c */
struct terminal *terminal_open(const struct start *start, struct text name, int *error);
struct terminal *terminal_find(uint64_t id);
void terminal_update(struct terminal *t);
void terminal_readable(struct terminal *t);
void terminal_send_gathered(struct terminal *t);
void terminal_writable(struct terminal *t);
void terminal_hung_up(struct terminal *t);
void terminal_input(struct terminal *t, const uint8_t *bytes, size_t length);
void terminal_fit(struct terminal *t);
void terminal_look(struct terminal *t);
void terminal_look_within(struct terminal *t, uint64_t us);
void terminals_look(void);
void terminal_reaped(struct terminal *t, int wait_status);
void terminal_close(struct terminal *t);
bool terminal_tick(struct terminal *t);
void terminal_describe(const struct terminal *t, struct buffer *out);
void terminal_free(struct terminal *t);

/* client.c */
void client_accept(int fd);
void client_event(struct client *c, uint32_t events);
void client_feed(struct client *c, const uint8_t *bytes, size_t length);
void client_free(struct client *c);

/* life.c */
void sweep(void);

/* upgrade.c */
int state_save(void);
bool state_load(int fd, bool keep);
bool upgrade(void);
