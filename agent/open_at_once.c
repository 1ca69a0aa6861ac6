// Loaded into a workspace's sshd (LD_PRELOAD): what its SFTP server opens for a user never waits.
//
// SFTP has no way to say "without waiting", and OpenSSH's server opens one thing after the other. A pipe put in a file's
// place between looking and opening would hold it, and all its client asks, until somebody opens the other end; a
// lease on a file, for as long as its holder likes, up to the kernel's 45 seconds. With O_NONBLOCK a pipe opens at once
// and is told by the look that follows, or is refused; for regular files the flag means nothing else.
//
// internal-sftp runs inside sshd, as the user. What sshd opens as root stays as it is.

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_at_once(const char *path, int flags, va_list rest) {
    mode_t mode = flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)) ? va_arg(rest, mode_t) : 0;
    if (geteuid() != 0) {
        flags |= O_NONBLOCK;
    }
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int fd = open_at_once(path, flags, rest);
    va_end(rest);
    return fd;
}

// The same function, by the name that programs with large files on 32-bit machines and some C libraries use.
int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int fd = open_at_once(path, flags, rest);
    va_end(rest);
    return fd;
}
