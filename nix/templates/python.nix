{
  title = "Python";
  description = "Python 3 with pip and virtual environments, a C compiler for extensions, Git.";
  icon = "python";
  packages = [
    "curl"
    "gcc"
    "git"
    "gnumake"
    "jq"
    "nano"
    "pkg-config"
    "python3"
    "python3Packages.pip"
    "ripgrep"
    "sqlite"
    "tmux"
    "vim"
  ];
  module = { };
}
