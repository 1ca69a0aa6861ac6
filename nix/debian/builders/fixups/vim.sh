for name in vim vi vimdiff view; do
  ln -sfn vim.basic "$out/bin/$name"
done
after_patching() {
  rm -f "$out/bin/rvim" "$out/bin/ex" "$out/bin/rview"
  mv "$out/bin/vim.basic" "$out/bin/.vim.basic-wrapped"
  for name in vim vi vimdiff view; do
    rm -f "$out/bin/$name"
    printf '#!%s\nexport VIM="${VIM-%s}"\nexec -a %s %s "$@"\n' "$shell" "$out/share/vim" "$name" "$out/bin/.vim.basic-wrapped" > "$out/bin/$name"
    chmod +x "$out/bin/$name"
  done
}
