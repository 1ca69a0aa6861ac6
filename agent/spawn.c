/* Starting a program on a PTY of its own. */
#include "holder.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

extern char **environ;

/* What a service manager or an SSH server left in our environment is not the program's business. */
static bool is_foreign(const char *variable) {
    static const char *const prefixes[] = {"SSH_",      "SYSTEMD_", "LISTEN_", "WATCHDOG_",     "MEMORY_PRESSURE_",
                                           "CREDENTIALS_", "RUNTIME_DIRECTORY=", "INVOCATION_ID=", "JOURNAL_STREAM=",
                                           "NOTIFY_SOCKET=", "MAINPID=", "MANAGERPID=", "COLUMNS=", "LINES=", "OLDPWD="};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (!strncmp(variable, prefixes[i], strlen(prefixes[i]))) return true;
    return false;
}

static void set_environment(const struct start *start, const struct passwd *user, const char *cwd) {
    char **kept = environ;
    for (char **variable = environ; *variable; variable++)
        if (!is_foreign(*variable)) *kept++ = *variable;
    *kept = NULL;
    char id[17];
    snprintf(id, sizeof id, "%016llx", (unsigned long long)start->id);
    setenv("NIXWS_TERMINAL", id, 1);
    setenv("TERM", "xterm-256color", 1);
    setenv("COLORTERM", "truecolor", 1);
    setenv("SHELL", start->shell, 1);
    setenv("PWD", cwd, 1);
    if (user) {
        setenv("HOME", user->pw_dir, 1);
        setenv("USER", user->pw_name, 1);
        setenv("LOGNAME", user->pw_name, 1);
    }
}

static void reset_signals(void) {
    struct sigaction standard = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++) sigaction(number, &standard, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void become(const struct start *start) {
    const char *base = strrchr(start->shell, '/');
    char login[256];
    snprintf(login, sizeof login, "-%s", base ? base + 1 : start->shell);
    if (*start->command)
        execl(start->shell, base ? base + 1 : start->shell, "-l", "-c", start->command, (char *)NULL);
    else if (base && !strcmp(base, "/bash") && holder.marks_path && !setenv("ENV", holder.marks_path, 1))
        execl(start->shell, login, "--posix", (char *)NULL);
    else
        execl(start->shell, login, (char *)NULL);
    dprintf(2, "%s: %s\r\n", start->shell, strerror(errno));
    _exit(127);
}

/* Returns the PTY's master, non-blocking and close-on-exec, or -errno. */
int spawn(const struct start *start, pid_t *pid) {
    const struct passwd *user = getpwuid(getuid());
    const char *home = user && *user->pw_dir ? user->pw_dir : "/";
    const char *cwd = *start->cwd ? start->cwd : home;
    if (access(start->shell, X_OK)) return -errno;
    int directory = open(cwd, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0 && *start->cwd) return -errno;
    if (directory < 0) directory = open(cwd = "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct winsize size = {.ws_col = start->cols, .ws_row = start->rows};
    int master;
    *pid = forkpty(&master, NULL, NULL, &size);
    if (*pid == 0) {
        struct termios modes;
        if (!tcgetattr(0, &modes)) {
            modes.c_iflag |= IUTF8; /* the line discipline erases whole characters */
            tcsetattr(0, TCSANOW, &modes);
        }
        if (fchdir(directory)) _exit(127);
        set_environment(start, user, cwd);
        reset_signals();
        become(start);
    }
    int error = errno;
    close(directory);
    if (*pid < 0) return -error;
    fcntl(master, F_SETFD, FD_CLOEXEC);
    fcntl(master, F_SETFL, O_NONBLOCK);
    return master;
}
