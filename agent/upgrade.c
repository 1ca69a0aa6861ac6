/* Replacing the program without losing a terminal: the state goes into a memfd, the process executes the new program,
 * and the PTYs, rings, children and the listening socket stay where they are. Clients are disconnected and attach again. */
#include "holder.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STATE_VERSION = 1, STATE_BYTES_MAX = 64 << 20, CHECK_SECONDS = 5 };
static const char STATE_MAGIC[8] = {'n', 'i', 'x', 'w', 's', '-', 's', 't'};

static void save_terminal(const struct terminal *t, struct buffer *out) {
    put_uint(out, (uint32_t)t->fd, 4);
    put_uint(out, (uint32_t)t->ring.fd, 4);
    put_uint(out, (uint32_t)t->pid, 4);
    put_uint(out, (uint32_t)t->status, 4);
    put_uint(out, t->id, 8);
    put_uint(out, t->created_ms, 8);
    put_uint(out, t->active_ms, 8);
    put_uint(out, t->ended_at, 8);
    put_uint(out, t->kill_at, 8);
    put_uint(out, t->ring.start, 8);
    put_uint(out, t->ring.end, 8);
    put_uint(out, t->cols, 2);
    put_uint(out, t->rows, 2);
    put_text(out, t->name, strlen(t->name));
    put_text(out, t->title, strlen(t->title));
    put_text(out, t->command, strlen(t->command));
    put_uint(out, t->input.length, 4);
    put_bytes(out, t->input.at, t->input.length);
    for (const struct token *slot = t->tokens; slot < t->tokens + TOKENS; slot++) {
        put_uint(out, slot->value, 8);
        put_uint(out, slot->received, 8);
        put_uint(out, slot->used, 8);
    }
}

/* Returns a memfd, or -1. */
int state_save(void) {
    struct buffer out = {0};
    uint32_t count = 0;
    for (const struct terminal *t = holder.terminals; t; t = t->next) count++;
    put_bytes(&out, STATE_MAGIC, sizeof STATE_MAGIC);
    put_uint(&out, STATE_VERSION, 4);
    put_uint(&out, (uint32_t)holder.listener, 4);
    put_uint(&out, holder.ring_bytes, 8);
    put_uint(&out, holder.incarnation, 8);
    put_uint(&out, holder.turn, 8);
    put_uint(&out, count, 4);
    for (const struct terminal *t = holder.terminals; t; t = t->next) save_terminal(t, &out);
    int fd = out.failed ? -1 : memfd_create("state", MFD_CLOEXEC);
    if (fd >= 0 && pwrite(fd, out.at, out.length, 0) != (ssize_t)out.length) {
        close(fd);
        fd = -1;
    }
    buffer_free(&out);
    return fd;
}

static bool load_terminal(struct reader *r, bool keep) {
    struct terminal *t = calloc(1, sizeof *t);
    if (!t) return false;
    t->kind = KIND_TERMINAL;
    t->fd = (int)read_uint(r, 4);
    t->ring.fd = (int)read_uint(r, 4);
    t->pid = (pid_t)read_uint(r, 4);
    t->status = (int32_t)read_uint(r, 4);
    t->id = read_uint(r, 8);
    t->created_ms = read_uint(r, 8);
    t->active_ms = read_uint(r, 8);
    t->ended_at = read_uint(r, 8);
    t->kill_at = read_uint(r, 8);
    t->ring.start = read_uint(r, 8);
    t->ring.end = read_uint(r, 8);
    t->cols = (uint16_t)read_uint(r, 2);
    t->rows = (uint16_t)read_uint(r, 2);
    struct text name = read_text(r, NAME_BYTES), title = read_text(r, TITLE_BYTES), command = read_text(r, COMMAND_BYTES);
    size_t input = read_uint(r, 4);
    bool good = !r->bad && input <= r->left && t->ring.start <= t->ring.end &&
                t->ring.end - t->ring.start <= holder.ring_bytes;
    if (good) {
        memcpy(t->name, name.at, name.length);
        memcpy(t->title, title.at, title.length);
        put_bytes(&t->input, r->at, input);
        r->at += input;
        r->left -= input;
        for (struct token *slot = t->tokens; slot < t->tokens + TOKENS; slot++) {
            slot->value = read_uint(r, 8);
            slot->received = read_uint(r, 8);
            slot->used = read_uint(r, 8);
        }
        t->command = strndup((const char *)command.at, command.length);
        good = !r->bad && t->command && !t->input.failed && (!keep || ring_map(&t->ring));
    }
    if (good && keep) {
        if (t->fd >= 0) fcntl(t->fd, F_SETFD, FD_CLOEXEC);
        fcntl(t->ring.fd, F_SETFD, FD_CLOEXEC);
        holder.kept += t->ring.end - t->ring.start;
        t->next = holder.terminals;
        holder.terminals = t;
        holder.terminal_count++;
        return true;
    }
    buffer_free(&t->input);
    free(t->command);
    free(t);
    return good;
}

