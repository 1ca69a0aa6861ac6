/* The terminal holder: owns the PTYs of one user and the last output of each, so that shells outlive every connection.
 * The protocol stands in PROTOCOL.md. */
#include "holder.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void look_at_clocks(void) {
    struct timespec steady, wall;
    clock_gettime(CLOCK_MONOTONIC, &steady);
    clock_gettime(CLOCK_REALTIME, &wall);
    holder.now_us = (uint64_t)steady.tv_sec * 1000000 + (uint64_t)steady.tv_nsec / 1000;
    holder.now_ms = holder.now_us / 1000;
    holder.clock_ms = (uint64_t)wall.tv_sec * 1000 + (uint64_t)wall.tv_nsec / 1000000;
}

static void reap(void) {
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        for (struct terminal *t = holder.terminals; t; t = t->next)
            if (t->pid == pid) terminal_reaped(t, status);
}

static void on_signals(void) {
    struct signalfd_siginfo info;
    while (read(holder.signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) {
            unlink(holder.socket_path);
            exit(0); /* the kernel hangs up every PTY */
        }
        if (info.ssi_signo == SIGHUP) holder.upgrade_due = true;
    }
    reap();
}

static void on_listener(void) {
    int fd;
    while ((fd = accept4(holder.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) client_accept(fd);
}

static void dispatch(const struct epoll_event *event) {
    switch (*(enum kind *)event->data.ptr) {
    case KIND_LISTENER: on_listener(); break;
    case KIND_SIGNALS: on_signals(); break;
    case KIND_CLIENT: client_event(event->data.ptr, event->events); break;
    case KIND_TERMINAL: {
        struct terminal *t = event->data.ptr;
        if (t->fd >= 0 && event->events & (EPOLLHUP | EPOLLERR)) terminal_hung_up(t);
        else if (t->fd >= 0 && event->events & EPOLLIN) terminal_readable(t);
        if (t->fd >= 0 && event->events & EPOLLOUT) terminal_writable(t);
    }
    }
}

/* Everything that waits for a moment, looked at once a second; true if the loop must wake up by itself. */
static bool tick(void) {
    static uint64_t last;
    if (holder.now_ms - last < 1000) return true;
    last = holder.now_ms;
    bool again = false;
    for (struct terminal *t = holder.terminals; t; t = t->next) again |= terminal_tick(t);
    for (struct client *c = holder.clients; c; c = c->next) {
        if (c->dead || (c->greeted && !c->closing)) continue;
        if (holder.now_ms - c->accepted_at > HELLO_MS) client_drop(c);
        again = true;
    }
    return again;
}

static void send_gathered(void) {
    holder.gathering = false;
    for (struct terminal *t = holder.terminals; t; t = t->next) terminal_send_gathered(t);
}

/* How long the loop may wait for events, in milliseconds. */
static int patience(bool waiting) {
    if (holder.gathering) return GATHER_US / 1000;
    int most = waiting ? 1000 : -1;
    if (!holder.look_us) return most;
    if (holder.look_us <= holder.now_us) return 0;
    int look = (int)((holder.look_us - holder.now_us) / 1000) + 1;
    return waiting && most < look ? most : look;
}

static int listen_on(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) + strlen(".new") >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    if (!connect(fd, (struct sockaddr *)&address, sizeof address)) {
        errno = EADDRINUSE;
        return -1;
    }
    strcat(address.sun_path, ".new"); /* renamed once it listens: who sees the socket can connect */
    unlink(address.sun_path);
    mode_t before = umask(0177);
    int failed = bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 128) || rename(address.sun_path, path);
    umask(before);
    return failed ? -1 : fd;
}

static const char *default_shell(void) {
    const struct passwd *user = getpwuid(getuid());
    return user && *user->pw_shell ? strdup(user->pw_shell) : "/bin/sh";
}

static size_t bytes_option(const char *text, size_t least) {
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (*end || value < least || value > (1ULL << 40) || value % 4096) {
        fprintf(stderr, "nixws-terminals: %s: give bytes, a multiple of 4096 from %zu\n", text, least);
        exit(2);
    }
    return value;
}

static void read_options(int argc, char **argv) {
    static const struct option known[] = {{"socket", 1, 0, 's'},      {"shell", 1, 0, 'x'},  {"ring", 1, 0, 'r'},
                                          {"memory", 1, 0, 'm'},      {"upgrade-to", 1, 0, 'u'},
                                          {"check-state", 1, 0, 'c'}, {0, 0, 0, 0}};
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) switch (option) {
        case 's': holder.socket_path = optarg; break;
        case 'x': holder.shell = optarg; break;
        case 'r': holder.ring_bytes = bytes_option(optarg, RING_MIN); break;
        case 'm': holder.memory_bytes = bytes_option(optarg, KEPT_MIN); break;
        case 'u': holder.upgrade_path = optarg; break;
        case 'c': exit(state_load(atoi(optarg), false) ? 0 : 1);
        default: exit(2);
        }
}

static void take_descriptors(void) {
    struct rlimit files;
    if (!getrlimit(RLIMIT_NOFILE, &files)) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    sigset_t handled;
    sigemptyset(&handled);
    sigaddset(&handled, SIGCHLD);
    sigaddset(&handled, SIGHUP);
    sigaddset(&handled, SIGTERM);
    sigaddset(&handled, SIGINT);
    sigprocmask(SIG_SETMASK, &handled, NULL);
    holder.epoll = epoll_create1(EPOLL_CLOEXEC);
    holder.signals = signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK);
    if (holder.epoll < 0 || holder.signals < 0) {
        perror("nixws-terminals");
        exit(1);
    }
}

static void begin(void) {
    const char *state = getenv("NIXWS_HOLDER_STATE");
    if (state) {
        int fd = atoi(state);
        bool good = state_load(fd, true);
        close(fd);
        unsetenv("NIXWS_HOLDER_STATE");
        if (good) {
            fcntl(holder.listener, F_SETFD, FD_CLOEXEC);
            return;
        }
        fprintf(stderr, "nixws-terminals: the saved state cannot be read; its terminals are lost\n");
        exit(1);
    }
    if (getrandom(&holder.incarnation, sizeof holder.incarnation, 0) != sizeof holder.incarnation ||
        (holder.listener = listen_on(holder.socket_path)) < 0) {
        fprintf(stderr, "nixws-terminals: %s: %s\n", holder.socket_path, strerror(errno));
        exit(1);
    }
}

int main(int argc, char **argv) {
    static enum kind listener = KIND_LISTENER, signals = KIND_SIGNALS;
    uint32_t listener_armed = 0, signals_armed = 0;
    holder.argv = argv;
    read_options(argc, argv);
    if (!holder.shell) holder.shell = default_shell();
    take_descriptors();
    marks_write();
    begin();
    look_at_clocks();
    watch(holder.listener, &listener_armed, EPOLLIN, &listener);
    watch(holder.signals, &signals_armed, EPOLLIN, &signals);
    for (struct terminal *t = holder.terminals; t; t = t->next) terminal_update(t);
    reap(); /* children that ended while the program was replaced */
    bool waiting = true;
    for (;;) {
        struct epoll_event events[64];
        int count = epoll_wait(holder.epoll, events, 64, patience(waiting));
        look_at_clocks();
        for (int i = 0; i < count; i++) dispatch(&events[i]);
        if (holder.gathering) send_gathered();
        terminals_look();
        waiting = tick();
        sweep();
        if (holder.upgrade_due) {
            holder.upgrade_due = false;
            upgrade();
        }
    }
}
