/* What is told of a terminal besides its output: its name and title, and what runs in it. */
#include "holder.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The program's directory and the name of its foreground process; empty once it has ended. */
void put_process(const struct terminal *t, struct buffer *out) {
    char path[64], found[PATH_BYTES];
    pid_t foreground = t->fd >= 0 ? tcgetpgrp(t->fd) : -1;
    snprintf(path, sizeof path, "/proc/%d/cwd", (int)t->pid);
    ssize_t length = t->pid ? readlink(path, found, sizeof found) : 0;
    put_text(out, found, length > 0 ? (size_t)length : 0);
    snprintf(path, sizeof path, "/proc/%d/comm", (int)(foreground > 0 ? foreground : t->pid));
    int fd = t->pid ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    length = fd >= 0 ? read(fd, found, sizeof found) : 0;
    if (fd >= 0) close(fd);
    put_text(out, found, length > 0 ? (size_t)length - 1 : 0); /* without the newline */
}

uint16_t attached_clients(const struct terminal *t) {
    uint16_t attached = 0;
    for (const struct client *c = t->clients; c; c = c->next_attached) attached += !c->dead;
    return attached;
}

void put_news(const struct terminal *t, struct buffer *out) {
    put_uint(out, attached_clients(t), 2);
    put_text(out, t->name, strlen(t->name));
    put_text(out, t->title, strlen(t->title));
    put_process(t, out);
}
