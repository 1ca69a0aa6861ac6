"""Git repositories in workspaces: their work, and the dotfiles of their owners."""
