{
  title = "Node.js";
  description = "Node.js with npm, Git and tools for web development.";
  icon = "nodejs";
  packages = [
    "curl"
    "git"
    "gnumake"
    "jq"
    "nano"
    "nodejs"
    "ripgrep"
    "tmux"
    "vim"
  ];
  module = { };
}
