{
  title = "Development";
  description = "Git, a C compiler, make and the everyday tools of a developer.";
  icon = "code";
  packages = [
    "curl"
    "file"
    "gcc"
    "git"
    "gnumake"
    "htop"
    "jq"
    "man"
    "man-pages"
    "nano"
    "pkg-config"
    "ripgrep"
    "rsync"
    "tmux"
    "tree"
    "unzip"
    "vim"
    "wget"
  ];
  module = {
    documentation.man.enable = true;
  };
}
