# The names that Debian's alternatives give; vim does what the name says that it is started under.
names="vim vi vimdiff view ex rvim rview editor"
after_patching() {
  mv "$out/bin/vim.basic" "$out/bin/.vim.basic-wrapped"
  for name in $names; do
    rm -f "$out/bin/$name"
    printf '#!%s\nexport VIM="${VIM-%s}"\nexec -a %s %s "$@"\n' "$shell" "$out/share/vim" "$name" "$out/bin/.vim.basic-wrapped" > "$out/bin/$name"
    chmod +x "$out/bin/$name"
  done
}
