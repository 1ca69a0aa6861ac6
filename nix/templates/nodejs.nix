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
  module = {
    # Packages with compiled parts bring programs that were linked for other distributions.
    programs.nix-ld.enable = true;
  };
}
