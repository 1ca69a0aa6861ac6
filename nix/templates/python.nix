{
  title = "Python";
  description = "Python 3 with pip, pytest and virtual environments, a C compiler for extensions, Git.";
  icon = "python";
  packages = [
    "curl"
    "file"
    "gcc"
    "git"
    "gnumake"
    "jq"
    "nano"
    "pkg-config"
    "python3"
    "python3Packages.pip"
    "python3Packages.pytest"
    "ripgrep"
    "sqlite"
    "tmux"
    "vim"
  ];
  module = { };
}