/* Reads the state without moving the descriptor's position. With `keep` the terminals become this process's own. */
bool state_load(int fd, bool keep) {
    struct stat info;
    if (fstat(fd, &info) || info.st_size > STATE_BYTES_MAX) return false;
    uint8_t *bytes = malloc((size_t)info.st_size + 1);
    if (!bytes || pread(fd, bytes, (size_t)info.st_size, 0) != info.st_size) {
        free(bytes);
        return false;
    }
    struct reader r = {bytes, (size_t)info.st_size, false};
    bool good = r.left >= sizeof STATE_MAGIC && !memcmp(bytes, STATE_MAGIC, sizeof STATE_MAGIC);
    read_uint(&r, 8);
    good = good && read_uint(&r, 4) == STATE_VERSION;
    int listener = (int)read_uint(&r, 4);
    uint64_t ring_bytes = read_uint(&r, 8);
    uint64_t incarnation = read_uint(&r, 8), turn = read_uint(&r, 8), count = read_uint(&r, 4);
    good = good && !r.bad && ring_bytes >= RING_MIN && ring_bytes <= (uint64_t)1 << 30 && count <= TERMINALS_MAX;
    if (good) {
        holder.ring_bytes = ring_bytes; /* the rings exist: another --ring counts from the next start on */
        holder.listener = listener;
        holder.incarnation = incarnation;
        holder.turn = turn;
    }
    for (uint64_t i = 0; good && i < count; i++) good = load_terminal(&r, keep);
    good = good && read_done(&r);
    free(bytes);
    return good;
}

static void set_inherited(bool inherited) {
    int flags = inherited ? 0 : FD_CLOEXEC;
    fcntl(holder.listener, F_SETFD, flags);
    for (const struct terminal *t = holder.terminals; t; t = t->next) {
        if (t->fd >= 0) fcntl(t->fd, F_SETFD, flags);
        fcntl(t->ring.fd, F_SETFD, flags);
    }
}

/* The new program proves in a process of its own that it starts and can read this state. */
static bool program_accepts(const char *program, const char *state) {
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGALRM, SIG_DFL);
        alarm(CHECK_SECONDS);
        execl(program, program, "--check-state", state, (char *)NULL);
        _exit(127);
    }
    int status = -1;
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* Does not return when it succeeds. */
bool upgrade(void) {
    char number[16];
    int state = state_save();
    if (state < 0) return false;
    fcntl(state, F_SETFD, 0);
    snprintf(number, sizeof number, "%d", state);
    const char *program = access(holder.upgrade_path, X_OK) ? "/proc/self/exe" : holder.upgrade_path;
    if (program_accepts(program, number)) {
        setenv("NIXWS_HOLDER_STATE", number, 1);
        set_inherited(true);
        execv(program, holder.argv);
        set_inherited(false);
        unsetenv("NIXWS_HOLDER_STATE");
    }
    close(state);
    return false;
}
