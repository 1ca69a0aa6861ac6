/* What an interactive bash reads first: it marks prompts, commands and their exit codes for the terminal (OSC 133).
 *
 * It is named by ENV, which bash reads in the place of its login files when it starts in POSIX mode: so the shell stays
 * a login shell, and nothing of the user's, who may change all of it, need be written to. */
#include "holder.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char MARKS[] =
    "unset ENV\n"
    "set +o posix\n"
    "shopt -u inherit_errexit 2>/dev/null\n"
    "HISTFILE=~/.bash_history\n"
    "[ ! -r /etc/profile ] || . /etc/profile\n"
    "for __nixws in ~/.bash_profile ~/.bash_login ~/.profile; do\n"
    "  if [ -r \"$__nixws\" ]; then . \"$__nixws\"; break; fi\n"
    "done\n"
    "unset __nixws\n"
    "if [ -z \"$NIXWS_NO_MARKS\" ] && [ $((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1])) -ge 404 ]; then\n"
    "  __nixws_ended() { local status=$?; printf '\\033]133;D;%s\\a' \"$status\"; return \"$status\"; }\n"
    "  __nixws_marked() {\n"
    "    local status=$?\n"
    "    case $PS1 in\n"
    "      *'133;A'*) ;;\n"
    "      *) PS1='\\[\\e]133;A\\a\\]'$PS1'\\[\\e]133;B\\a\\]' ;;\n"
    "    esac\n"
    "    return \"$status\"\n"
    "  }\n"
    "  PS0=$PS0'\\e]133;C\\a'\n"
    "  if [ $((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1])) -ge 501 ]; then\n"
    "    PROMPT_COMMAND=(__nixws_ended \"${PROMPT_COMMAND[@]}\" __nixws_marked)\n"
    "  else\n"
    "    PROMPT_COMMAND=__nixws_ended$'\\n'$PROMPT_COMMAND$'\\n'__nixws_marked\n"
    "  fi\n"
    "fi\n";

/* Writes it beside the socket. Where that is not possible shells start without it. */
void marks_write(void) {
    const char *end = strrchr(holder.socket_path, '/');
    char path[PATH_BYTES], fresh[PATH_BYTES + 8];
    int length = snprintf(path, sizeof path, "%.*s/bash-marks", end ? (int)(end - holder.socket_path) : 1,
                          end ? holder.socket_path : ".");
    if (length < 0 || length >= (int)sizeof path) return;
    snprintf(fresh, sizeof fresh, "%s.new", path);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return;
    bool written = write(fd, MARKS, sizeof MARKS - 1) == (ssize_t)sizeof MARKS - 1;
    if (close(fd) || !written || rename(fresh, path))
        unlink(fresh);
    else
        holder.marks_path = strdup(path);
}
