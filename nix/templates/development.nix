{
  title = "Development";
  description = "Git, a C compiler with debugger, make and the everyday tools of a developer.";
  icon = "code";
  packages = [
    "curl"
    "file"
    "gcc"
    "gdb"
    "git"
    "gnumake"
    "htop"
    "jq"
    "lsof"
    "man"
    "man-pages"
    "nano"
    "pkg-config"
    "ripgrep"
    "rsync"
    "strace"
    "tmux"
    "tree"
    "universal-ctags"
    "unzip"
    "vim"
    "wget"
    "zip"
  ];
  module = {
    documentation.man.enable = true;
  };
}
